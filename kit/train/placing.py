"""Groups for the rows of a batch: from drawn languages to rows of a corpus, no cluster twice."""

from __future__ import annotations

import warnings

import numpy as np

from kit.core.seeding import Shuffle
from kit.data.corpus import ParallelCorpus
from kit.data.triples.corpus import TrainingCorpus, TripleCorpus


def source_of(corpus: TrainingCorpus, languages: tuple[str, ...], offset: int) -> Source:
    """What a sampler needs to know of one corpus.

    Args:
        corpus: the corpus.
        languages: of all corpora of the sampler, in the order of its indices.
        offset: number of its first row among the rows of all corpora.
    """
    if isinstance(corpus, TripleCorpus):
        return ImpliedSource(corpus, languages, offset)
    return Source(corpus, languages, offset)


class Source:
    """A corpus with a table of its rows; arguments as of ``source_of``."""

    def __init__(self, corpus: ParallelCorpus, languages: tuple[str, ...], offset: int) -> None:
        self._know(corpus, offset)
        self.row_of = np.full((self.n_groups, len(languages)), -1, np.int32)  # (n_groups, n_languages)
        self.row_of[:, [languages.index(language) for language in corpus.languages]] = corpus.row_of
        present = (self.row_of >= 0).astype(np.float32)
        self._together = present.T @ present > 0  # (n_languages, n_languages)
        self._with_both: dict[tuple[int, int], np.ndarray] = {}

    def _know(self, corpus: TrainingCorpus, offset: int) -> None:
        self.name, self.offset, self.n_groups = corpus.name, offset, corpus.n_groups
        self.cluster_of, self.question_of = corpus.cluster_of, corpus.question_of  # each (n_groups,)

    def pairs(self, allowed: np.ndarray) -> np.ndarray:
        """Ordered language pairs that some group has, of those allowed (n_languages, n_languages); shape (n_pairs, 2)."""
        return np.argwhere(self._together & allowed)

    def rows(self, groups: np.ndarray, pairs: np.ndarray) -> np.ndarray:
        """Rows (query, passage) in the numbering of all corpora, shape (batch, 2), int64."""
        return self._rows(groups[:, None], pairs).astype(np.int64) + self.offset

    def _rows(self, groups: np.ndarray | int, codes: np.ndarray) -> np.ndarray:
        """Rows of groups in languages in the corpus's own numbering, -1 for none; the shapes are broadcast."""
        return self.row_of[groups, codes]

    def order(self, rng: np.random.Generator) -> np.ndarray | Shuffle:
        """Random order of the groups in which the groups of one cluster lie far apart, shape (n_groups,).

        A cluster of m groups puts them at u, u + 1/m, u + 2/m … (u uniform), so that hardly ever two meet in a batch.
        """
        shuffled = rng.permutation(self.n_groups)
        clusters = self.cluster_of[shuffled]
        by_cluster = np.argsort(clusters, kind="stable")
        sizes = np.bincount(clusters)
        mine = clusters[by_cluster]  # cluster of each place, sorted
        nth = np.arange(self.n_groups) - (np.cumsum(sizes) - sizes)[mine]  # 0 … m-1 within its cluster
        place = (rng.random(len(sizes))[mine] + nth / sizes[mine]) % 1.0
        return shuffled[by_cluster][np.argsort(place)]

    def check(self, pairs: np.ndarray, batch_size: int, languages: tuple[str, ...], one_pair: bool) -> None:
        """Refuse a corpus that cannot fill a batch with distinct clusters, from one pair or from all of them.

        Too few distinct questions, as in bad translations, are warned of: some stand in a batch twice.
        """
        for some in pairs[:, None] if one_pair else [pairs]:
            n_clusters, n_questions = (
                self._n_distinct(of_group, some, batch_size) for of_group in (self.cluster_of, self.question_of)
            )
            tags = " and ".join(repr(languages[code]) for code in dict.fromkeys(some[0].tolist()))
            whose = f"for {f'language {tags}' if one_pair else 'these batches'}, fewer than batch_size {batch_size}"
            if n_clusters < batch_size:
                raise ValueError(
                    f"corpus {self.name!r} has {n_clusters} passage clusters {whose}: lower batch_size, or leave the "
                    "language or the corpus out"
                )
            if n_questions < batch_size:
                said = f"corpus {self.name!r} has {n_questions} distinct questions {whose}: some stand in a batch twice"
                warnings.warn(said, stacklevel=2)

    def _n_distinct(self, of_group: np.ndarray, pairs: np.ndarray, enough: int) -> int:
        """Number of values of the groups that have one of the pairs; it counts pair by pair, until there are enough."""
        found = of_group[:0]
        for pair in pairs:
            found = np.union1d(found, of_group[(self.row_of[:, pair] >= 0).all(axis=1)])
            if len(found) >= enough:
                break
        return len(found)

    def place(
        self, rng: np.random.Generator, walk: np.ndarray, pairs: np.ndarray, others: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Give each row of drawn languages a group that has both; keep the walk's groups where possible.

        No cluster stands twice, and no question as long as another one is left. A row whose pair has no free group left
        gets another pair.

        Args:
            rng: of the draws.
            walk: groups that are to be visited, (batch,).
            pairs: language pair of each row, (batch, 2).
            others: pairs that a row may get instead, (n_pairs, 2); none where the batch has one pair, since ``check``
                guarantees enough clusters.

        Returns:
            groups (batch,) and pairs (batch, 2).
        """
        groups, pairs = walk.copy(), pairs.copy()
        good = np.flatnonzero((self._rows(groups[:, None], pairs) >= 0).all(axis=1))
        used = _Used(self.cluster_of, self.question_of)
        kept = [row for row in good.tolist() if used.take(groups[row])]
        for row in np.setdiff1d(np.arange(len(groups)), kept):
            group, drawn = self._draw_group(rng, pairs[row], used), pairs[row].copy()
            instead = iter(rng.permutation(others))
            while group is None:
                pair = next(instead, None)
                if pair is None:
                    used.questions_count = False  # a batch that asks one question twice is better than none
                    pair, instead = drawn, iter(rng.permutation(others))
                pairs[row] = pair
                group = self._draw_group(rng, pair, used)
            groups[row] = group
        return groups, pairs

    def _draw_group(self, rng: np.random.Generator, pair: np.ndarray, used: _Used) -> int | None:
        """Take one of the groups that have both languages and are free, drawn uniformly, or None."""
        for group in rng.integers(self.n_groups, size=8).tolist():  # where most groups have all languages, no list is made
            if (self._rows(group, pair) >= 0).all() and used.take(group):
                return group
        fits = self._groups_with(int(pair[0]), int(pair[1]))
        for group in fits[rng.integers(len(fits), size=32)].tolist():
            if used.take(group):
                return group
        free = used.free(fits)
        if not len(free):
            return None
        group = int(rng.choice(free))
        used.take(group)
        return group

    def _groups_with(self, first: int, second: int) -> np.ndarray:
        """Groups that have both languages, int32; made once for each pair that is asked for."""
        key = (min(first, second), max(first, second))
        if key not in self._with_both:
            self._with_both[key] = np.flatnonzero((self.row_of[:, list(key)] >= 0).all(axis=1)).astype(np.int32)
        return self._with_both[key]


class ImpliedSource(Source):
    """A corpus in which every group has every language, so that rows are computed; arguments as of ``source_of``.

    It holds no array of groups or rows: those of its corpus are memory-mapped, and its order is computed place by place.
    """

    def __init__(self, corpus: TripleCorpus, languages: tuple[str, ...], offset: int) -> None:
        self._know(corpus, offset)
        there = np.isin(languages, corpus.languages)  # (n_languages,)
        self._together = there[:, None] & there
        self._code_of, self._n_codes = np.cumsum(there) - 1, len(corpus.languages)  # both tuples of tags are sorted

    def _rows(self, groups: np.ndarray | int, codes: np.ndarray) -> np.ndarray:
        return np.asarray(groups, np.int64) * self._n_codes + self._code_of[codes]

    def order(self, rng: np.random.Generator) -> np.ndarray | Shuffle:
        """Random order of the groups, as if there were no clusters.

        Two groups of a batch hardly ever share one of several hundred thousand; where they do, another one is drawn.
        """
        return Shuffle(self.n_groups, rng)

    def _n_distinct(self, of_group: np.ndarray, pairs: np.ndarray, enough: int) -> int:
        found = of_group[:0]
        for start in range(0, self.n_groups, _LOOKED_AT):
            found = np.union1d(found, of_group[start : start + _LOOKED_AT])
            if len(found) >= enough:
                break
        return len(found)

    def _groups_with(self, first: int, second: int) -> np.ndarray:
        return np.arange(self.n_groups, dtype=np.int32)


_LOOKED_AT = 1 << 16
"""Groups of which distinct clusters are counted at a time."""


class _Used:
    """Clusters and questions that a batch holds already, each of shape (n_groups,) for all groups."""

    def __init__(self, cluster_of: np.ndarray, question_of: np.ndarray) -> None:
        self._of_group = cluster_of, question_of
        self._used: tuple[set[int], set[int]] = set(), set()
        self.questions_count = True

    def take(self, group: int) -> bool:
        """Put a group into the batch, if its cluster and its question are free; whether it was put there."""
        cluster, question = (int(of_group[group]) for of_group in self._of_group)
        clusters, questions = self._used
        if cluster in clusters or (self.questions_count and question in questions):
            return False
        clusters.add(cluster)
        questions.add(question)
        return True

    def free(self, groups: np.ndarray) -> np.ndarray:
        """Those of the groups that could be taken."""
        taken = [np.isin(of_group[groups], list(used)) for of_group, used in zip(self._of_group, self._used)]
        return groups[~(taken[0] | (taken[1] & self.questions_count))]
