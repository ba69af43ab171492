"""Parallel groups from a corpus in one language, paraphrases by way of another, mixtures of real and synthetic.

Tests whose questions are translated by a machine. They are noisy: a wrong translation counts against the retriever.
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from kit.augment.translator import Translator
from kit.core.files import alone, whole_folder
from kit.core.fingerprints import fingerprint
from kit.core.paths import cache, root
from kit.core.seeding import stable_fraction
from kit.data.corpus import ParallelCorpus, RetrievalTask

SYNTHETIC = "synthetic"
"""Source of the rows that ``synthetic_groups`` makes."""

BACK_TRANSLATED = "back-translated"
"""Source of the rows that ``back_translate`` makes."""

FIELDS = ("query", "passage")


def synthetic_groups(
    corpus: ParallelCorpus, translator: Translator, targets: Sequence[str], fields: Sequence[str] = ("query",)
) -> ParallelCorpus:
    """Make parallel groups from a corpus in one language: each row is joined by one row for each target language.

    A new row has the group, cluster and domain of its original, the target as language, the source ``synthetic`` and the
    given fields translated. What is not translated stays as it is: by default a row holds a translated query and the
    original passage (with its negatives), which is what cross-lingual training needs, and its language is that of the query.
    Such rows are for training; a ``RetrievalTask.from_corpus`` of them would file the original passages under the wrong
    language. With ``passage`` the negatives are translated too.

    Args:
        corpus: rows in one language.
        targets: tags of other languages, each once; at least one.
        fields: ``query``, ``passage`` or both.

    Returns:
        The original rows, each followed by its translations in the order of ``targets``. A row with a blank translation is
        left out and warned of.

    Raises:
        ValueError: several languages in the corpus, no target, a target that is the corpus's language or stands twice, an
            unknown field, or a pair that the translator does not know.
    """
    source = source_language(corpus, targets)
    _check_fields(fields)
    rows = corpus.table.to_pylist()
    whole = translated_rows(rows, translator, source, targets, fields)
    n_rows = len(rows) * (1 + len(targets))
    if len(whole) < n_rows:
        warnings.warn(f"{n_rows - len(whole)} of {n_rows} rows have a blank translation and are left out", stacklevel=2)
    return ParallelCorpus.from_rows(whole, f"{corpus.name} (translated)")


def source_language(corpus: ParallelCorpus, targets: Sequence[str]) -> str:
    """The language of a corpus that is to be translated into others.

    Raises:
        ValueError: several languages in the corpus, no target, a target that is the corpus's language or stands twice.
    """
    if len(corpus.languages) > 1:
        raise ValueError(
            f"corpus {corpus.name} is in {', '.join(corpus.languages)}: select one (corpus.select(languages=['en']))"
        )
    source = next(iter(corpus.languages))
    if isinstance(targets, str) or not targets or len(set(targets)) < len(targets):
        raise ValueError(f"targets is {targets!r}: give a list of at least one language, each once")
    if source in targets:
        raise ValueError(f"targets {list(targets)} hold {source!r}, the language of the corpus: leave it out")
    return source


def translated_rows(
    rows: list[dict], translator: Translator, source: str, targets: Sequence[str], fields: Sequence[str]
) -> list[dict]:
    """Rows of a corpus, each followed by its translations, as in ``synthetic_groups``; none with a blank text."""
    translated = {target: _translated(rows, translator, source, target, fields) for target in targets}
    made = [
        row for index, original in enumerate(rows) for row in (original, *(translated[target][index] for target in targets))
    ]
    return [row for row in made if row["query"].strip() and row["passage"].strip() and all(map(str.strip, row["negatives"]))]


def _check_fields(fields: Sequence[str]) -> None:
    if isinstance(fields, str) or not fields or set(fields) - set(FIELDS):
        raise ValueError(f"fields is {fields!r}: give a list of 'query', 'passage' or both")


def _translated(rows: list[dict], translator: Translator, source: str, target: str, fields: Sequence[str]) -> list[dict]:
    """The rows in another language; all texts go to the translator at once, so that it can sort them by length."""
    texts = [row[field] for field in fields for row in rows]
    if "passage" in fields:
        texts += [text for row in rows for text in row["negatives"]]
    made = iter(translator.translate(texts, source, target))
    found = [row | {"language": target, "source": SYNTHETIC} for row in rows]
    for field in fields:
        for row in found:
            row[field] = next(made)
    if "passage" in fields:
        for row in found:
            row["negatives"] = [next(made) for _ in row["negatives"]]
    return found


def back_translate(corpus: ParallelCorpus, translator: Translator, via: str) -> ParallelCorpus:
    """Add paraphrases: every query is translated into another language and back.

    A paraphrase is a new row with the passage, cluster, domain and language of its original, the source ``back-translated``
    and the group ``<group> (via <language>)``: the rows of one group give one new group. Sharing the cluster, original and
    paraphrase never are each other's negatives. Queries that are in the language ``via``, that come back as they were or
    come back blank give none.

    Returns:
        The rows of the corpus, then the new ones.

    Raises:
        ValueError: there is no paraphrase at all, or the translator does not know a pair.
    """
    rows = corpus.table.to_pylist()
    paraphrases: dict[int, str] = {}
    for language in corpus.languages:
        if language == via:
            continue
        indices = [index for index, row in enumerate(rows) if row["language"] == language]
        there = translator.translate([rows[index]["query"] for index in indices], language, via)
        paraphrases.update(zip(indices, translator.translate(there, via, language)))
    new = [
        row | {"query": query, "group_id": f"{row['group_id']} (via {via})", "source": BACK_TRANSLATED}
        for index, row in enumerate(rows)
        if (query := paraphrases.get(index, "").strip()) and query != row["query"].strip()
    ]
    if not new:
        raise ValueError(f"via is {via!r}: no query came back in other words: choose another language")
    return ParallelCorpus.from_rows(rows + new, f"{corpus.name} (with paraphrases)")


def join(name: str, *corpora: ParallelCorpus) -> ParallelCorpus:
    """Rows of several corpora as one, such as real ones and what was made of them; clusters stay as they are.

    Raises:
        ValueError: a (group, language) stands in two of them.
    """
    return ParallelCorpus(pa.concat_tables([corpus.table for corpus in corpora]), name)


def mix(real: ParallelCorpus, synthetic: ParallelCorpus, share: float, seed: int = 0) -> ParallelCorpus:
    """A corpus with a given share of synthetic groups, of the same number of groups whatever the share.

    It has ``n = min(n_real, n_synthetic)`` groups, ``round(share * n)`` of them synthetic. Groups are ordered by a hash of
    id and seed; synthetic ones are taken from the front, real ones from the back. So a larger share keeps the synthetic
    groups of a smaller one, and if both corpora have the same group ids, each group is there once, real or synthetic.

    Args:
        share: from 0 (all real) to 1 (all synthetic).

    Raises:
        ValueError: ``share`` is out of range; or a group was drawn from both, which can happen only if the corpora have some
            groups in common and each has others as well.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share is {share}: choose a number from 0 to 1")
    n_groups = min(len(real.group_ids), len(synthetic.group_ids))
    n_synthetic = round(share * n_groups)
    front = _ordered(synthetic, seed)[:n_synthetic]
    ordered = _ordered(real, seed)
    back = ordered[len(ordered) - (n_groups - n_synthetic) :]
    if both := sorted(set(front) & set(back)):
        raise ValueError(
            f"group {both[0]!r} would be both real and synthetic: give corpora of the same groups, or of different ones"
        )
    parts = [
        corpus.table.filter(pc.is_in(corpus.table.column("group_id"), value_set=pa.array(chosen, pa.string())))
        for corpus, chosen in ((real, back), (synthetic, front))
    ]
    return ParallelCorpus(pa.concat_tables(parts), f"{real.name}, {share:.0%} synthetic")


def _ordered(corpus: ParallelCorpus, seed: int) -> list[str]:
    return sorted(corpus.group_ids, key=lambda group: (stable_fraction(group, seed), group))


def translated_task(
    task: RetrievalTask, translator: Translator, targets: Sequence[str], source: str | None = None
) -> RetrievalTask:
    """Ask the questions of a task in other languages, of the same passages: a synthetic test across languages.

    The original questions are not in it, nor are candidates that are not in a language of a question. A translated question
    keeps its group, so that it is known to be the same question; its id is ``<id> (<target>)``. A blank translation leaves
    the question out, with a warning: it is as hard as no question.

    Args:
        task: whose questions are translated; each into every target but its own language.
        targets: tags, each once; at least one.
        source: only questions in this language; ``None``: in any.

    Raises:
        ValueError: no target, one twice, or no question left; a pair that the translator does not know.
    """
    if isinstance(targets, str) or not targets or len(set(targets)) < len(targets):
        raise ValueError(f"targets is {targets!r}: give a list of at least one language, each once")
    asked = [row for row in task.queries.to_pylist() if source in (None, row["language"])]
    queries, n_blank, origin = [], 0, {}
    for language in sorted({row["language"] for row in asked}):
        own = [row for row in asked if row["language"] == language]
        for target in targets:
            if target == language:
                continue
            made = translator.translate([row["text"] for row in own], language, target)
            for row, text in zip(own, made):
                n_blank += not text.strip()
                if text.strip():
                    query_id = f"{row['query_id']} ({target})"
                    origin.setdefault(row["query_id"], []).append(query_id)
                    queries.append(row | {"query_id": query_id, "language": target, "text": text})
    if not queries:
        raise ValueError(f"{task.name}: no question is left in {', '.join(targets)}: choose other targets or another source")
    if n_blank:
        warnings.warn(f"{n_blank} translated questions are blank and left out", stacklevel=2)
    languages = {row["language"] for row in asked}
    candidates = [row for row in task.candidates.to_pylist() if row["language"] in languages]
    known = {row["candidate_id"] for row in candidates}
    relevance = [
        row | {"query_id": query_id}
        for row in task.relevance.to_pylist()
        if row["candidate_id"] in known
        for query_id in origin.get(row["query_id"], ())
    ]
    return RetrievalTask.from_rows(f"{task.name}, translated questions (synthetic)", queries, candidates, relevance)


def keep_task(task: RetrievalTask) -> str:
    """Keep a task that was made here, such as a translated one, and name it as a source, so that every arm is judged on it.

    The folder is called by its content: the same task is kept once, and another one never takes its place.
    """
    parts = (task.queries, task.candidates, task.relevance)
    content = [task.name, list(task.languages), *(part.to_pylist() for part in parts)]
    folder = cache() / "tasks" / fingerprint(content)
    with alone(folder):
        if not (folder / "task.json").is_file():
            shutil.rmtree(folder, ignore_errors=True)  # half a folder of an earlier version of this function
            with whole_folder(folder) as partial:
                task.write(partial)
    return f"jsonl:{folder.relative_to(root()).as_posix()}"
