"""How well translations are found: the scores of BUCC for mined pairs, those of Tatoeba for nearest neighbours."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from kit.data.bitext import BitextTask
from kit.evaluate.mining.margins import MinedPairs, pair_keys
from kit.evaluate.mining.neighbours import neighbourhood


@dataclass(frozen=True)
class MiningScore:
    """Precision, recall and F1 of the pairs above a threshold, each in [0, 1], and the counts that they come from."""

    precision: float
    recall: float
    f1: float
    n_mined: int
    n_correct: int
    n_gold: int


@dataclass(frozen=True, eq=False)
class Outcomes:
    """Whether the nearest neighbour of each sentence with gold is its translation; row i belongs to gold pair i.

    correct: 1 where it is, else 0, shape (n_gold, 2), float64; columns: from source to target, from target to source.
    f1: what the sentence adds to the weighted F1, shape (n_gold, 2), float64, in [0, 1].

    Both are ``values`` of ``kit.compare.stats``, with pairs as groups and directions as cells: ``macro_mean`` is the score,
    and two models that answered one task are compared by ``paired_randomisation_test(a.correct, b.correct)``.
    """

    correct: np.ndarray
    f1: np.ndarray

    def summary(self) -> dict[str, float]:
        """``accuracy`` and ``f1``: of each direction (``…_forward`` is what mteb reports, ``…_backward``), and the mean."""
        made = {}
        for name in ("accuracy", "f1"):
            forward, backward = (self.correct if name == "accuracy" else self.f1).mean(axis=0).tolist()
            made |= {name: (forward + backward) / 2, f"{name}_forward": forward, f"{name}_backward": backward}
        return made


def score(mined: MinedPairs, gold: np.ndarray, threshold: float = -math.inf) -> MiningScore:
    """Score the mined pairs that reach a threshold, as BUCC 2018 does: as a set, against all gold pairs.

    ``precision = n_correct / n_mined``, ``recall = n_correct / n_gold``, ``F1 = 2 n_correct / (n_mined + n_gold)``, which is
    their harmonic mean. Without a mined pair all three are 0.

    Args:
        mined: pairs of ``mine``.
        gold: pairs of indices, shape (n_gold, 2), integer, such as ``task.gold_pairs``; a pair that stands twice counts
            once.
        threshold: pairs of at least this score count; the default takes all.

    Raises:
        ValueError: ``gold`` of another shape or dtype, empty or negative; ``threshold`` is not a number.

    >>> mined = MinedPairs(np.array([0, 1]), np.array([0, 2]), np.array([1.2, 1.1]))
    >>> score(mined, np.array([[0, 0], [1, 1]])).f1, score(mined, np.array([[0, 0], [1, 1]]), threshold=1.15).precision
    (0.5, 1.0)
    """
    keys = _gold_keys(gold)
    _check_threshold(threshold)
    n_mined = int((mined.score >= threshold).sum())
    n_correct = int(np.isin(pair_keys(mined.source, mined.target)[:n_mined], keys).sum())
    precision = n_correct / n_mined if n_mined else 0.0
    return MiningScore(
        precision, n_correct / len(keys), 2 * n_correct / (n_mined + len(keys)), n_mined, n_correct, len(keys)
    )


def best_threshold(mined: MinedPairs, gold: np.ndarray) -> float:
    """The threshold with the best F1, to be tuned on other pairs than those that are reported.

    The cut lies in the middle between the score of the last pair that is taken and the next one, as in LASER's script for
    BUCC; pairs with equal scores are taken together. Where all pairs are taken it is the lowest score itself. Of cuts with
    equal F1 the highest wins. Where no mined pair is gold no cut is better than to take nothing: infinity.

    Args and raises: as ``score``.

    >>> mined = MinedPairs(np.array([0, 1]), np.array([0, 2]), np.array([1.5, 1.0]))
    >>> best_threshold(mined, np.array([[0, 0], [1, 1]]))
    1.25
    """
    keys = _gold_keys(gold)
    n_correct = np.cumsum(np.isin(pair_keys(mined.source, mined.target), keys))  # (n_mined,)
    if not len(mined) or not n_correct[-1]:
        return math.inf
    cuts = np.flatnonzero(np.diff(mined.score, append=-math.inf))  # last pair of each score
    f1 = 2 * n_correct[cuts] / (cuts + 1 + len(keys))
    cut = cuts[np.argmax(f1)]
    upper = float(mined.score[cut])
    if cut == len(mined) - 1:
        return upper
    lower = float(mined.score[cut + 1])
    middle = (upper + lower) / 2
    return middle if middle > lower else upper  # two neighbouring floats have nothing between them


def tatoeba(
    task: BitextTask, source_embeddings: np.ndarray, target_embeddings: np.ndarray, seed: int = 0, chunk_size: int = 512
) -> Outcomes:
    """Ask for the nearest neighbour of every sentence with gold, among all sentences of the other side.

    Accuracy is the share of sentences whose nearest neighbour is their translation. F1 is that of mteb's bitext mining, of
    scikit-learn with ``average="weighted"`` over the indices of the translations: the label of one sentence has support 1,
    so one that is right adds ``2 / (1 + n)``, where ``n`` of the sentences asked have this neighbour, and a wrong one 0.

    Args:
        source_embeddings, target_embeddings, seed, chunk_size: as in ``neighbourhood``.

    Raises:
        ValueError: a sentence has several partners; as ``neighbourhood``.
    """
    gold = task.gold_pairs
    for column, side in enumerate(("source", "target")):
        if len(np.unique(gold[:, column])) < len(gold):
            raise ValueError(f"{task.name}: a {side} sentence has several partners: keep one, or use mine and score")
    found = neighbourhood(task, source_embeddings, target_embeddings, 1, seed, chunk_size)
    answers = found.target_of[gold[:, 0], 0], found.source_of[gold[:, 1], 0]  # (n_gold,) each
    correct = np.stack([answers[0] == gold[:, 1], answers[1] == gold[:, 0]], axis=1).astype(np.float64)
    n_same = np.stack([np.bincount(answer)[answer] for answer in answers], axis=1)  # (n_gold, 2)
    return Outcomes(correct, correct * 2 / (1 + n_same))


def _gold_keys(gold: np.ndarray) -> np.ndarray:
    """The gold as a set of whole numbers, at least one."""
    right = isinstance(gold, np.ndarray) and gold.ndim == 2 and gold.shape[1] == 2 and gold.dtype.kind in "iu"
    if not right or not len(gold) or (gold < 0).any():
        seen = f"{gold.dtype} {gold.shape}" if isinstance(gold, np.ndarray) else f"a {type(gold).__name__}"
        raise ValueError(f"gold is {seen}: give pairs of indices of at least 0, integers of shape (n_gold, 2), at least one")
    return np.unique(pair_keys(gold[:, 0], gold[:, 1]))


def _check_threshold(threshold: float) -> None:
    if math.isnan(threshold):
        raise ValueError("threshold is not a number: give one, such as that of best_threshold")
