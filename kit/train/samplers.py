"""Batches for hybrid batch training: which query meets which passage, in which languages (arXiv 2408.10536, section 3).

An epoch is as many rows as there are groups: ``n_groups // batch_size`` batches, the same for every sampling. The draws,
in this order:

1. the *kind* of each batch, with the probabilities of the sampling (Hybrid: monolingual with alpha);
2. its *source*, among the corpora that can serve the kind, with probability in proportion to (number of groups)^tau,
   so that alpha holds in expectation even when some corpora have one language;
3. the *languages*: one for the whole batch (X-X-mono), or one a row (X-X), or an ordered pair of two a row (X-Y), uniform;
4. the *groups*: a walk through a random order of the source's groups, so that an epoch visits each group once; where the
   next group lacks a drawn language or its cluster is in the batch already, another one that fits is drawn at random.

A batch never holds two rows of one cluster: a translation of the positive would be a false negative that no string
comparison sees. Batch i of epoch e is a pure function of (seed, e, i), so every kind of resume agrees by construction.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from kit.core.seeding import generator
from kit.data.corpus import ParallelCorpus

KINDS = ("monolingual", "mixed", "cross-lingual")
"""Kinds of batch: all rows in one language; each row in one language, rows mixed; each row across two languages."""

SAMPLINGS = ("En-En", "X-X", "X-X-mono", "X-Y", "Hybrid")


@dataclass(frozen=True)
class Sampling:
    """How batches are drawn: the probability of each kind of batch.

    name: as in the paper and LAReQA: ``En-En``, ``X-X``, ``X-X-mono``, ``X-Y`` or ``Hybrid(alpha)``.
    probabilities: of ``KINDS``, summing to 1.
    language: the one language of monolingual batches (En-En), or ``None`` for all.
    """

    name: str
    probabilities: tuple[float, float, float]
    language: str | None = None

    @classmethod
    def parse(cls, name: str) -> Sampling:
        """Read a sampling's name; ``Hybrid`` alone is ``Hybrid(0.5)``, the paper's choice.

        Raises:
            ValueError: an unknown name, or an alpha outside [0, 1].

        >>> Sampling.parse("Hybrid(0.3)").probabilities
        (0.3, 0.0, 0.7)
        """
        if name == "En-En":
            return cls(name, (1.0, 0.0, 0.0), language="en")
        if name == "X-X":
            return cls(name, (0.0, 1.0, 0.0))
        if name == "X-X-mono":
            return cls(name, (1.0, 0.0, 0.0))
        if name == "X-Y":
            return cls(name, (0.0, 0.0, 1.0))
        match = re.fullmatch(r"Hybrid(?:\((\d*\.?\d+)\))?", name)
        alpha = float(match.group(1) or 0.5) if match else -1.0
        if not 0 <= alpha <= 1:
            raise ValueError(f"sampling {name!r} is not known: use {', '.join(SAMPLINGS)} or Hybrid(alpha), 0 <= alpha <= 1")
        return cls(name, (alpha, 0.0, round(1.0 - alpha, 12)))


@dataclass(frozen=True, eq=False)
class PairBatch:
    """One batch, as rows of the concatenated tables of the sampler's corpora.

    kind: one of ``KINDS``.  source: index of the corpus.
    query_rows, passage_rows: rows to take the query and the passage from, each (batch,), int64.
    query_languages, passage_languages: indices into the sampler's ``languages``, each (batch,), int64.
    """

    kind: str
    source: int
    query_rows: np.ndarray
    passage_rows: np.ndarray
    query_languages: np.ndarray
    passage_languages: np.ndarray


class PairBatchSampler:
    """Batch sampler over one or many parallel corpora; an iteration yields lists of (query row, passage row).

    Args:
        corpora: where the rows come from; rows are numbered through all corpora in this order.
        sampling: how batches are drawn.
        batch_size: rows in every batch.
        seed: of all draws.
        tau: exponent of the corpora's sizes; 1 mixes in proportion to size, 0 uniformly.

    Raises:
        ValueError: no corpus can serve a kind of batch, or a language or corpus has too few clusters to fill one.

    ``len`` is exact. ``set_epoch`` chooses the epoch that the next iteration walks; ``batch(epoch, i)`` is random access.

    >>> rows = [{"group_id": str(g), "language": l, "query": f"q{g}{l}", "passage": f"p{g}{l}"}
    ...         for g in range(9) for l in ("de", "en")]
    >>> sampler = PairBatchSampler([ParallelCorpus.from_rows(rows, "toy")], Sampling.parse("X-Y"), batch_size=4, seed=0)
    >>> len(sampler), len(list(sampler)), sampler.batch(epoch=0, index=1).kind
    (2, 2, 'cross-lingual')
    """

    def __init__(self, corpora: Sequence[ParallelCorpus], sampling: Sampling, batch_size: int, seed: int, tau: float = 1.0):
        if batch_size < 1:
            raise ValueError(f"batch_size {batch_size} is below 1")
        if not corpora:
            raise ValueError("corpora is empty: give at least one ParallelCorpus")
        self.sampling, self.batch_size, self.seed, self.epoch = sampling, batch_size, seed, 0
        self.languages = tuple(sorted({language for corpus in corpora for language in corpus.languages}))
        offsets = np.cumsum([0, *(len(corpus) for corpus in corpora)])
        self._sources = [_Source(corpus, self.languages, int(offset)) for corpus, offset in zip(corpora, offsets)]
        self._n_batches = max(1, sum(source.n_groups for source in self._sources) // batch_size)
        self._mixture = np.stack([self._source_probabilities(kind, tau) for kind in range(len(KINDS))])
        self._plan = lru_cache(maxsize=2)(self._draw_plan)
        self._order = lru_cache(maxsize=4 * len(corpora))(self._draw_order)

    def __len__(self) -> int:
        return self._n_batches

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch of the next iteration."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        for index in range(self._n_batches):
            batch = self.batch(self.epoch, index)
            yield list(zip(batch.query_rows.tolist(), batch.passage_rows.tolist()))

    def batch(self, epoch: int, index: int) -> PairBatch:
        """Batch ``index`` (0 <= index < len) of an epoch, a pure function of (seed, epoch, index)."""
        if not 0 <= index < self._n_batches:
            raise IndexError(f"batch {index} of an epoch of {self._n_batches}")
        kinds, sources, turns = self._plan(epoch)
        kind, source = int(kinds[index]), self._sources[sources[index]]
        rng = generator(self.seed, "batch", epoch, index)
        pairs = self._draw_languages(rng, kind, source)  # (batch, 2)
        walk = self._walk(epoch, int(sources[index]), int(turns[index]))  # (batch,)
        groups, pairs = source.place(rng, walk, pairs, fixed=KINDS[kind] == "monolingual", allowed=self._pairs(kind, source))
        rows = source.rows(groups, pairs)  # (batch, 2)
        return PairBatch(KINDS[kind], int(sources[index]), rows[:, 0], rows[:, 1], pairs[:, 0], pairs[:, 1])

    def _source_probabilities(self, kind: int, tau: float) -> np.ndarray:
        """Probability of each source for a kind of batch, shape (n_sources,); checks that batches can be filled."""
        if not self.sampling.probabilities[kind]:
            return np.zeros(len(self._sources))
        weights = []
        for source in self._sources:
            pairs = self._pairs(kind, source)
            weights.append(float(source.n_groups) ** tau if len(pairs) else 0.0)
            if len(pairs):
                source.check(pairs, self.batch_size, self.languages, one_language=KINDS[kind] == "monolingual")
        if not sum(weights):
            need = {"monolingual": f"the language {self.sampling.language!r}", "cross-lingual": "groups in two languages"}
            raise ValueError(
                f"sampling {self.sampling.name} draws {KINDS[kind]} batches, but no corpus has "
                f"{need.get(KINDS[kind], 'rows')}: add such a corpus or choose another sampling"
            )
        return np.array(weights) / sum(weights)

    def _pairs(self, kind: int, source: _Source) -> np.ndarray:
        """Ordered language pairs that a source offers to a kind of batch, shape (n_pairs, 2)."""
        if KINDS[kind] == "cross-lingual":
            return source.cross_pairs
        if self.sampling.language is None:
            return source.own_pairs
        wanted = self.languages.index(self.sampling.language) if self.sampling.language in self.languages else -1
        return source.own_pairs[source.own_pairs[:, 0] == wanted]

    def _draw_plan(self, epoch: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Kind, source and turn (how many earlier batches have the same source) of each batch, each (n_batches,)."""
        rng = generator(self.seed, "plan", epoch)
        kinds = rng.choice(len(KINDS), size=self._n_batches, p=self.sampling.probabilities)
        cumulative = np.cumsum(self._mixture, axis=1)[kinds]  # (n_batches, n_sources)
        sources = (rng.random(self._n_batches)[:, None] * cumulative[:, -1:] >= cumulative).sum(axis=1)
        turns = np.zeros(self._n_batches, np.int64)
        for source in range(len(self._sources)):
            mine = sources == source
            turns[mine] = np.arange(mine.sum())
        return kinds, sources, turns

    def _draw_languages(self, rng: np.random.Generator, kind: int, source: _Source) -> np.ndarray:
        pairs = self._pairs(kind, source)
        n_draws = 1 if KINDS[kind] == "monolingual" else self.batch_size
        drawn = pairs[rng.integers(len(pairs), size=n_draws)]
        return np.broadcast_to(drawn, (self.batch_size, 2)).copy()

    def _walk(self, epoch: int, source: int, turn: int) -> np.ndarray:
        """The groups at this batch's place in the source's order, shape (batch,); past its end a new order begins."""
        places = np.arange(turn * self.batch_size, (turn + 1) * self.batch_size)
        rounds, places = np.divmod(places, self._sources[source].n_groups)
        return np.concatenate([self._order(epoch, source, int(lap))[places[rounds == lap]] for lap in np.unique(rounds)])

    def _draw_order(self, epoch: int, source: int, lap: int) -> np.ndarray:
        return self._sources[source].order(generator(self.seed, "order", epoch, source, lap))


class _Source:
    """What the sampler needs to know of one corpus."""

    def __init__(self, corpus: ParallelCorpus, languages: tuple[str, ...], offset: int):
        self.name, self.offset = corpus.name, offset
        self.row_of = np.full((len(corpus.group_ids), len(languages)), -1, np.int32)  # (n_groups, n_languages)
        self.row_of[:, [languages.index(language) for language in corpus.languages]] = corpus.row_of
        self.cluster_of = corpus.cluster_of  # (n_groups,)
        self.n_groups = len(self.row_of)
        present = (self.row_of >= 0).astype(np.float32)
        together = present.T @ present > 0  # (n_languages, n_languages)
        self._with_both: dict[tuple[int, int], np.ndarray] = {}
        self.own_pairs = np.argwhere(together & np.eye(len(languages), dtype=bool))
        self.cross_pairs = np.argwhere(together & ~np.eye(len(languages), dtype=bool))

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

    def check(self, pairs: np.ndarray, batch_size: int, languages: tuple[str, ...], one_language: bool) -> None:
        """Refuse a corpus that cannot fill a batch with distinct clusters."""
        for some in pairs[:, None] if one_language else [pairs]:
            fits = (self.row_of[:, some] >= 0).all(axis=2).any(axis=1)  # (n_groups,)
            n_clusters = len(np.unique(self.cluster_of[fits]))
            if n_clusters < batch_size:
                what = f"language {languages[some[0, 0]]!r}" if one_language else "these batches"
                raise ValueError(
                    f"corpus {self.name!r} has {n_clusters} passage clusters for {what}, fewer than "
                    f"batch_size {batch_size}: lower batch_size, or leave the language or the corpus out"
                )

    def place(
        self, rng: np.random.Generator, walk: np.ndarray, pairs: np.ndarray, fixed: bool, allowed: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Give each row of drawn languages a group that has both, no cluster twice; keep the walk's groups where possible.

        A row whose pair has no free cluster left gets another pair (never in a monolingual batch, where ``check``
        guarantees enough clusters).

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
            others = iter(() if fixed else rng.permutation(allowed))
            while group is None:
                pairs[row] = next(others)
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
