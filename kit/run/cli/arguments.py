"""Types of arguments, and arguments, that several commands have."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable

_TRUST = "let code run that a model brings; read it first: it can do all that you can"


def at_least(low: int) -> Callable[[str], int]:
    """The type of an argument that is a whole number of at least so much."""

    def whole(text: str) -> int:
        if not re.fullmatch("-?[0-9]{1,9}", text) or int(text) < low:
            raise argparse.ArgumentTypeError(f"{text!r:.80}: choose a whole number of at least {low}")
        return int(text)

    return whole


def listed(text: str) -> tuple[str, ...]:
    """The type of an argument that lists names."""
    return tuple(one for one in text.split(",") if one)


def add_model_options(command: argparse.ArgumentParser) -> None:
    """How models of the hub, or of folders, are used."""
    for side, texts in (("query", "questions"), ("passage", "passages")):
        text = f"what models that bring no prompts get before {texts}, such as '{side}: '"
        command.add_argument(f"--{side}-prompt", default="", metavar="TEXT", help=text)
    command.add_argument("--trust-remote-code", action="store_true", help=_TRUST)
