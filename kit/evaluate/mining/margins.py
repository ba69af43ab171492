"""Margin scores of sentence pairs and the pairs that they choose (Artetxe and Schwenk 2019, arXiv 1811.01136)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kit.data.bitext import BitextTask
from kit.evaluate.mining.neighbours import Neighbourhood, neighbourhood

MARGINS = ("absolute", "distance", "ratio")
DIRECTIONS = ("forward", "backward", "intersection", "max")


@dataclass(frozen=True, eq=False)
class MinedPairs:
    """Pairs of sentences with their scores, best first.

    source, target: indices of the sentences in the tables of the task, shape (n_mined,), integer; no pair stands twice.
    score: descending, shape (n_mined,), float64.
    recall: share of the true neighbours that the search found (``Neighbourhood.recall``).

    Raises:
        ValueError: the shapes differ, a score is not finite or above the one before it, a pair stands twice.
    """

    source: np.ndarray
    target: np.ndarray
    score: np.ndarray
    recall: float = 1.0

    def __post_init__(self) -> None:
        if self.score.ndim != 1 or not self.source.shape == self.target.shape == self.score.shape:
            raise ValueError(
                f"source, target and score have shapes {self.source.shape}, {self.target.shape} and {self.score.shape}: "
                "give vectors of one length"
            )
        if not np.isfinite(self.score).all() or (np.diff(self.score) > 0).any():
            raise ValueError("score is not finite or does not descend: sort the pairs by it, best first")
        keys = pair_keys(self.source, self.target)
        if len(np.unique(keys)) < len(keys):
            raise ValueError(f"source and target name {len(keys) - len(np.unique(keys))} pairs twice: give each pair once")

    def __len__(self) -> int:
        return len(self.score)


def pair_keys(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """One whole number a pair of indices."""
    return source.astype(np.int64) * 2**32 + target.astype(np.int64)


def mine(
    task: BitextTask,
    source_embeddings: np.ndarray,
    target_embeddings: np.ndarray,
    margin: str = "ratio",
    direction: str = "max",
    k: int = 4,
    seed: int = 0,
    chunk_size: int = 512,
    index: str = "exact",
    n_probes: int = 32,
) -> MinedPairs:
    """Mine the pairs of a task: ``neighbourhood``, then ``mine_neighbourhood``; see there for arguments and errors.

    The defaults are those of the paper and of LASER. Sentences are the unit, as in the paper and in BUCC's scoring: equal
    texts are not joined (LASER joins them first), so a text that stands k times on a side fills the neighbourhood of its
    translation alone.

    >>> sentences = [{"sentence_id": "1", "text": "a"}, {"sentence_id": "2", "text": "b"}]
    >>> task = BitextTask.from_rows("mine", "de", "en", sentences, sentences, [{"source_id": "1", "target_id": "2"}])
    >>> mined = mine(task, np.eye(2, dtype=np.float32), np.eye(2, dtype=np.float32)[::-1], k=2)
    >>> sorted(zip(mined.source.tolist(), mined.target.tolist(), mined.score.tolist()))
    [(0, 1, 2.0), (1, 0, 2.0)]
    """
    _check_choice("margin", margin, MARGINS)
    _check_choice("direction", direction, DIRECTIONS)
    found = neighbourhood(task, source_embeddings, target_embeddings, k, seed, chunk_size, index, n_probes)
    return mine_neighbourhood(found, margin, direction)


def mine_neighbourhood(
    neighbours: Neighbourhood, margin: str = "ratio", direction: str = "max", drop_undefined: bool = False
) -> MinedPairs:
    """Choose pairs from neighbourhoods, so that margins and directions can be compared with one search.

    Args:
        margin: one of ``MARGINS``; see ``margin_scores``.
        direction: ``forward``: each source with the best of its k nearest targets; ``backward``: each target with the best
            of its k nearest sources; ``intersection``: the pairs that stand in both; ``max``: those that stand in either,
            taken from the best down, each sentence once.
        drop_undefined: whether pairs without a ratio (``margin_scores``) are not mined, instead of being an error. A model
            that knows a language badly has some.

    Returns:
        The pairs, best first; equal scores go by the tie rule, that of the source first. At least one pair, but for
        ``intersection`` and ``drop_undefined``, which may leave none.

    Raises:
        ValueError: an unknown margin or direction; a ratio by a mean that is not above 0 (``margin_scores``).
    """
    _check_choice("direction", direction, DIRECTIONS)
    of_source, of_target = margin_scores(neighbours, margin, drop_undefined)  # (n_source, k), (n_target, k)
    target, forward_score = _best(of_source, neighbours.target_of, neighbours.target_position)
    source, backward_score = _best(of_target, neighbours.source_of, neighbours.source_position)
    forward = np.stack([np.arange(len(target)), target], axis=1)  # (n_source, 2)
    backward = np.stack([source, np.arange(len(source))], axis=1)  # (n_target, 2)
    if direction == "forward":
        pairs, scores = forward, forward_score
    elif direction == "backward":
        pairs, scores = backward, backward_score
    elif direction == "intersection":
        both = source[target] == np.arange(len(target))
        pairs, scores = forward[both], forward_score[both]
    else:
        pairs, scores = np.concatenate([forward, backward]), np.concatenate([forward_score, backward_score])
    pairs, scores = pairs[scores > -np.inf], scores[scores > -np.inf]
    position = neighbours.source_position[pairs[:, 0]], neighbours.target_position[pairs[:, 1]]
    order = np.lexsort((position[1], position[0], -scores))
    if direction == "max":
        order = order[_each_sentence_once(pairs[order])]
    return MinedPairs(pairs[order, 0], pairs[order, 1], scores[order], neighbours.recall)


def margin_scores(neighbours: Neighbourhood, margin: str, drop_undefined: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Scores of each sentence with its k nearest neighbours of the other side.

    With ``a = cos(x, y)`` and ``b`` the mean of two means, that of the cosines of ``x`` with its k nearest targets and that
    of ``y`` with its k nearest sources (equation 2 of the paper): ``absolute`` is ``a``, ``distance`` is ``a - b`` and
    ``ratio`` is ``a / b``. A sentence that is near to everything has a high ``b``, which takes its advantage away.

    Returns:
        Scores of sources with their targets, shape (n_source, k), and of targets with their sources, shape (n_target, k),
        float64, higher is better; a pair that stands in both has one score.

    Raises:
        ValueError: an unknown margin; ``ratio`` where ``b`` is not above 0, since the sign of ``a / b`` says nothing there
            (with ``drop_undefined`` the score of such a pair is minus infinity).
    """
    _check_choice("margin", margin, MARGINS)
    source_mean = neighbours.target_cosine.mean(axis=1)  # (n_source,)
    target_mean = neighbours.source_cosine.mean(axis=1)  # (n_target,)
    around_sources = (source_mean[:, None] + target_mean[neighbours.target_of]) / 2  # (n_source, k)
    around_targets = (target_mean[:, None] + source_mean[neighbours.source_of]) / 2  # (n_target, k)
    return (
        _margin(neighbours.target_cosine, around_sources, margin, drop_undefined),
        _margin(neighbours.source_cosine, around_targets, margin, drop_undefined),
    )


def _margin(cosine: np.ndarray, around: np.ndarray, margin: str, drop_undefined: bool) -> np.ndarray:
    if margin == "absolute":
        return cosine
    if margin == "distance":
        return cosine - around
    if drop_undefined:
        return np.divide(cosine, around, out=np.full_like(cosine, -np.inf), where=around > 0)
    if (around <= 0).any():
        raise ValueError(
            f"margin is 'ratio', and it would divide by {around.min():.3g}, the mean cosine of a pair's neighbours: "
            "choose margin 'distance', a smaller k or drop_undefined, or look for texts that the model maps to nothing"
        )
    return cosine / around


def _best(scores: np.ndarray, index: np.ndarray, position: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The best of each sentence's neighbours and its score, each of shape (n_sentences,)."""
    best = scores.max(axis=1)
    place = np.where(scores == best[:, None], position[index], len(position)).argmin(axis=1)
    return index[np.arange(len(index)), place], best


def _each_sentence_once(pairs: np.ndarray) -> list[int]:
    """Places of the pairs, taken in their order, neither sentence of which is in a pair that was taken before."""
    taken, sources, targets = [], set(), set()
    for place, (source, target) in enumerate(pairs.tolist()):
        if source not in sources and target not in targets:
            sources.add(source)
            targets.add(target)
            taken.append(place)
    return taken


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} is {value!r}: choose from {', '.join(choices)}")
