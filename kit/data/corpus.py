"""The two shapes all data has: ``ParallelCorpus`` for training and ``RetrievalTask`` for evaluation."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kit.core import records, tables
from kit.core.files import whole_file
from kit.core.languages import is_tag
from kit.core.seeding import stable_fraction
from kit.core.tables import Column
from kit.data.clusters import question_numbers, with_clusters
from kit.data.pools import own_candidates

CORPUS_COLUMNS = [
    Column("group_id"),  # the same question in several languages is one group
    Column("language"),  # BCP 47 tag of query and passage
    Column("query"),
    Column("passage"),
    Column("cluster_id", default=""),  # the same passage over languages and groups; empty: found from the texts
    Column("domain", default=""),
    Column("source", default=""),
    Column("negatives", "texts", default=()),  # hard negatives of this query, in the language of the row
]
QUERY_COLUMNS = [Column("query_id"), Column("group_id", default=""), Column("language"), Column("text")]
CANDIDATE_COLUMNS = [Column("candidate_id"), Column("language"), Column("text")]
RELEVANCE_COLUMNS = [Column("query_id"), Column("candidate_id"), Column("grade", "integer", default=1)]
_PARTS = {"queries": QUERY_COLUMNS, "candidates": CANDIDATE_COLUMNS, "relevance": RELEVANCE_COLUMNS}

_TAG_REMEDY = "write a BCP 47 tag such as 'de' or 'pt-BR' (kit.core.languages.language_tag maps other codes)"


@dataclass(frozen=True, eq=False)
class ParallelCorpus:
    """Training data: groups of parallel questions, each with its passage, in one or more languages.

    table: Arrow table with the columns of ``CORPUS_COLUMNS``; one row for each (group, language), in the order of the
        file. A row pairs a query with a passage of its own language; a cross-lingual pair is the query of one row and
        the passage of another row of the same group, and is never stored.
    name: what the corpus is called in tables and errors.
    where: names a row in an error (set by the readers).

    A *cluster* is one passage seen over all languages and groups: two groups that share an answer in any language are in
    one, as each other's passages would be false negatives. Without ``cluster_id`` it comes from the texts (``clusters``).

    Raises:
        ValueError: no rows; an empty text; a (group, language) twice; a malformed language; a group whose rows are in
            several clusters, or a cluster given for some rows only.
    """

    table: pa.Table
    name: str
    where: tables.Where | None = None

    def __post_init__(self) -> None:
        where = self.where or (lambda index: f"{self.name}, row {index + 1}")
        if not len(self.table):
            raise ValueError(f"{self.name}: no rows: a corpus holds one at least (a split of few may leave none)")
        for column in ("group_id", "language", "query", "passage"):
            tables.refuse_empty(self.table, column, where)
        _refuse_malformed_languages(self.table, where)
        tables.refuse_duplicates(self.table, ["group_id", "language"], where)
        object.__setattr__(self, "table", with_clusters(self.table, where))

    @classmethod
    def from_rows(cls, rows: Iterable[dict], name: str, where: tables.Where | None = None) -> ParallelCorpus:
        """Make a corpus from dictionaries with ``CORPUS_COLUMNS``; in errors (see the class), ``where(0)`` names the first.

        >>> row = {"group_id": "1", "language": "en", "query": "What is X?", "passage": "X is Y."}
        >>> ParallelCorpus.from_rows([row], name="mine").languages
        ('en',)
        """
        return cls(tables.from_rows(rows, CORPUS_COLUMNS, where or (lambda index: f"{name}, row {index + 1}")), name, where)

    @classmethod
    def read(cls, path: str | Path) -> ParallelCorpus:
        """Read one ``.jsonl``, ``.jsonl.gz`` or ``.parquet`` file; errors name the file, the line and the field."""
        table, where = tables.read(path, CORPUS_COLUMNS)
        return cls(table, name=Path(path).name.split(".")[0], where=where)

    def write(self, path: str | Path) -> None:
        """Write the corpus as ``.jsonl`` or ``.parquet``, as ``read`` reads it."""
        tables.write(self.table, path)

    def __len__(self) -> int:
        return len(self.table)

    @cached_property
    def languages(self) -> tuple[str, ...]:
        """Tags of the languages that occur, sorted."""
        return tuple(sorted(pc.unique(self.table.column("language")).to_pylist()))

    @cached_property
    def group_ids(self) -> tuple[str, ...]:
        """Group ids in the order of their first row; position = index of the group elsewhere."""
        return tuple(pc.unique(self.table.column("group_id")).to_pylist())

    @property
    def n_groups(self) -> int:
        """Number of groups."""
        return len(self.group_ids)

    @cached_property
    def row_of(self) -> np.ndarray:
        """Row of each (group, language), shape (n_groups, n_languages), int32; -1 where the group lacks the language."""
        groups = tables.numbers(self.table.column("group_id"))
        languages = tables.codes(self.table.column("language"), self.languages)
        rows = np.full((len(self.group_ids), len(self.languages)), -1, np.int32)
        rows[groups, languages] = np.arange(len(self.table), dtype=np.int32)
        return rows

    @cached_property
    def cluster_of(self) -> np.ndarray:
        """Cluster of each group as a number from 0, shape (n_groups,), int32."""
        return tables.numbers(self.table.column("cluster_id"))[self.row_of.max(axis=1)]

    @cached_property
    def question_of(self) -> np.ndarray:
        """Question of each group as a number from 0 (``question_numbers``), shape (n_groups,), int32."""
        return question_numbers(self.table)

    def select(
        self,
        languages: Sequence[str] | None = None,
        domains: Sequence[str] | None = None,
        group_ids: Iterable[str] | None = None,
    ) -> ParallelCorpus:
        """Rows that are in the given languages, domains and groups (``None``: all); clusters stay as they are.

        Raises:
            ValueError: a language, domain or group does not occur, or nothing is left.
        """
        keep = np.ones(len(self.table), bool)
        for column, wanted in (("language", languages), ("domain", domains), ("group_id", group_ids)):
            if wanted is None:
                continue
            wanted, known = list(wanted), set(pc.unique(self.table.column(column)).to_pylist())
            unknown = [value for value in wanted if value not in known]
            if unknown:
                raise ValueError(f"{self.name}: no row with {column} {unknown[0]!r}: choose from {tables.some(known)}")
            keep &= pc.is_in(self.table.column(column), value_set=pa.array(wanted, pa.string())).to_numpy()
        return ParallelCorpus(self.table.filter(pa.array(keep)), self.name)

    def split(self, fraction: float, seed: int = 0) -> tuple[ParallelCorpus, ParallelCorpus]:
        """Split into (the rest, about ``fraction`` of the clusters); no passage stands on both sides.

        The side of a cluster is a hash of its id and the seed, so it does not change when other clusters come or go.
        """
        if not 0 < fraction < 1:
            raise ValueError(f"fraction {fraction} is not between 0 and 1 (both excluded)")
        clusters = self.table.column("cluster_id").to_pylist()
        held_out = np.array([stable_fraction(cluster, seed) < fraction for cluster in clusters])
        rest, part = self.table.filter(pa.array(~held_out)), self.table.filter(pa.array(held_out))
        return ParallelCorpus(rest, self.name), ParallelCorpus(part, f"{self.name} (held out)")


@dataclass(frozen=True, eq=False)
class RetrievalTask:
    """Evaluation data: queries, candidates and which candidate answers which query, each with a language.

    name: what the task is called in tables and errors.
    languages: declared tags; every query and candidate is in one of them.
    queries: Arrow table ``query_id, group_id, language, text``; parallel queries share a group (default: the query's id).
    candidates: Arrow table ``candidate_id, language, text``. A candidate is known by its id, never by its text.
    relevance: Arrow table ``query_id, candidate_id, grade`` (grade >= 1; only nDCG reads it).
    notes: what was left out or put together when it was read, a sentence each (``kit.data.pools.pooled``).

    Raises:
        ValueError: no query or no candidate, an id or a language twice, an empty text, an undeclared language, a relevance
            of an unknown query or candidate or below 1, a query without a relevant candidate.
    """

    name: str
    languages: tuple[str, ...]
    queries: pa.Table
    candidates: pa.Table
    relevance: pa.Table
    places: dict[str, tables.Where] | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        where = self.places or {
            table: (lambda index, table=table: f"{self.name}, {table}, row {index + 1}") for table in _PARTS
        }
        place = where["languages"](0) if "languages" in where else self.name
        if len(set(self.languages)) < len(self.languages):
            raise ValueError(f"{place}: languages {list(self.languages)} name one twice: declare each once")
        for language in self.languages:
            if not is_tag(language):
                raise ValueError(f"{place}: language {language!r:.60} is not a tag: {_TAG_REMEDY}")
        for table, key in (("queries", "query_id"), ("candidates", "candidate_id")):
            rows = getattr(self, table)
            if not len(rows):
                raise ValueError(f"{self.name}: no {table}: a task holds at least one query and one candidate")
            for column in (key, "text"):
                tables.refuse_empty(rows, column, where[table])
            tables.refuse_duplicates(rows, [key], where[table])
            tables.refuse_unknown(
                rows, "language", self.languages, where[table], f"declare it, or use one of {', '.join(self.languages)}"
            )
        _check_relevance(self, where)
        object.__setattr__(self, "queries", tables.with_default(self.queries, "group_id", self.queries.column("query_id")))

    @classmethod
    def from_rows(
        cls,
        name: str,
        queries: Iterable[dict],
        candidates: Iterable[dict],
        relevance: Iterable[dict],
        languages: Sequence[str] | None = None,
    ) -> RetrievalTask:
        """Make a task from rows with the fields of ``QUERY_COLUMNS`` and so on; ``languages``: default those that occur."""
        parts = {}
        for (part, columns), rows in zip(_PARTS.items(), (queries, candidates, relevance)):
            parts[part] = tables.from_rows(rows, columns, lambda index, part=part: f"{name}, {part}, row {index + 1}")
        if languages is None:
            seen = pa.chunked_array(
                [chunk for part in ("queries", "candidates") for chunk in parts[part].column("language").chunks],
                type=pa.string(),
            )
            languages = sorted(pc.unique(seen).to_pylist())
        return cls(name, tuple(languages), **parts)

    @classmethod
    def from_corpus(cls, corpus: ParallelCorpus, name: str, distractors: ParallelCorpus | None = None) -> RetrievalTask:
        """Ask every query of a corpus against all its passages (and those of ``distractors``).

        A candidate is a distinct (language, passage); relevant are the passages of the query's own group, one a language.
        """
        candidates: dict[tuple[str, str], dict] = {}
        for part in (corpus, distractors) if distractors is not None else (corpus,):
            for row in part.table.select(["group_id", "language", "passage"]).to_pylist():
                key = (row["language"], row["passage"])
                # Two corpora may give the same ids to different groups.
                candidate_id = f"{row['group_id']}@{row['language']}{'' if part is corpus else ' (distractor)'}"
                candidates.setdefault(key, {"candidate_id": candidate_id, "language": key[0], "text": key[1]})
        rows = corpus.table.to_pylist()
        answers: dict[str, list[str]] = {}
        for row in rows:
            answer = candidates[row["language"], row["passage"]]["candidate_id"]
            answers.setdefault(row["group_id"], []).append(answer)
        query_ids = [f"{row['group_id']}@{row['language']}" for row in rows]
        return cls.from_rows(
            name,
            (
                {"query_id": query_id, "group_id": row["group_id"], "language": row["language"], "text": row["query"]}
                for query_id, row in zip(query_ids, rows)
            ),
            candidates.values(),
            (
                {"query_id": query_id, "candidate_id": answer}
                for query_id, row in zip(query_ids, rows)
                for answer in answers[row["group_id"]]
            ),
        )

    @classmethod
    def read(cls, folder: str | Path) -> RetrievalTask:
        """Read a folder with ``task.json`` (name, languages) and the tables ``queries``, ``candidates``, ``relevance``."""
        folder = Path(folder)
        settings = records.read_task_settings(folder / "task.json")
        parts: dict[str, pa.Table] = {}
        places: dict[str, tables.Where] = {"languages": lambda index: f"{folder / 'task.json'}"}
        for part, columns in _PARTS.items():
            found = [
                path for ending in (".jsonl", ".jsonl.gz", ".parquet") if (path := folder / f"{part}{ending}").is_file()
            ]
            if len(found) != 1:
                raise ValueError(f"{folder}: {len(found)} files for {part!r}: keep one of {part}.jsonl, .jsonl.gz, .parquet")
            parts[part], places[part] = tables.read(found[0], columns)
        return cls(settings["name"], tuple(settings["languages"]), **parts, places=places)

    def write(self, folder: str | Path, ending: str = ".jsonl") -> None:
        """Write the task as a folder in the form that ``read`` reads; ``ending`` is ``.jsonl`` or ``.parquet``."""
        folder = Path(folder)
        for part in _PARTS:
            tables.write(getattr(self, part), folder / f"{part}{ending}")
        with whole_file(folder / "task.json") as partial:
            partial.write_text(json.dumps({"name": self.name, "languages": list(self.languages)}) + "\n", encoding="utf-8")

    def sample(self, n_groups: int, n_candidates: int, seed: int = 0) -> RetrievalTask:
        """A smaller task, chosen by hashes: queries of ``n_groups`` groups, what is relevant, ``n_candidates`` in all."""
        groups = pc.unique(self.queries.column("group_id")).to_pylist()
        chosen = pa.array(sorted(groups, key=lambda group: stable_fraction(group, seed))[:n_groups], pa.string())
        queries = self.queries.filter(pc.is_in(self.queries.column("group_id"), value_set=chosen))
        kept = pc.is_in(self.relevance.column("query_id"), value_set=queries.column("query_id").combine_chunks())
        relevance = self.relevance.filter(kept)
        relevant = set(relevance.column("candidate_id").to_pylist())
        others = [name for name in self.candidates.column("candidate_id").to_pylist() if name not in relevant]
        others = sorted(others, key=lambda name: stable_fraction(name, seed))[: max(0, n_candidates - len(relevant))]
        names = pa.array([*relevant, *others], pa.string())
        candidates = self.candidates.filter(pc.is_in(self.candidates.column("candidate_id"), value_set=names))
        return RetrievalTask(self.name, self.languages, queries, candidates, relevance)

    @cached_property
    def query_language(self) -> np.ndarray:
        """Language of each query as an index into ``languages``, shape (n_queries,), int32."""
        return tables.codes(self.queries.column("language"), self.languages)

    @cached_property
    def candidate_language(self) -> np.ndarray:
        """Language of each candidate as an index into ``languages``, shape (n_candidates,), int32."""
        return tables.codes(self.candidates.column("language"), self.languages)

    @cached_property
    def own_candidate(self) -> np.ndarray:
        """The candidate that is the query itself and never ranked for it, as an index, -1 for none, (n_queries,), int64."""
        return own_candidates(self)

    @cached_property
    def relevant_pairs(self) -> np.ndarray:
        """Rows (query index, candidate index, grade), sorted by query then candidate, shape (n_relevant, 3), int64."""
        queries = tables.codes(self.relevance.column("query_id"), self.queries.column("query_id").to_pylist())
        candidates = tables.codes(self.relevance.column("candidate_id"), self.candidates.column("candidate_id").to_pylist())
        pairs = np.stack([queries, candidates, self.relevance.column("grade").to_numpy()], axis=1).astype(np.int64)
        return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def _check_relevance(task: RetrievalTask, where: dict[str, tables.Where]) -> None:
    for column, table in (("query_id", task.queries), ("candidate_id", task.candidates)):
        known = table.column(column).combine_chunks()
        tables.refuse_unknown(task.relevance, column, known, where["relevance"], "add it to the task or drop the row")
    tables.refuse_duplicates(task.relevance, ["query_id", "candidate_id"], where["relevance"])
    low = pc.index(pc.less(task.relevance.column("grade"), 1), True).as_py()
    if low >= 0:
        raise ValueError(
            f"{where['relevance'](low)}: grade {task.relevance.column('grade')[low]} is below 1: "
            "leave candidates that are not relevant out"
        )
    tables.refuse_unknown(
        task.queries,
        "query_id",
        pc.unique(task.relevance.column("query_id")),
        where["queries"],
        "no relevant candidate: add one to the relevance table, or drop the query",
    )


def _refuse_malformed_languages(table: pa.Table, where: tables.Where) -> None:
    tags = filter(is_tag, pc.unique(table.column("language")).to_pylist())
    tables.refuse_unknown(table, "language", list(tags), where, _TAG_REMEDY)
