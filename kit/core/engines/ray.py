"""Orders as tasks of a Ray cluster. Only this file and ``actors`` import ray, which the extra ``cluster`` installs.

Who talks to the cluster is a process of its own: Ray ends it together with the head of the cluster. Another one then waits
for a head at the same address, and submits what is not done.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from kit.core import paths
from kit.core.engines.carrying import TRIES, Tell, follow
from kit.core.engines.engine import Engine
from kit.core.engines.order import Order, Outcome
from kit.core.processes import DiedError, Log, run_all

PATIENCE_S = 600.0
"""Seconds that are waited for a cluster that was lost to come back."""

_LOOK_S = 5.0
"""Seconds between two looks at whether the cluster is still the one that this process is connected to."""

_START_S = 120.0
"""Seconds in which a cluster that is started here may fail to start, as Ray does on a busy machine, and is tried again."""


@dataclass(frozen=True)
class Driving:
    """What a process does that talks to a cluster: orders by number, and how long it waits for the cluster's head."""

    orders: Mapping[int, Order]
    engine: Engine
    patience_s: float


def run_orders(orders: Sequence[Order], tell: Tell, engine: Engine) -> None:
    """Carry out orders as tasks, and tell of them until all have ended.

    Raises:
        ValueError: ray is not installed; no cluster at the address, or it is lost and does not come back; no machine that is
            large enough.
    """
    refuse_without_ray()
    left, n_losses = dict(enumerate(orders)), 0

    def hear(line: str) -> None:
        nonlocal n_losses
        number, word, text = json.loads(line)
        if word in ("done", "failed"):
            del left[number]
            n_losses = 0
        tell(number, word, text)

    while left:
        try:
            driving = Driving(dict(left), engine, PATIENCE_S if n_losses else 0.0)
            run_all(drive, [driving], hear, n_processes=1)
        except DiedError as error:
            n_losses += 1
            if n_losses == TRIES:
                raise ValueError(
                    f"Ray at {engine.address} was lost {TRIES} times, and no job was done between: {error}"
                ) from None
            for number in left:
                tell(number, "waits", "the head of the cluster was lost")


def refuse_without_ray() -> None:
    """Raise ``ValueError`` where ray is not installed."""
    if find_spec("ray") is None:
        raise ValueError("engine is 'ray', and ray is not installed here: pip install -e '.[cluster]', on all machines")


def drive(driving: Driving, log: Log) -> None:
    """Submit orders to a cluster; each line that is logged is a number, a word and a text (``Tell``), as JSON."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent to anybody; read when ray is imported
    import ray

    connect(driving.engine, driving.patience_s)
    try:
        largest = max(order.n_processors for order in driving.orders.values())
        _refuse_what_is_too_large({"CPU": largest, "GPU": driving.engine.gpus}, driving.engine, driving.patience_s)
        tell = lambda number, word, text: log(json.dumps([number, word, text]))
        follow(_Ray(driving.engine.gpus), driving.orders, tell)
    finally:
        ray.shutdown()


def connect(engine: Engine, patience_s: float) -> None:
    """Connect to a cluster, or start one here.

    What a machine gets is where the project is and where this kit is, so that every task runs the code that was called.
    """
    import ray

    code = os.pathsep.join(filter(None, [str(Path(__file__).resolve().parents[3]), os.environ.get("PYTHONPATH", "")]))
    places = {"env_vars": {"PYTHONPATH": code, "KIT_HOME": str(paths.root())}}
    how: dict[str, Any] = {"include_dashboard": False} if engine.address == "local" else {}
    until = time.monotonic() + max(patience_s, _START_S if engine.address == "local" else 0.0)
    while True:
        try:
            ray.init(engine.address, log_to_driver=False, runtime_env=places, **how)
            return
        except Exception as error:  # Ray raises many kinds, of no common one
            ray.shutdown()
            if time.monotonic() < until:
                time.sleep(1)
                continue
            raise ValueError(
                f"no Ray cluster at {engine.address}: start one with 'ray start --head', give its head as host:port, or "
                f"give local, which starts one here ({' '.join(str(error).split()):.200})"
            ) from None


def _refuse_what_is_too_large(need: Mapping[str, int], engine: Engine, patience_s: float) -> None:
    """Raise ``ValueError`` for a job that fits on no machine, once those of a lost cluster have had time to join again."""
    import ray

    until = time.monotonic() + patience_s
    while True:
        machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        if any(all(machine.get(what, 0) >= n for what, n in need.items()) for machine in machines):
            return
        if time.monotonic() < until:
            time.sleep(1)
            continue
        seen = "; ".join(f"{machine.get('CPU', 0):g} and {machine.get('GPU', 0):g}" for machine in machines)
        raise ValueError(
            f"a job needs {need['CPU']} processors and {need['GPU']} GPUs, and the machines of {engine.address} have "
            f"{seen}: choose fewer with --processors and --gpus"
        )


class _Ray:
    """The cluster that this process is connected to, for ``follow``; a handle is a reference to a task's result."""

    def __init__(self, n_gpus: int) -> None:
        import ray

        # What is lost is submitted again by who follows: Ray's own tries are told to nobody.
        self._task = ray.remote(max_retries=0, num_gpus=n_gpus)(_carried_out)
        self._node, self._looked = ray.get_runtime_context().get_node_id(), time.monotonic()

    def submit(self, order: Order) -> Any:
        return self._task.options(num_cpus=order.n_processors).remote(order)

    def ended(self, handles: Mapping[int, Any], wait_s: float) -> dict[int, Outcome]:
        import ray

        self._end_with_the_cluster()
        numbers = {reference: number for number, reference in handles.items()}
        ray.wait(list(numbers), num_returns=1, timeout=wait_s)
        ready, _ = ray.wait(list(numbers), num_returns=len(numbers), timeout=0)
        return {numbers[reference]: _outcome(reference) for reference in ready}

    def _end_with_the_cluster(self) -> None:
        """End this process where the cluster is another one than it was: Ray would wait for the old one for ever.

        A head that is started again at once is taken for the same by who is connected, but knows nothing of its machines.
        """
        import ray

        if time.monotonic() - self._looked > _LOOK_S:
            self._looked = time.monotonic()
            if not any(node["NodeID"] == self._node and node["Alive"] for node in ray.nodes()):
                os._exit(1)  # what is left of the connection would not close

    def cancel(self, handles: Sequence[Any]) -> None:
        import ray

        for reference in handles:
            ray.cancel(reference, force=True)


def _carried_out(order: Order) -> Outcome:
    return order()


def _outcome(reference: Any) -> Outcome:
    """How a task ended; Ray's errors are those of machines and their processes, but for two that no other try would mend."""
    import ray
    from ray import exceptions

    try:
        return ray.get(reference)
    except (exceptions.RayTaskError, exceptions.RuntimeEnvSetupError) as error:
        return "failed", str(error)
    except exceptions.RayError as error:
        return "lost", f"{type(error).__name__}: {' '.join(str(error).split()):.200}"
