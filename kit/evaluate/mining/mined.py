"""Several models on several mining tasks: what each sentence adds to a score.

So scores can be compared sentence by sentence and language pair by language pair.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kit.core.files import refuse_damaged, seal, whole_file
from kit.core.seeding import stable_hash
from kit.data.bitext import SIDES, BitextTask
from kit.evaluate.mining.margins import MinedPairs, mine_neighbourhood, pair_keys
from kit.evaluate.mining.neighbours import neighbourhood
from kit.evaluate.mining.scores import best_threshold, tatoeba

NEAREST = "nearest neighbour"
WAYS = {NEAREST: ("absolute", "forward"), **{margin: (margin, "max") for margin in ("absolute", "distance", "ratio")}}
"""Way to mine -> (margin, direction). Nearest neighbours are taken all; the others above a threshold."""

MEASURES = ("precision", "recall", "f1")
ACCURACY = (NEAREST, "accuracy")
"""What a task without distractors is scored by, as Tatoeba: (way, measure)."""

TEST_SHARE = 0.5  # of the sentences of a task; the thresholds are tuned on the rest


@dataclass(frozen=True, eq=False)
class Mined:
    """What one model finds in one task.

    sentences: a number for each sentence that is resampled, shape (n,), uint64; the same text has the same number in all
        tasks (and the same text again another one).
    values: (way, measure) -> what each of them adds, shape (n,), float64; the mean is the score.
    """

    sentences: np.ndarray
    values: dict[tuple[str, str], np.ndarray]

    def write(self, path: Path) -> None:
        """Write as ``.npz``, whole or not at all, with a checksum in another file beside it."""
        with whole_file(path) as partial, partial.open("wb") as stream:
            values: dict[str, Any] = {"/".join(place): values for place, values in self.values.items()}
            np.savez(stream, sentences=self.sentences, **values)
        seal(path)

    @classmethod
    def read(cls, path: Path) -> Mined:
        """Read what ``write`` wrote.

        Raises:
            ValueError: no such file, not as ``write`` wrote it, or without the checksum that it wrote beside it.
        """
        refuse_damaged(path)
        with path.open("rb") as stream, np.load(stream) as file:
            values = {tuple(name.split("/")): file[name] for name in file.files if name != "sentences"}
            return cls(file["sentences"], values)


def mine_task(
    task: BitextTask, source_embeddings: np.ndarray, target_embeddings: np.ndarray, side: str, k: int = 4, seed: int = 0
) -> Mined:
    """Mine a task in every way of ``WAYS``, or, where it has no distractors, ask for nearest neighbours as Tatoeba does.

    With distractors, half of the task (``BitextTask.split``) tunes the threshold of each way, and the other half is scored
    as BUCC does; both are searched by themselves, and pairs without a ratio (``margin_scores``) are not mined by it. Without
    distractors, accuracy is the mean of both directions over the whole task.

    Args:
        source_embeddings, target_embeddings, k, seed: as in ``kit.evaluate.mining.neighbours.neighbourhood``.
        side: ``source`` or ``target``: whose sentences are the units that intervals and tests resample. Give the side whose
            language several tasks share: its sentences are then one unit in all of them.

    Raises:
        ValueError: an unknown side; whatever ``split``, ``neighbourhood`` and ``tatoeba`` refuse.
    """
    if side not in SIDES:
        raise ValueError(f"side is {side!r}: choose {' or '.join(SIDES)}")
    if task.n_distractors == (0, 0):
        outcomes = tatoeba(task, source_embeddings, target_embeddings, seed)
        texts = task.texts(side)
        asked = [texts[row] for row in task.gold_pairs[:, SIDES.index(side)]]
        return Mined(_numbers(asked), {ACCURACY: outcomes.correct.mean(axis=1)})
    found = []
    for part in task.split(TEST_SHARE, seed):
        rows = [_rows(task, part, of) for of in SIDES]
        found.append((part, neighbourhood(part, source_embeddings[rows[0]], target_embeddings[rows[1]], k, seed)))
    (train, near_train), (test, near_test) = found
    values = {}
    for way, choice in WAYS.items():
        of_train, of_test = (mine_neighbourhood(near, *choice, drop_undefined=True) for near in (near_train, near_test))
        threshold = -np.inf if way == NEAREST else best_threshold(of_train, train.gold_pairs)
        shares = contributions(test, of_test, threshold, side)
        values |= {(way, measure): share for measure, share in shares.items()}
    return Mined(_numbers(test.texts(side)), values)


def contributions(task: BitextTask, mined: MinedPairs, threshold: float, side: str) -> dict[str, np.ndarray]:
    """What each sentence of a side adds to precision, recall and F1 of the pairs that reach a threshold.

    The three are ratios ``sum n_i / sum d_i`` over the sentences: correct over mined, correct over gold, twice the correct
    over mined plus gold. A sentence adds ``r + (n_i - r d_i) / mean(d)``, ``r`` being the ratio. The mean of that *is* the
    ratio, and resampling it gives the interval of the ratio to first order (the delta method), so that what
    ``kit.compare.stats`` does with means holds for F1, distractors included.

    Returns:
        By measure, shape (n_sentences of the side,), float64; 0 throughout where the ratio is not defined.

    >>> row = [{"sentence_id": "1", "text": "a"}, {"sentence_id": "2", "text": "b"}]
    >>> task = BitextTask.from_rows("mine", "de", "en", row, row, [{"source_id": "1", "target_id": "1"}])
    >>> mined = MinedPairs(np.array([0, 1]), np.array([0, 1]), np.array([1.2, 1.1]))
    >>> float(contributions(task, mined, 1.0, "source")["precision"].mean())
    0.5
    """
    n_sentences, column = len(getattr(task, side)), SIDES.index(side)
    n_mined = int((mined.score >= threshold).sum())
    gold = task.gold_pairs
    rows = (mined.source, mined.target)[column][:n_mined]
    is_right = np.isin(pair_keys(mined.source, mined.target)[:n_mined], pair_keys(gold[:, 0], gold[:, 1]))
    of_mined, of_gold, right = (
        np.bincount(chosen, minlength=n_sentences).astype(np.float64) for chosen in (rows, gold[:, column], rows[is_right])
    )
    return {
        "precision": _of_ratio(right, of_mined),
        "recall": _of_ratio(right, of_gold),
        "f1": _of_ratio(2 * right, of_mined + of_gold),
    }


def _of_ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    if not denominator.any():
        return np.zeros(len(numerator))
    ratio = numerator.sum() / denominator.sum()
    return ratio + (numerator - ratio * denominator) / denominator.mean()


def _rows(task: BitextTask, part: BitextTask, side: str) -> list[int]:
    row_of = {sentence_id: row for row, sentence_id in enumerate(task.sentence_ids(side))}
    return [row_of[sentence_id] for sentence_id in part.sentence_ids(side)]


def _numbers(texts: Sequence[str]) -> np.ndarray:
    """A number for each text; a text that stands there again gets another one."""
    seen: Counter[str] = Counter()
    numbers = []
    for text in texts:
        numbers.append(stable_hash(f"{seen[text]} {text}"))
        seen[text] += 1
    return np.array(numbers, np.uint64)
