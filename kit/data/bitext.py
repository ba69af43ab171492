"""The shape of bitext mining: sentences of two languages, and which of them are translations of each other."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kit.core import tables
from kit.core.languages import is_tag
from kit.core.seeding import stable_fraction
from kit.core.tables import Column
from kit.data.clusters import passage_clusters

SENTENCE_COLUMNS = [Column("sentence_id"), Column("text")]
GOLD_COLUMNS = [Column("source_id"), Column("target_id")]
SIDES = ("source", "target")


@dataclass(frozen=True, eq=False)
class BitextTask:
    """Sentences of a source and of a target language, with the pairs of them that are translations (the gold).

    name: what the task is called in tables and errors.
    source_language, target_language: BCP 47 tags.
    source, target: Arrow tables ``sentence_id, text``. An id is unique on its side; a text may occur several times.
    gold: Arrow table ``source_id, target_id``, at least one row. A sentence without gold is a distractor, and a sentence may
        have several partners.
    places: names a row of each table in an error (set by the readers).

    Raises:
        ValueError: a malformed tag, a side without sentences, no gold, an empty id or text, an id twice on its side, a gold
            pair twice or of an unknown sentence.
    """

    name: str
    source_language: str
    target_language: str
    source: pa.Table
    target: pa.Table
    gold: pa.Table
    places: dict[str, tables.Where] | None = None

    def __post_init__(self) -> None:
        where = self.places or {part: _row_of(self.name, part) for part in (*SIDES, "gold")}
        for side, language in zip(SIDES, (self.source_language, self.target_language)):
            if not is_tag(language):
                raise ValueError(
                    f"{self.name}: {side}_language {language!r} is not a tag: write a BCP 47 tag such as 'de' or 'pt-BR' "
                    "(kit.core.languages.language_tag maps other codes)"
                )
            sentences = getattr(self, side)
            if not len(sentences):
                raise ValueError(f"{self.name}: no {side} sentences: a task holds at least one on each side")
            for column in ("sentence_id", "text"):
                tables.refuse_empty(sentences, column, where[side])
            tables.refuse_duplicates(sentences, ["sentence_id"], where[side])
        if not len(self.gold):
            raise ValueError(f"{self.name}: no gold pair: nothing can be scored without one")
        for side in SIDES:
            known = getattr(self, side).column("sentence_id").combine_chunks()
            remedy = f"add the sentence to the {side} side or drop the pair"
            tables.refuse_unknown(self.gold, f"{side}_id", known, where["gold"], remedy)
        tables.refuse_duplicates(self.gold, ["source_id", "target_id"], where["gold"])

    @classmethod
    def from_rows(
        cls,
        name: str,
        source_language: str,
        target_language: str,
        source: Iterable[dict],
        target: Iterable[dict],
        gold: Iterable[dict],
        places: dict[str, tables.Where] | None = None,
    ) -> BitextTask:
        """Make a task from dictionaries with the fields of ``SENTENCE_COLUMNS`` and ``GOLD_COLUMNS``.

        >>> sentences = [{"sentence_id": "1", "text": "Guten Tag"}], [{"sentence_id": "1", "text": "Good day"}]
        >>> BitextTask.from_rows("mine", "de", "en", *sentences, [{"source_id": "1", "target_id": "1"}]).n_gold
        1
        """
        made = {}
        for part, rows in zip((*SIDES, "gold"), (source, target, gold)):
            where = places[part] if places else _row_of(name, part)
            made[part] = tables.from_rows(rows, GOLD_COLUMNS if part == "gold" else SENTENCE_COLUMNS, where)
        return cls(name, source_language, target_language, **made, places=places)

    @cached_property
    def gold_pairs(self) -> np.ndarray:
        """Rows (index of the source sentence, index of the target sentence), sorted, shape (n_gold, 2), int64."""
        pairs = np.stack(
            [tables.codes(self.gold.column(f"{side}_id"), self.sentence_ids(side)) for side in SIDES], axis=1
        ).astype(np.int64)
        return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]

    @property
    def n_gold(self) -> int:
        """Number of gold pairs, at least 1."""
        return len(self.gold)

    @cached_property
    def n_distractors(self) -> tuple[int, int]:
        """Numbers of source and of target sentences without gold."""
        n_with_gold = [len(pc.unique(self.gold.column(f"{side}_id"))) for side in SIDES]
        return len(self.source) - n_with_gold[0], len(self.target) - n_with_gold[1]

    def sentence_ids(self, side: str) -> list[str]:
        """Ids of a side (``source`` or ``target``), in the order of its table."""
        return getattr(self, side).column("sentence_id").to_pylist()

    def texts(self, side: str) -> list[str]:
        """Texts of a side (``source`` or ``target``), in the order of its table."""
        return getattr(self, side).column("text").to_pylist()

    def split(self, fraction: float, seed: int = 0) -> tuple[BitextTask, BitextTask]:
        """Split into a part to tune a threshold on, and a part to test on with about ``fraction`` of the sentences.

        Sentences go together that are joined by gold or have one text, so that no pair is cut and no text stands in both
        parts. Such a group goes by a hash of its least id and the seed: pairs and distractors alike, so both parts have
        distractors in the proportion of the whole, but for chance. A margin depends on how many sentences there are to be
        neighbours: with ``fraction=0.5`` the threshold fits the other part best.

        Raises:
            ValueError: ``fraction`` is not between 0 and 1, or a part is left without gold.
        """
        if not 0 < fraction < 1:
            raise ValueError(f"fraction {fraction} is not between 0 and 1 (both excluded)")
        group_of = self._groups()
        tested = {side: _below(group_of[side], fraction, seed) for side in SIDES}
        gold_in_test = pc.is_in(
            self.gold.column("source_id"), value_set=self.source.filter(tested["source"])["sentence_id"].combine_chunks()
        )
        parts = []
        for word, of in (("train", pc.invert), ("test", lambda mask: mask)):
            parts_of_side = {side: getattr(self, side).filter(of(tested[side])) for side in SIDES}
            gold = self.gold.filter(of(gold_in_test))
            if not len(gold):
                raise ValueError(
                    f"{self.name}: fraction {fraction} with seed {seed} leaves the {word} part without gold: "
                    "choose a fraction nearer to 0.5, another seed, or a task with more gold"
                )
            name = f"{self.name}, part {word}"
            parts.append(BitextTask(name, self.source_language, self.target_language, **parts_of_side, gold=gold))
        return parts[0], parts[1]

    def _groups(self) -> dict[str, list[str]]:
        """Group of each sentence of each side: its least member, with the side, since both sides may use one id."""
        members, keys = [], []
        for side in SIDES:
            for sentence_id, text in zip(self.sentence_ids(side), self.texts(side)):
                members.append(f"{side}:{sentence_id}")
                keys.append((side, text))
        n_sentences = len(members)
        for row in self.gold.to_pylist():
            for side in SIDES:
                members.append(f"{side}:{row[f'{side}_id']}")
                keys.append((row["source_id"], row["target_id"], "gold"))
        groups = passage_clusters(members, keys)[:n_sentences]
        least: dict[str, str] = {}
        for member, group in zip(members, groups):
            least[group] = min(member, least[group]) if group in least else member
        groups = [least[group] for group in groups]
        return {"source": groups[: len(self.source)], "target": groups[len(self.source) :]}


def _below(groups: list[str], fraction: float, seed: int) -> pa.Array:
    return pa.array([stable_fraction(group, seed) < fraction for group in groups], pa.bool_())


def _row_of(name: str, part: str) -> tables.Where:
    return lambda index: f"{name}, {part}, row {index + 1}"
