"""``models``: which trained models there are, and where they lie."""

from __future__ import annotations

import argparse

from kit.core.printing import say


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command to those of the command line."""
    command = commands.add_parser(
        "models",
        help="list the trained models of all runs, or of one",
        description="List the models that runs have trained, with the folders in reports/ that they lie in, which "
        "sentence-transformers loads as they are. With a card: export.",
    )
    command.add_argument("run", nargs="?", metavar="RUN", help="name of a folder in reports/ (default: all)")
    command.set_defaults(function=_list)


def _list(parsed: argparse.Namespace) -> None:
    from kit.run.cli.doing import run_folder
    from kit.run.models.keeping import kept_models, listed

    found = kept_models(run_folder(parsed.run).name if parsed.run else None)
    if found:
        say(repr(listed(found)))
    elif others := dict.fromkeys(one.folder.parents[1].name for one in kept_models()):
        say(f"{parsed.run} has no models of its own; there are some of {', '.join(others)}")
    else:
        say("no trained models yet: python -m kit run trains some")
