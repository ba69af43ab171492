"""Tasks of the kit as tasks of mteb, whose runner then scores any model on them, beside mteb's own tasks.

Trained models need nothing of this: they are plain sentence-transformers folders, and mteb looks for their prompts under the
names that they have, ``query`` and ``document``. mteb is an optional extra (``pip install -e '.[mteb]'``). It seeds the
generators of ``random``, NumPy and torch anew when it is imported and when a task is made.

The scores are those of ``kit.evaluate.evaluator`` and ``kit.evaluate.mining``, but for what mteb does in its own way: it
rounds most means of a subset to five digits, keeps 1,000 candidates of a list (``map_at_1000`` is mAP where there are no
more), strips candidates of white space at their ends, and orders equal scores by ids or places. Of a model with prompts for
types of tasks, such as ``Retrieval-query``, it takes those; the kit takes ``query`` and ``document``.

A candidate that is the query itself is left out by both. mteb's rule is equal ids (``ignore_identical_ids``), so that a
candidate that has the id of a query by chance gets another one; of several queries of one text, which share the candidate,
mteb leaves it out for the one that has its id.

Pass ``cache=None`` to ``mteb.evaluate``: its cache of results knows models by name, and those from folders share one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

from kit.data.bitext import BitextTask
from kit.data.corpus import RetrievalTask
from kit.evaluate.evaluation import SETTINGS

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset, DatasetDict
    from mteb.abstasks import AbsTask, AbsTaskRetrieval
    from mteb.abstasks.task_metadata import TaskType


def mteb_retrieval(task: RetrievalTask, setting: str = "monolingual") -> AbsTask:
    """Make an mteb task whose subsets are the cells of a setting, so that its score is the macro mean.

    Args:
        setting: ``monolingual``, with subsets called ``de``; ``cross-lingual``, called ``de-en`` for German queries; or
            ``multilingual``, called ``de`` for German queries and candidates of all languages.

    Returns:
        A task with its data, for ``mteb.evaluate``; its ``filter_languages`` chooses subsets. The main score is nDCG@10.

    Raises:
        ValueError: an unknown setting, or one without a cell, such as ``cross-lingual`` for a task in one language.

    >>> result = mteb.evaluate(model, mteb_retrieval(task), cache=None)[0]  # doctest: +SKIP
    >>> abs(result.get_score() - evaluate(model, task).summary()["monolingual"]["ndcg_at_10"]) < 1e-5  # doctest: +SKIP
    True
    """
    if setting not in SETTINGS:
        raise ValueError(f"setting {setting!r} is not known: choose from {', '.join(SETTINGS)}")
    from datasets import Dataset
    from mteb.abstasks import AbsTaskRetrieval

    def texts(table: pa.Table, ids: list[str], rows: np.ndarray) -> Dataset:
        return Dataset.from_dict({"id": [ids[row] for row in rows], "text": table.column("text").take(rows).to_pylist()})

    query_ids = task.queries.column("query_id").to_pylist()
    candidate_ids = _candidate_ids(task, query_ids)
    query_language = task.query_language[task.relevant_pairs[:, 0]]  # (n_relevant,)
    subsets, languages = {}, {}
    for asked, asked_tag in enumerate(("",) if setting == "multilingual" else task.languages):
        in_corpus = task.candidate_language == asked if asked_tag else np.ones(len(task.candidates), bool)
        corpus = texts(task.candidates, candidate_ids, np.flatnonzero(in_corpus))
        for asking, tag in enumerate(task.languages):
            pairs = task.relevant_pairs[(query_language == asking) & in_corpus[task.relevant_pairs[:, 1]]]
            if not len(pairs) or (asked_tag and (asking == asked) != (setting == "monolingual")):
                continue
            relevant: dict[str, dict[str, int]] = {}
            for query, candidate, grade in pairs.tolist():
                relevant.setdefault(query_ids[query], {})[candidate_ids[candidate]] = grade
            queries = texts(task.queries, query_ids, np.unique(pairs[:, 0]))
            tags = (tag, asked_tag) if setting == "cross-lingual" else (tag,)
            languages["-".join(tags)] = tags
            subsets["-".join(tags)] = dict(corpus=corpus, queries=queries, relevant_docs=relevant, top_ranked=None)
    if not subsets:
        raise ValueError(f"{task.name}: no query has a relevant candidate in setting {setting!r}: choose another one")
    made = _made(AbsTaskRetrieval, f"{task.name}-{setting}", "Retrieval", "ndcg_at_10", subsets, languages)
    cast("AbsTaskRetrieval", made).ignore_identical_ids = bool((task.own_candidate >= 0).any())
    return made


def _candidate_ids(task: RetrievalTask, query_ids: list[str]) -> list[str]:
    """Ids of the candidates; where mteb leaves equal ids out, only who is the query itself has the id of a query."""
    ids, own = task.candidates.column("candidate_id").to_pylist(), task.own_candidate.tolist()
    if max(own) < 0:
        return ids
    own_of = dict(zip(query_ids, own))
    return [f"{name} (candidate)" if own_of.get(name, index) != index else name for index, name in enumerate(ids)]


def mteb_bitext(task: BitextTask) -> AbsTask:
    """Make an mteb task that asks for the nearest target of each source sentence with gold, among all targets.

    Its ``accuracy`` and ``f1`` (the main score) are ``accuracy_forward`` and ``f1_forward`` of
    ``kit.evaluate.mining.scores.tatoeba``.

    Raises:
        ValueError: a source sentence has several partners, of which mteb could count one.
    """
    from mteb.abstasks import AbsTaskBitextMining

    source, target = task.gold_pairs.T
    if len(np.unique(source)) < len(source):
        raise ValueError(f"{task.name}: a source sentence has several partners: keep one, or use mine and score")
    texts, tags = task.texts("source"), (task.source_language, task.target_language)
    gold = list(enumerate(target.tolist()))
    subset = {"sentence1": [texts[row] for row in source], "sentence2": task.texts("target"), "gold": gold}
    return _made(AbsTaskBitextMining, task.name, "BitextMining", "f1", {"-".join(tags): subset}, {"-".join(tags): tags})


def _made(base: type[AbsTask], name: str, kind: TaskType, main_score: str, subsets: dict, languages: dict) -> AbsTask:
    """A task that has its data already, so that mteb loads none; mteb wants the metadata on the class."""
    from mteb import TaskMetadata

    metadata = TaskMetadata(
        name=name,
        description=f"{name} of kit",
        dataset={"path": name, "revision": "local"},  # read only to load or to publish the data
        eval_langs={subset: [_mteb_language(tag) for tag in tags] for subset, tags in languages.items()},
        type=kind,
        category="t2t",
        main_score=main_score,
    )
    task = type("KitTask", (base,), {"metadata": metadata})()
    task.dataset = cast("dict[str, DatasetDict]", {subset: {"test": data} for subset, data in subsets.items()})
    task.data_loaded = True
    return task


def _mteb_language(tag: str) -> str:
    """A tag in mteb's form, ISO 639-3 and script (``deu-Latn``); the tag itself where CLDR does not know both."""
    from babel.core import get_global
    from mteb.languages import ISO_TO_LANGUAGE

    language, *rest = tag.split("-")
    codes = [code for code, meant in get_global("language_aliases").items() if meant == language] + [language]
    known = [code for code in codes if code in ISO_TO_LANGUAGE]
    usual = [get_global("likely_subtags").get(key) for key in (tag.replace("-", "_"), language)]
    scripts = [part for part in rest if len(part) == 4] + [found.split("_")[1] for found in usual if found]
    if not known or not scripts:
        return tag
    return f"{min(known, key=lambda code: len(ISO_TO_LANGUAGE[code]))}-{scripts[0]}"  # Chinese, not Mandarin Chinese
