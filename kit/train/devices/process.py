"""What torchrun starts for each device (``kit.train.devices.launching``): one job, and the process's own end in time."""

from __future__ import annotations

import json
import os
import pickle
import select
import sys
import threading
import traceback
from pathlib import Path

from kit.core.worker import SHOWN_LINES, WATCH_S
from kit.train.devices.launching import MARK


def main(order: str) -> int:
    """Carry out the job in the file ``order``; returns the exit status."""
    threading.Thread(target=_end_with, args=[os.getppid()], daemon=True).start()
    function, job = pickle.loads(Path(order).read_bytes())
    try:
        _take_device()
        function(job, (lambda text: tell("line", str(text))) if os.environ["RANK"] == "0" else lambda text: None)
        _part()
    except ValueError as error:
        tell("refused", str(error))
        return 1
    except BaseException:
        tell("failed", "\n".join(traceback.format_exc().strip().splitlines()[-SHOWN_LINES:]))
        return 1
    return 0


def _take_device() -> None:
    """Of several GPUs the process's own is the one that ``cuda`` means.

    The trainer joins the processes, once the model is made: in a process that has been joined transformers writes nothing,
    even to a folder of its own, unless it is the first.
    """
    import torch

    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))


def _part() -> None:
    from torch import distributed

    if distributed.is_initialized():
        distributed.destroy_process_group()


def tell(kind: str, text: str) -> None:
    """Tell the process that has started torchrun; in one piece, so that no line of another process comes between."""
    os.write(1, f"{MARK}{json.dumps([kind, text])}\n".encode())


def _end_with(parent: int) -> None:
    """End at once when the standard input does, which the process that has started torchrun holds, or torchrun has died."""
    while os.getppid() == parent and not select.select([sys.stdin], [], [], WATCH_S)[0]:
        pass
    os._exit(1)


if __name__ == "__main__":
    status = main(sys.argv[1])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # to clear away what was imported would take seconds
