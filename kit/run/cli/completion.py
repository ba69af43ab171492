"""``completion``: what a shell needs to complete a command line."""

from __future__ import annotations

import argparse

from kit.core.printing import say


def add(commands: argparse._SubParsersAction) -> None:
    """Let ``kit.run.cli.commands`` understand ``completion``."""
    command = commands.add_parser(
        "completion",
        help="print what completes commands and options in a shell",
        description='Print a script by which a shell completes the command hybrid-batch-kit: eval "$(hybrid-batch-kit '
        'completion bash)".',
    )
    command.add_argument("shell", choices=("bash", "zsh", "tcsh"))
    command.set_defaults(function=_print)


def _print(parsed: argparse.Namespace) -> None:
    import shtab

    from kit.run.cli.commands import SCRIPT, parser

    say(shtab.complete(parser(SCRIPT), parsed.shell))
