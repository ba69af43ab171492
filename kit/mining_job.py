"""What one model of a study mines, as a process of its own does it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from kit.bitext import BitextTask
from kit.config import Settings
from kit.jobs import encode_batch, load_trained, threads
from kit.mining import encode_bitext, mine_task
from kit.sources.bitext import checksums, load_bitext
from kit.tokens import remembered_tokens


def mine_job(order: dict, log: Callable[[str], None]) -> None:
    """Let one trained model mine several tasks, and write what it found (``kit.mining.Mined``).

    ``order`` is that of ``kit.jobs.train_job``, with ``tasks``: for each its source, the side whose sentences are the units,
    and the path that is written to.
    """
    settings = Settings(**order["settings"])
    trained = load_trained(Path(order["folder"]))
    with threads(order["n_threads"]), remembered_tokens(trained):
        model = _Remembering(trained)
        for spec, side, path in order["tasks"]:
            task = _load(spec, tuple(checksums([spec]).values()))
            mine_task(task, *encode_bitext(model, task, encode_batch(settings)), side).write(Path(path))
    log(f"mined with {order['sampling']}, seed {order['seed']}: {len(order['tasks'])} task(s)")


@lru_cache(maxsize=64)  # more than a study mines: each model walks through all of them in turn
def _load(spec: str, sums: tuple[str, ...]) -> BitextTask:
    """A task; the models of a study mine the same ones. With their ``sums``, files that have changed are another task."""
    return load_bitext(spec)


class _Remembering:
    """A model that keeps what it encoded last: pairs of one set, one after the other, have a side in common."""

    def __init__(self, model):
        self._model, self._last = model, {}
        self.prompts = model.prompts

    def encode(self, texts: Sequence[str], **options) -> np.ndarray:
        """Embeddings of distinct texts, shape (n_texts, dim); those of the call before are not made again."""
        new = [text for text in texts if text not in self._last]
        made = dict(zip(new, self._model.encode(new, **options))) if new else {}
        self._last = {text: made[text] if text in made else self._last[text] for text in texts}
        return np.stack([self._last[text] for text in texts])
