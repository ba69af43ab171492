"""Notebook 11's run: what is kept, whose scores are read, what is held against what, what is left."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from kit.compare.published import scores
from kit.compare.results import Results
from kit.core import paths
from kit.data.corpus import ParallelCorpus, RetrievalTask
from kit.evaluate.evaluator import evaluate_embeddings
from kit.run import Settings
from kit.run.studies import reproduction

ROWS = [
    {"group_id": f"g{number}", "language": tag, "query": f"{tag} {number}?", "passage": f"{tag} {number}."}
    for number in range(6)
    for tag in ("de", "zh")
]
CORPUS = ParallelCorpus.from_rows(ROWS, "wiki-qa")
TASK = RetrievalTask.from_corpus(CORPUS, "mlqa-r")


def evaluation(seed: int):
    random = np.random.default_rng(seed)
    embeddings = [random.normal(size=(len(table), 8)).astype(np.float32) for table in (TASK.queries, TASK.candidates)]
    return evaluate_embeddings(embeddings[0], embeddings[1], TASK, "made")


@pytest.fixture(scope="module")
def results() -> Results:
    return Results({name: [evaluation(number)] for number, name in enumerate(("X-X-mono", "X-Y", "Hybrid"))})


def training_data(train: tuple[str, ...], validation: str):
    """A task that is named leaves all rows to train on; else one group is held out."""
    return [CORPUS if validation else CORPUS.select(group_ids=CORPUS.group_ids[1:])], TASK


@pytest.fixture
def home(tmp_path, monkeypatch):
    for folder in ("notebooks", "data"):
        (tmp_path / folder).mkdir()
    shutil.copy(paths.root() / "data" / "paper.json", tmp_path / "data")
    monkeypatch.setenv("KIT_HOME", str(tmp_path))
    monkeypatch.setattr(reproduction, "load_test", lambda source: TASK)
    monkeypatch.setattr(reproduction, "training_data", training_data)
    return tmp_path


def test_a_run_is_kept_and_gathered_with_others(home, results):
    mine, other = Settings(run="mine"), Settings(run="another").changed(encoder="models/xlm-roberta-base")
    assert list(reproduction.gather(other, {"mlqa-r": results})) == ["another"]
    extra = scores.Score(encoder="static", data="MIRACL", setting="monolingual", language="sw", value=0.5)
    scores.write([extra], home / "reports" / "mine" / "11-scores-miracl.json")
    runs = reproduction.gather(mine, {"mlqa-r": results})
    assert list(runs) == ["mine", "another"]  # the run at hand first
    assert {one.data for one in runs["mine"]} == {"MIRACL", "MLQA-R", "WikiQA"}
    assert {one.encoder for one in runs["another"]} == {"XLM-R", ""}  # training sets are of no encoder
    assert list(reproduction.differences(runs, "LaBSE")) == [
        "run mine on MLQA-R (static); the paper: LaBSE on MLQA-R",
        "run another on MLQA-R (XLM-R); the paper: LaBSE on MLQA-R",
    ]


def test_rows_are_counted_as_they_are_trained_on(home):
    of_run = [reproduction.gather(Settings(run="mine").changed(validation=named), {})["mine"] for named in ("", "hub:it")]
    rows = [{one.language: one.value for one in found if one.measure == "rows"} for found in of_run]
    assert rows == [{"de": 5, "zh": 5}, {"de": 6, "zh": 6}]


def test_tables_say_whose_scores_they_hold_and_are_left(home, results):
    mine = Settings(run="mine").changed(encoder="models/xlm-roberta-base")
    tables = reproduction.all_tables(reproduction.gather(mine, {"mlqa-r": results}))
    assert tables[3].told == [
        "XLM-R on MLQA-R: run mine, 0 of 7 languages: scores within these only; "
        "no mean without ar, de, en, es, hi, vi, zh; of other sizes than the paper's: de, zh"
    ]
    assert tables[12].told[0] == "WikiQA: run mine" and not tables[11].is_missing
    assert list(reproduction.folded(tables, 4).tables) == [f"4 · {tables[3].table.name} ({tables[3].told[0]})"]
    assert reproduction.leave(mine, tables, "More.", {}) == ["11-figures", "11-scores.json", "11-tables.md"]
    text = (home / "reports" / "mine" / "11-tables.md").read_text(encoding="utf-8")
    assert text.startswith("# The paper's tables, and run mine\n\nAdel Elmahdy") and text.count("\n## ") == 13
    assert "- missing: LaBSE on XQuAD-R (`python -m kit run 11 --profile labse`)\n" in text


def test_a_test_that_is_not_the_papers_is_held_against_xquad_r_and_only_of_the_run_at_hand(home, results):
    own = [one.model_copy(update={"data": "mine"}) for one in scores.scores_of(results, "static", TASK)]
    found = reproduction.differences({"first": own, "second": own}, "XLM-R")
    assert list(found) == ["run first on mine (static); the paper: XLM-R on XQuAD-R"]


def test_every_test_is_judged_with_models_that_are_trained_once(monkeypatch):
    asked = []

    def missing(recipes, log):
        asked.append([one.data.test for one in recipes])

    monkeypatch.setattr(reproduction.pipeline, "evaluate_missing", missing)
    monkeypatch.setattr(reproduction.pipeline, "evaluate_all", lambda settings, log: settings.data.test)
    assert reproduction.run_tests(Settings().changed(tests=("a", "b"))) == {"a": "a", "b": "b"} and asked == [["a", "b"]]


def test_the_docs_judge_in_the_languages_of_the_papers_tables():
    text = (paths.root() / "docs" / "claims.md").read_text(encoding="utf-8")
    assert f"\n$ {reproduction.judge_command()}\n" in text
    languages = reproduction.judge_command().rpartition("=")[2].strip("'")
    assert f"\n$ python -m kit data get miracl --languages {languages}\n" in text and languages.count(",") == 14
