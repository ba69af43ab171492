"""Batches for hybrid batch training: which query meets which passage, in which languages (arXiv 2408.10536, section 3).

An epoch is as many rows as there are groups: ``n_groups // batch_size`` batches, the same for every sampling. The draws,
in this order:

1. the *kind* of each batch, with the probabilities of the sampling (Hybrid: monolingual with alpha);
2. its *source*, among the corpora that can serve the kind, with probability in proportion to (number of groups)^tau,
   so that alpha holds in expectation even when some corpora have one language;
3. the *languages*: one for the whole batch (X-X-mono), or one a row (X-X), or an ordered pair of two a row (X-Y), uniform
   (``SAMPLINGS`` says what a sampling draws);
4. the *groups*: a walk through a random order of the source's groups, so that an epoch visits each group once; where the
   next group lacks a drawn language or its cluster or question is in the batch already, another one that fits is drawn at
   random.

A batch never holds two rows of one cluster: a translation of the positive would be a false negative that no string
comparison sees. Nor does it hold one question twice, which two passages of one data set may answer, as long as the data
has others (it warns where that cannot be). Batch i of epoch e is a
pure function of (seed, e, i), so every kind of resume agrees by construction.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from kit.core.printing import near
from kit.core.seeding import Shuffle, generator
from kit.data.triples.corpus import TrainingCorpus
from kit.train.placing import source_of


@dataclass(frozen=True)
class Kind:
    """A kind of batch: which languages meet in its rows. Every ordered pair of languages that fits is equally likely.

    name: what a batch says of itself.
    one_pair: whether one pair of languages is drawn for the whole batch; else one for each row.
    query_language, passage_language: the one language of all queries, of all passages; ``None``: any.
    same: whether query and passage of a row have the same language (True), two languages (False), or either (``None``).
    """

    name: str
    one_pair: bool = False
    query_language: str | None = None
    passage_language: str | None = None
    same: bool | None = None

    def allowed(self, languages: Sequence[str]) -> np.ndarray:
        """Which ordered pairs fit, query language by passage language, shape (n_languages, n_languages), bool."""
        fits = np.ones((len(languages), len(languages)), bool)
        if self.query_language is not None:
            fits &= (np.array(languages) == self.query_language)[:, None]
        if self.passage_language is not None:
            fits &= np.array(languages) == self.passage_language
        return fits if self.same is None else fits & (np.eye(len(languages), dtype=bool) == self.same)


MONOLINGUAL = Kind("monolingual", one_pair=True, same=True)
MIXED = Kind("mixed", same=True)
CROSS_LINGUAL = Kind("cross-lingual", same=False)

SAMPLINGS: dict[str, tuple[Kind, ...]] = {
    "En-En": (Kind("monolingual", one_pair=True, query_language="en", same=True),),
    "X-X": (MIXED,),
    "X-X-mono": (MONOLINGUAL,),
    "X-Y": (CROSS_LINGUAL,),
    "Hybrid": (MONOLINGUAL, CROSS_LINGUAL),
}
"""Kinds of batch by sampling, as in the paper and LAReQA: one kind, or two, of which a batch has the first with alpha.

A sampling is added here and nowhere else: ``"X-En": (Kind("to English", passage_language="en"),)`` would be another one.
"""


@dataclass(frozen=True)
class Sampling:
    """How batches are drawn.

    name: what the sampling is called.
    kinds: of batch.
    probabilities: one a kind, summing to 1.
    """

    name: str
    kinds: tuple[Kind, ...]
    probabilities: tuple[float, ...] = (1.0,)

    @classmethod
    def parse(cls, name: str) -> Sampling:
        """The sampling of this name out of ``SAMPLINGS``; one of two kinds may name its alpha, as in ``Hybrid(0.3)``.

        ``Hybrid`` alone is ``Hybrid(0.5)``, the paper's choice.

        Raises:
            ValueError: an unknown name, or an alpha outside [0, 1].

        >>> Sampling.parse("Hybrid(0.3)").probabilities
        (0.3, 0.7)
        """
        match = re.fullmatch(r"(.+?)(?:\((\d*\.?\d+)\))?", name)
        base, share = match.groups() if match else ("", None)
        kinds = SAMPLINGS.get(base, ())
        if len(kinds) == 1 and not share:
            return cls(name, kinds)
        alpha = float(share or 0.5) if len(kinds) == 2 else -1.0
        if not 0 <= alpha <= 1:
            raise ValueError(
                f"sampling {name!r} is not known: use {', '.join(SAMPLINGS)} or Hybrid(alpha), 0 <= alpha <= 1, "
                f"or add it to kit.train.samplers.SAMPLINGS{near(name, SAMPLINGS)}"
            )
        return cls(name, kinds, (alpha, round(1.0 - alpha, 12)))


@dataclass(frozen=True, eq=False)
class PairBatch:
    """One batch, as rows of the concatenated tables of the sampler's corpora.

    kind: name of its kind.  source: index of the corpus.
    query_rows, passage_rows: rows to take the query and the passage from, each (batch,), int64.
    query_languages, passage_languages: indices into the sampler's ``languages``, each (batch,), int64.
    """

    kind: str
    source: int
    query_rows: np.ndarray
    passage_rows: np.ndarray
    query_languages: np.ndarray
    passage_languages: np.ndarray

    def pairs(self) -> list[tuple[int, int]]:
        """(query row, passage row) of each row."""
        return list(zip(self.query_rows.tolist(), self.passage_rows.tolist()))


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

    >>> from kit.data.corpus import ParallelCorpus
    >>> rows = [{"group_id": str(g), "language": l, "query": f"q{g}{l}", "passage": f"p{g}{l}"}
    ...         for g in range(9) for l in ("de", "en")]
    >>> sampler = PairBatchSampler([ParallelCorpus.from_rows(rows, "toy")], Sampling.parse("X-Y"), batch_size=4, seed=0)
    >>> len(sampler), len(list(sampler)), sampler.batch(epoch=0, index=1).kind
    (2, 2, 'cross-lingual')
    """

    def __init__(
        self,
        corpora: Sequence[TrainingCorpus],
        sampling: Sampling,
        batch_size: int,
        seed: int,
        tau: float = 1.0,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size {batch_size} is below 1")
        if not corpora:
            raise ValueError("corpora is empty: give at least one ParallelCorpus")
        self.sampling, self.batch_size, self.seed, self.epoch = sampling, batch_size, seed, 0
        self.languages = tuple(sorted({language for corpus in corpora for language in corpus.languages}))
        offsets = np.cumsum([0, *(len(corpus) for corpus in corpora)])
        self._sources = [source_of(corpus, self.languages, int(offset)) for corpus, offset in zip(corpora, offsets)]
        self._n_batches = max(1, sum(source.n_groups for source in self._sources) // batch_size)
        allowed = [kind.allowed(self.languages) for kind in sampling.kinds]
        self._pairs = [[source.pairs(those) for source in self._sources] for those in allowed]  # each (n_pairs, 2)
        self._mixture = np.stack([self._source_probabilities(kind, tau) for kind in range(len(sampling.kinds))])
        self._plan = lru_cache(maxsize=2)(self._draw_plan)
        self._order = lru_cache(maxsize=4 * len(corpora))(self._draw_order)

    def __len__(self) -> int:
        return self._n_batches

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch of the next iteration."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        epoch = self.epoch
        for index in range(self._n_batches):
            yield self.batch(epoch, index).pairs()

    def batch(self, epoch: int, index: int) -> PairBatch:
        """Batch ``index`` (0 <= index < len) of an epoch, a pure function of (seed, epoch, index)."""
        if not 0 <= index < self._n_batches:
            raise IndexError(f"batch {index} of an epoch of {self._n_batches}")
        kinds, sources, turns = self._plan(epoch)
        number, source = int(kinds[index]), self._sources[sources[index]]
        kind, allowed = self.sampling.kinds[number], self._pairs[number][sources[index]]
        rng = generator(self.seed, "batch", epoch, index)
        drawn = allowed[rng.integers(len(allowed), size=1 if kind.one_pair else self.batch_size)]
        pairs = np.broadcast_to(drawn, (self.batch_size, 2))
        walk = self._walk(epoch, int(sources[index]), int(turns[index]))  # (batch,)
        groups, pairs = source.place(rng, walk, pairs, others=allowed[:0] if kind.one_pair else allowed)
        rows = source.rows(groups, pairs)  # (batch, 2)
        return PairBatch(kind.name, int(sources[index]), rows[:, 0], rows[:, 1], pairs[:, 0], pairs[:, 1])

    def _source_probabilities(self, number: int, tau: float) -> np.ndarray:
        """Probability of each source for a kind of batch, shape (n_sources,); checks that batches can be filled."""
        if not self.sampling.probabilities[number]:
            return np.zeros(len(self._sources))
        kind, weights = self.sampling.kinds[number], []
        for source, pairs in zip(self._sources, self._pairs[number]):
            weights.append(float(source.n_groups) ** tau if len(pairs) else 0.0)
            if len(pairs):
                source.check(pairs, self.batch_size, self.languages, kind.one_pair)
        if not sum(weights):
            language = kind.query_language or kind.passage_language
            raise ValueError(
                f"sampling {self.sampling.name} draws {kind.name} batches, but no corpus has "
                f"{f'the language {language!r}' if language else 'groups in two languages'}: add such a corpus or choose "
                "another sampling"
            )
        return np.array(weights) / sum(weights)

    def _draw_plan(self, epoch: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Kind, source and turn (how many earlier batches have the same source) of each batch, each (n_batches,)."""
        rng = generator(self.seed, "plan", epoch)
        kinds = rng.choice(len(self.sampling.kinds), size=self._n_batches, p=self.sampling.probabilities)
        cumulative = np.cumsum(self._mixture, axis=1)[kinds]  # (n_batches, n_sources)
        sources = (rng.random(self._n_batches)[:, None] * cumulative[:, -1:] >= cumulative).sum(axis=1)
        turns = np.zeros(self._n_batches, np.int64)
        for source in range(len(self._sources)):
            mine = sources == source
            turns[mine] = np.arange(mine.sum())
        return kinds, sources, turns

    def _walk(self, epoch: int, source: int, turn: int) -> np.ndarray:
        """The groups at this batch's place in the source's order, shape (batch,); past its end a new order begins."""
        places = np.arange(turn * self.batch_size, (turn + 1) * self.batch_size)
        rounds, places = np.divmod(places, self._sources[source].n_groups)
        return np.concatenate([self._order(epoch, source, int(lap))[places[rounds == lap]] for lap in np.unique(rounds)])

    def _draw_order(self, epoch: int, source: int, lap: int) -> np.ndarray | Shuffle:
        return self._sources[source].order(generator(self.seed, "order", epoch, source, lap))
