"""Items taken by actors of a Ray cluster, each of which keeps what is dear to make, such as a model (``map_batches``).

Ray starts an actor again whose process or machine is lost, and gives what it was at to another one.
"""

from __future__ import annotations

import logging
import os
import pickle
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from kit.core.engines.carrying import TRIES
from kit.core.engines.engine import Engine
from kit.core.engines.ray import PATIENCE_S, connect, refuse_without_ray
from kit.core.processes import DiedError, Log, run_all

Made = TypeVar("Made")
Item = TypeVar("Item")

_LOOK_S, _TOLD_EVERY_S = 5.0, 10.0


@dataclass(frozen=True)
class _Mapping:
    """What a process does that talks to a cluster; see ``map_on_actors``. patience_s: as in ``kit.core.engines.ray``."""

    make: Callable[[Any], Callable[[Any, Log], object]]
    made_of: Any
    items: Sequence[Any]
    n_actors: int
    engine: Engine
    patience_s: float


def map_on_actors(
    make: Callable[[Made], Callable[[Item, Log], object]],
    made_of: Made,
    items: Sequence[Item],
    n_actors: int,
    engine: Engine,
    log: Log,
) -> None:
    """Call ``make(made_of)(item, log)`` for each item, in their order, by so many actors, each of which makes its own once.

    What is called does nothing for an item that is done: where the head of the cluster is lost, all are gone through again.

    Args:
        make: a class or function of a module; made_of and items: what can be pickled.
        log: takes the lines that were logged, when their item is done, and how far it is.

    Raises:
        ValueError: items failed, and the others are done; ray is not installed, or there is no cluster at the address.
        kit.core.processes.JobError: the cluster is lost again and again.
    """
    refuse_without_ray()
    for n_losses in range(TRIES if items else 0):
        try:
            mapping = _Mapping(make, made_of, items, n_actors, engine, PATIENCE_S if n_losses else 0.0)
            return run_all(_drive, [mapping], log, n_processes=1)
        except DiedError as error:
            if n_losses == TRIES - 1:
                raise
            log(f"the cluster was lost, and is waited for: {str(error).splitlines()[-1]:.200}")


def _drive(mapping: _Mapping, log: Log) -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # read when ray is imported
    import ray

    connect(mapping.engine, mapping.patience_s)
    try:
        threading.Thread(target=_end_with_the_cluster, daemon=True).start()
        outcomes = _map(mapping)
        failed, n_items, told = [], len(mapping.items), time.monotonic()
        for n_done, outcome in enumerate(outcomes, start=1):
            for line in outcome["lines"]:
                log(line)
            failed += [outcome["failure"]] if outcome["failure"] else []
            if time.monotonic() - told > _TOLD_EVERY_S or n_done == n_items:
                told = time.monotonic()
                log(f"  {n_done} of {n_items} by {mapping.n_actors} actors")
    finally:
        ray.shutdown()
    if failed:
        raise ValueError(f"{len(failed)} of {n_items} failed, the others are done: {failed[0]}")


def _map(mapping: _Mapping) -> Any:
    """Rows of outcomes, one an item, as they come."""
    import ray

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.WARNING)
    rows = [{"item": pickle.dumps(item)} for item in mapping.items]
    return (
        ray.data.from_items(rows, override_num_blocks=len(rows))
        .map_batches(
            _Actor,
            fn_constructor_args=(mapping.make, mapping.made_of),
            batch_size=1,
            compute=ray.data.ActorPoolStrategy(size=mapping.n_actors),
            num_cpus=mapping.engine.processors or 1,
            num_gpus=mapping.engine.gpus,
        )
        .iter_rows()
    )


def _end_with_the_cluster() -> None:
    """End this process where the cluster is another one than it was: what it waits for would never come."""
    import ray

    node = ray.get_runtime_context().get_node_id()
    while True:
        time.sleep(_LOOK_S)
        if not any(one["NodeID"] == node and one["Alive"] for one in ray.nodes()):
            os._exit(1)


class _Actor:
    """Keeps what was made, and tells of each item how it went: an error of it is no reason to start the actor again."""

    def __init__(self, make: Callable[[Any], Callable[[Any, Log], object]], made_of: Any) -> None:
        self._call, self._failure = None, ""
        try:
            self._call = make(made_of)
        except Exception as error:
            self._failure = _told(error)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        lines, failure = [], self._failure
        if self._call:
            try:
                self._call(pickle.loads(batch["item"][0]), lines.append)
            except Exception as error:
                failure = _told(error)
        return {"lines": [lines], "failure": [failure]}


def _told(error: Exception) -> str:
    return str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
