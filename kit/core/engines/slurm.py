"""Orders as jobs of Slurm, through submitit. Only this file imports submitit, which the extra ``slurm`` installs."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.core.engines.carrying import Tell, follow
from kit.core.engines.engine import Engine
from kit.core.engines.order import Order, Outcome

if TYPE_CHECKING:
    from submitit.helpers import DelayedSubmission

_TIMES = 100
"""How often a job may come to the end of its time, and go on."""


def run_orders(orders: Sequence[Order], tell: Tell, engine: Engine) -> None:
    """Carry out orders as jobs of Slurm, one array for those that need the same, and tell of them until all have ended.

    Raises:
        ValueError: submitit is not installed, or there is no Slurm here.
    """
    if find_spec("submitit") is None:
        raise ValueError("engine is 'slurm', and submitit is not installed here: pip install -e '.[slurm]', on all machines")
    follow(_Slurm(engine, orders[0].path.parent), dict(enumerate(orders)), tell)


class _Requeued:
    """An order that submitit sends again when Slurm takes its machine away or its time ends; it goes on where it was."""

    def __init__(self, order: Order) -> None:
        self.order = order

    def __call__(self) -> Outcome:
        return self.order()

    def checkpoint(self) -> DelayedSubmission:
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


class _Slurm:
    """Slurm, or submitit's processes here, for ``follow``; a handle is a job of submitit's.

    Args:
        folder: for what submitit writes, which all machines see.
    """

    def __init__(self, engine: Engine, folder: Path) -> None:
        import submitit

        self._engine = engine
        try:
            self._executor = submitit.AutoExecutor(
                folder / "submitit",
                cluster="local" if engine.address == "local" else "slurm",
                slurm_max_num_timeout=_TIMES,
                local_max_num_timeout=_TIMES,
            )
        except RuntimeError as error:
            raise ValueError(
                f"engine is 'slurm', and there is none here: type it where sbatch is, or give local ({error})"
            ) from None

    def submit(self, order: Order) -> Any:
        self._executor.update_parameters(
            name="kit",
            timeout_min=self._engine.minutes,
            cpus_per_task=order.n_processors,
            gpus_per_node=self._engine.gpus,
            slurm_partition=self._engine.partition or None,
            slurm_additional_parameters={"requeue": True},  # what a lost machine was at begins again elsewhere
        )
        return self._executor.submit(_Requeued(order))

    def ended(self, handles: Mapping[int, Any], wait_s: float) -> dict[int, Outcome]:
        time.sleep(wait_s)
        return {number: _outcome(job) for number, job in handles.items() if job.done()}

    def cancel(self, handles: Sequence[Any]) -> None:
        for job in handles:
            job.cancel(check=False)


def _outcome(job: Any) -> Outcome:
    """How a job ended; one without a result was killed, or lost its machine."""
    from submitit.core.utils import FailedJobError, UncompletedJobError

    try:
        return job.result()
    except FailedJobError as error:
        return "failed", str(error)
    except UncompletedJobError as error:
        return "lost", f"job {job.job_id} ended without a result: {' '.join(str(error).split()):.200}"
