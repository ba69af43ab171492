"""What one model of a study mines, as a process of its own does it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kit.core.files import alone, is_kept
from kit.data.bitext import BitextTask
from kit.data.embeddings.stored import StoredEncoder
from kit.data.registry import checksums, load_bitext
from kit.evaluate.mining.mined import Mined, mine_task
from kit.evaluate.mining.neighbours import encode_bitext
from kit.run.evaluating import load_trained
from kit.run.training import threads
from kit.train.tokens.remembered import remembered_tokens

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


@dataclass(frozen=True)
class MineJob:
    """One model on several tasks.

    folder: of the training run (``kit.run.training.TrainJob``).
    name: what the model is called.
    tasks: of each the source, the side whose sentences are the units, and the path that is written to.
    n_threads: of torch.
    """

    folder: Path
    name: str
    tasks: tuple[tuple[str, str, Path], ...]
    n_threads: int


def mine_job(job: MineJob, log: Callable[[str], None]) -> None:
    """Let one trained model mine several tasks, and write what it found (``kit.evaluate.mining.mined.Mined``)."""
    trained = load_trained(job.folder, log)
    with threads(job.n_threads), remembered_tokens(trained):
        model = trained if isinstance(trained, StoredEncoder) else _Remembering(trained)
        for spec, side, path in job.tasks:
            task = _load(spec, tuple(checksums([spec]).values()))
            with alone(path, log):
                if not is_kept(path, Mined.read, "mined"):  # another run may have done it in the meantime
                    mine_task(task, *encode_bitext(model, task), side).write(path)
    log(f"mined with {job.name}: {len(job.tasks)} task(s)")


@lru_cache(maxsize=64)  # more than a study mines: each model walks through all of them in turn
def _load(spec: str, sums: tuple[str, ...]) -> BitextTask:
    """A task; the models of a study mine the same ones. With their ``sums``, files that have changed are another task."""
    return load_bitext(spec)


class _Remembering:
    """A model that keeps what it encoded last: pairs of one set, one after the other, have a side in common."""

    def __init__(self, model: SentenceTransformer) -> None:
        self._model, self._last = model, {}
        self.prompts = model.prompts

    def encode(self, texts: Sequence[str], **options: Any) -> np.ndarray:
        """Embeddings of distinct texts, shape (n_texts, dim); those of the call before are not made again."""
        new = [text for text in texts if text not in self._last]
        made = dict(zip(new, self._model.encode(new, **options))) if new else {}
        self._last = {text: made[text] if text in made else self._last[text] for text in texts}
        return np.stack([self._last[text] for text in texts])
