"""Which engine carries out jobs: chosen once, by a command or in a notebook, for all that these start."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from pydantic import Field, field_validator

from kit.core.configs import Config, Text

NAMES = ("here", "ray", "slurm")
"""Of engines."""

VARIABLE = "KIT_ENGINE"
"""Of the environment, which reaches the kernels and processes that a command starts; it holds an ``Engine`` as JSON."""


class Engine(Config):
    """What carries out jobs. The defaults are this machine.

    name: ``here``, a process for each job; ``ray``, a task; ``slurm``, a job of Slurm's, started through submitit.
    address: of Ray: ``auto`` (the cluster that this machine belongs to), ``host:port`` of its head, or ``local``, one that
        is started here for as long as the jobs take. Of Slurm: ``auto``, or ``local``, processes here, to try it.
    processors: that a job on a cluster has; 0: as many as it would compute with on this machine.
    gpus: that a job on a cluster has.
    partition: of Slurm, empty for its own default.
    minutes: that a job of Slurm's may take; one that takes longer is started again, and goes on.
    store: address of a place for results (``kit.core.engines.store``), of any engine; empty: the project's folder only.
    """

    name: str = "here"
    address: Text = "auto"
    processors: Annotated[int, Field(ge=0, le=4096)] = 0
    gpus: Annotated[int, Field(ge=0, le=64)] = 0
    partition: str = ""
    minutes: Annotated[int, Field(ge=1, le=100_000)] = 240
    store: str = ""

    @field_validator("name")
    @classmethod
    def _is_known(cls, name: str) -> str:
        if name not in NAMES:
            raise ValueError(f"choose from {', '.join(NAMES)}")
        return name


def chosen() -> Engine:
    """The engine that ``choose`` has chosen, in this process or one that started it; else this machine.

    Raises:
        ValueError: the variable of the environment holds something else.
    """
    text = os.environ.get(VARIABLE, "")
    if not text:
        return Engine()
    try:
        return Engine(**json.loads(text))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{VARIABLE} is {text!r:.80}: unset it, or write {Engine().model_dump_json()} ({error})") from None


@contextmanager
def choose(engine: Engine | None) -> Iterator[None]:
    """Context in which an engine carries out jobs, those of kernels that start in it, too; ``None`` changes nothing."""
    before = os.environ.get(VARIABLE)
    if engine:
        os.environ[VARIABLE] = engine.model_dump_json()
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(VARIABLE, None)
        else:
            os.environ[VARIABLE] = before
