"""``TripleCorpus``: training data whose rows are implied by triples of ids, so that there is no table of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from kit.core.seeding import Shuffle, generator
from kit.data.corpus import ParallelCorpus
from kit.data.triples.collection import Collection
from kit.data.triples.lines import Triples

SHOWN = 10_000
"""Triples of a sample: what is read by tables, tokenizers and counts that cannot read all."""

MOST_HELD_OUT = 1000
"""Passages that a split holds out at most: they are kept in memory."""


@dataclass(frozen=True, eq=False)
class TripleCorpus:
    """Training data of triples (query, positive passage, negative passage), each text in all languages, read from disk.

    A group is one triple, and every group has every language. Row ``triple · n_languages + language`` is its query and its
    positive passage in that language, with its negative passage as the one hard negative. A *cluster* is a positive passage
    by its id, a question a query by its id: what has two ids is two. A sampler draws from it as from a ``ParallelCorpus``.

    name: what the corpus is called in tables and errors.
    languages: tags, sorted.
    queries, passages: texts in each language, in the same order; all have the same ids (``refuse_other_ids``).
    triples: places in them.
    """

    name: str
    languages: tuple[str, ...]
    queries: tuple[Collection, ...]
    passages: tuple[Collection, ...]
    triples: Triples

    def __len__(self) -> int:
        return self.n_groups * len(self.languages)

    @property
    def n_groups(self) -> int:
        """Number of triples."""
        return len(self.triples)

    @property
    def question_of(self) -> np.ndarray:
        """Question of each group, shape (n_groups,), int32, memory-mapped."""
        return self.triples.question_of

    @property
    def cluster_of(self) -> np.ndarray:
        """Cluster of each group, shape (n_groups,), int32, memory-mapped."""
        return self.triples.positive_of

    @property
    def n_clusters(self) -> int:
        """One more than the highest number of a cluster; negatives have such numbers, too."""
        return len(self.passages[0])

    @property
    def digest(self) -> str:
        """What the content depends on: triples, texts and languages."""
        texts = [collection.digest for collection in (*self.queries, *self.passages)]
        return " ".join([self.triples.digest, str(self.n_groups), *self.languages, *texts])

    def texts(self, column: str, rows: np.ndarray) -> list[str]:
        """Texts of some rows.

        Args:
            column: ``query``, ``passage`` or ``negative``.
            rows: (n,), int64.
        """
        groups, codes = np.divmod(np.asarray(rows), len(self.languages))
        triples = self.triples
        of_group = {"query": triples.question_of, "passage": triples.positive_of, "negative": triples.negative_of}
        places = of_group[column][groups]
        found = np.empty(len(places), object)
        for code in np.unique(codes):
            here = codes == code
            found[here] = (self.queries if column == "query" else self.passages)[code].texts(places[here])
        return found.tolist()

    def sample(self, n_groups: int = SHOWN, seed: int = 0) -> ParallelCorpus:
        """Some of the triples as a corpus in memory, drawn at random and without those that have an empty text."""
        n_groups = min(n_groups, self.n_groups)
        return self._table(Shuffle(self.n_groups, generator(seed))[np.arange(n_groups)], f"{self.name} (a sample)")

    def split(self, fraction: float) -> tuple[TripleCorpus, ParallelCorpus]:
        """Split into (the rest, about ``fraction`` of the clusters, at most ``MOST_HELD_OUT``); no cluster is on both sides.

        The second holds one triple of each of its clusters, in memory. Which clusters it has is a hash of their ids.

        Raises:
            ValueError: fraction is not between 0 and 1, or one of the sides would be empty.
        """
        if not 0 < fraction < 1:
            raise ValueError(f"fraction {fraction} is not between 0 and 1 (both excluded)")
        triples = self.triples
        n_clusters = len(triples.first_of) - 1
        n_kept = n_clusters - min(MOST_HELD_OUT, round(fraction * n_clusters))
        if not 0 < n_kept < n_clusters:
            raise ValueError(f"{self.name}: {n_clusters} passages cannot be split at {fraction}: give more triples")
        rest = replace(triples, n_positives=n_kept)
        return replace(self, triples=rest), self._table(triples.first_of[n_kept:-1], f"{self.name} (held out)")

    def _table(self, groups: np.ndarray, name: str) -> ParallelCorpus:
        rows = groups[:, None] * len(self.languages) + np.arange(len(self.languages))  # (n_groups, n_languages)
        texts = [self.texts(column, rows.reshape(-1)) for column in ("query", "passage", "negative")]
        whole = np.array([bool(text.strip()) for text in texts[0]]) & [bool(text.strip()) for text in texts[1]]
        whole = np.repeat(whole.reshape(rows.shape).all(axis=1), len(self.languages))
        made = (
            {
                "group_id": str(row // len(self.languages)),
                "language": self.languages[row % len(self.languages)],
                "query": query,
                "passage": passage,
                "cluster_id": str(self.passages[0].ids[self.cluster_of[row // len(self.languages)]]),
                "negatives": [negative],
            }
            for row, query, passage, negative, good in zip(rows.reshape(-1).tolist(), *texts, whole.tolist())
            if good
        )
        return ParallelCorpus.from_rows(made, name)


TrainingCorpus = ParallelCorpus | TripleCorpus
"""What a sampler draws from."""
