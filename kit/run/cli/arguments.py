"""Types of arguments, and arguments, that several commands have."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kit.core.engines.engine import Engine

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


def pairs_of(parsed: argparse.Namespace) -> list[tuple[str, str]]:
    """The ``-p NAME=VALUE`` of a command line."""
    pairs = [text.partition("=") for text in parsed.parameters]
    malformed = [name for name, equals, _ in pairs if not equals]
    if malformed:
        raise ValueError(f"-p {malformed[0]}: write NAME=VALUE, such as -p updates=500")
    return [(name, value) for name, _, value in pairs]


def add_settings(command: argparse.ArgumentParser, meaning: str) -> None:
    """The arguments that choose settings; ``meaning`` is what ``-p`` does."""
    profiles = "file of parameters in notebooks/params: smoke (default), cpu, xquad-r …"
    command.add_argument("--profile", default="smoke", help=profiles)
    command.add_argument("-p", dest="parameters", action="append", default=[], metavar="NAME=VALUE", help=meaning)


def add_engine_options(command: argparse.ArgumentParser, stores: bool = True) -> None:
    """Where jobs are carried out; ``engine_of`` reads it. stores: whether their results can go through a store."""
    options = command.add_argument_group("engine", "what carries out trainings, evaluations and other jobs (docs/scale.md)")
    engines = "here (default, this machine), ray or slurm; of several machines, which share the project's folder"
    options.add_argument("--engine", default="here", metavar="NAME", help=engines)
    where = "of Ray: auto (default), host:port, or local, which starts one here; of Slurm: auto, or local, to try it here"
    options.add_argument("--address", default="auto", help=where)
    options.add_argument("--processors", type=at_least(0), default=0, metavar="N", help="of each job (default: as here)")
    options.add_argument("--gpus", type=at_least(0), default=0, metavar="N", help="of each job on a cluster (default: none)")
    options.add_argument("--partition", default="", metavar="NAME", help="of Slurm")
    store = "address of a place that results come from and go to, such as s3://bucket/kit, for machines that share no folder"
    if stores:
        options.add_argument("--store", default="", metavar="ADDRESS", help=store)
    options.add_argument("--minutes", type=at_least(1), default=240, metavar="N", help="of each job of Slurm (default: 240)")


def engine_of(parsed: argparse.Namespace) -> Engine:
    """The engine that a command line chooses.

    Raises:
        ValueError: no engine of that name, or what it is told is for another one.
    """
    from kit.core.engines.engine import Engine  # what it reads would make --help wait

    told = {name: getattr(parsed, name) for name in ("address", "processors", "gpus", "partition", "minutes")}
    engine, usual = Engine(name=parsed.engine, store=getattr(parsed, "store", ""), **told), dict(Engine())
    of_others = {"here": tuple(told), "ray": ("partition", "minutes"), "slurm": ()}[engine.name]
    for name in of_others:
        if told[name] != usual[name]:
            raise ValueError(
                f"--{name} {told[name]}: means nothing to engine {engine.name}: leave it away, or give --engine"
            )
    return engine


def add_model_options(command: argparse.ArgumentParser) -> None:
    """How models of the hub, or of folders, are used."""
    for side, texts in (("query", "questions"), ("passage", "passages")):
        text = f"what models that bring no prompts get before {texts}, such as '{side}: '"
        command.add_argument(f"--{side}-prompt", default="", metavar="TEXT", help=text)
    command.add_argument("--trust-remote-code", action="store_true", help=_TRUST)
