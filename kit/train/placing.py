"""Groups for the rows of a batch: from drawn languages to rows of a corpus, no cluster twice."""

from __future__ import annotations

import numpy as np

from kit.data.corpus import ParallelCorpus


class Source:
    """What a sampler needs to know of one corpus.

    Args:
        corpus: the corpus.
        languages: of all corpora of the sampler, in the order of its indices.
        offset: number of its first row among the rows of all corpora.
    """

    def __init__(self, corpus: ParallelCorpus, languages: tuple[str, ...], offset: int) -> None:
        self.name, self.offset = corpus.name, offset
        self.row_of = np.full((len(corpus.group_ids), len(languages)), -1, np.int32)  # (n_groups, n_languages)
        self.row_of[:, [languages.index(language) for language in corpus.languages]] = corpus.row_of
        self.cluster_of = corpus.cluster_of  # (n_groups,)
        self.n_groups = len(self.row_of)
        present = (self.row_of >= 0).astype(np.float32)
        self._together = present.T @ present > 0  # (n_languages, n_languages)
        self._with_both: dict[tuple[int, int], np.ndarray] = {}

    def pairs(self, allowed: np.ndarray) -> np.ndarray:
        """Ordered language pairs that some group has, of those allowed (n_languages, n_languages); shape (n_pairs, 2)."""
        return np.argwhere(self._together & allowed)

    def rows(self, groups: np.ndarray, pairs: np.ndarray) -> np.ndarray:
        """Rows (query, passage) in the numbering of all corpora, shape (batch, 2), int64."""
        return self.row_of[groups[:, None], pairs].astype(np.int64) + self.offset

    def order(self, rng: np.random.Generator) -> np.ndarray:
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
        """Refuse a corpus that cannot fill a batch with distinct clusters, from one of the pairs or from all of them."""
        for some in pairs[:, None] if one_pair else [pairs]:
            n_clusters = self._n_clusters(some, batch_size)
            if n_clusters < batch_size:
                tags = " and ".join(repr(languages[code]) for code in dict.fromkeys(some[0].tolist()))
                raise ValueError(
                    f"corpus {self.name!r} has {n_clusters} passage clusters for "
                    f"{f'language {tags}' if one_pair else 'these batches'}, fewer than "
                    f"batch_size {batch_size}: lower batch_size, or leave the language or the corpus out"
                )

    def _n_clusters(self, pairs: np.ndarray, enough: int) -> int:
        """Number of clusters whose groups have one of the pairs; it counts pair by pair, until there are enough."""
        found = self.cluster_of[:0]
        for pair in pairs:
            found = np.union1d(found, self.cluster_of[(self.row_of[:, pair] >= 0).all(axis=1)])
            if len(found) >= enough:
                break
        return len(found)

    def place(
        self, rng: np.random.Generator, walk: np.ndarray, pairs: np.ndarray, others: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Give each row of drawn languages a group that has both, no cluster twice; keep the walk's groups where possible.

        A row whose pair has no free cluster left gets another pair.

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
        good = np.flatnonzero((self.row_of[groups[:, None], pairs] >= 0).all(axis=1))
        _, first = np.unique(self.cluster_of[groups[good]], return_index=True)
        kept = good[first]
        used = set(self.cluster_of[groups[kept]].tolist())
        for row in np.setdiff1d(np.arange(len(groups)), kept):
            group = self._draw_group(rng, pairs[row], used)
            instead = iter(rng.permutation(others))
            while group is None:
                pairs[row] = next(instead)
                group = self._draw_group(rng, pairs[row], used)
            groups[row] = group
            used.add(int(self.cluster_of[group]))
        return groups, pairs

    def _draw_group(self, rng: np.random.Generator, pair: np.ndarray, used: set[int]) -> int | None:
        """A uniform draw among the groups that have both languages and whose cluster is free, or None."""
        for group in rng.integers(self.n_groups, size=8).tolist():  # where most groups have all languages, no list is made
            if (self.row_of[group, pair] >= 0).all() and int(self.cluster_of[group]) not in used:
                return group
        fits = self._groups_with(int(pair[0]), int(pair[1]))
        for group in fits[rng.integers(len(fits), size=32)].tolist():
            if int(self.cluster_of[group]) not in used:
                return group
        free = fits[~np.isin(self.cluster_of[fits], list(used))]
        return int(rng.choice(free)) if len(free) else None

    def _groups_with(self, first: int, second: int) -> np.ndarray:
        """Groups that have both languages, int32; made once for each pair that is asked for."""
        key = (min(first, second), max(first, second))
        if key not in self._with_both:
            self._with_both[key] = np.flatnonzero((self.row_of[:, list(key)] >= 0).all(axis=1)).astype(np.int32)
        return self._with_both[key]
