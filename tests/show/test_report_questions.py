"""The best and worst questions of a report, its tables and lists for other programs, when and by what it was made."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from test_report import HOSTILE, _about, _Page, _results
from test_results import made_task

from kit.compare.results import Results
from kit.core.records import parse
from kit.data.corpus import RetrievalTask
from kit.evaluate.evaluator import evaluate_embeddings
from kit.evaluate.shards.trec import read_run
from kit.run.cli import commands
from kit.run.settings import FLAT, Settings
from kit.show import report
from kit.show.plots import difference_forest
from kit.show.report import exports, origin, words
from kit.show.report.page import OF_STUDIES
from kit.show.report.questions import LONGEST, Extremes, extremes
from kit.train.config import unread

ARABIC = "ما عملة اليابان؟"


def _task(n_groups: int = 3) -> RetrievalTask:
    """Questions in Arabic and English with an answer in each; the first is hostile, the last answer is long."""
    keys = [(group, tag) for group in range(n_groups) for tag in ("ar", "en")]
    texts = {"ar": ARABIC, "en": HOSTILE}
    return RetrievalTask.from_rows(
        "asked",
        [
            {"query_id": f"q{group}{tag}", "group_id": f"g{group}", "language": tag, "text": texts[tag]}
            for group, tag in keys
        ],
        [
            {"candidate_id": f"c{group}{tag}", "language": tag, "text": f"{group}{tag}" + " long" * 99 * (group == 2)}
            for group, tag in keys
        ],
        [{"query_id": f"q{group}{tag}", "candidate_id": f"c{group}{one}"} for group, tag in keys for one in texts],
    )


def _found(task: RetrievalTask, *wrong: int) -> Results:
    """A model that puts each query's own candidate first, but for some queries, which have the order of the pool turned."""
    queries, candidates = np.eye(len(task.queries), dtype=np.float32), np.eye(len(task.candidates), dtype=np.float32)
    for group in range(len(queries) // 2):
        queries[2 * group : 2 * group + 2, 2 * group : 2 * group + 2] += np.float32(0.5)
    queries[list(wrong)] *= -1
    return Results({"mine": [evaluate_embeddings(queries, candidates, task, "mine")]})


class TestExtremes:
    def test_by_hand(self):
        """Query 5, of the third group, turned around, has its answers at ranks 5 and 6: (1/5 + 2/6) / 2."""
        task = _task()
        found = parse(json.dumps(extremes(_found(task, 5), task)), Extremes)
        assert ([one.query_id for one in found.best], [one.query_id for one in found.worst]) == (["q0ar"], ["q2en"])
        listed = found.worst[0].lists["mine"]
        assert (listed.average_precision, listed.best_rank, listed.worst_rank) == (pytest.approx(4 / 15), 5, 6)
        assert [hit.is_answer for hit in listed.top] == [False] * 4 + [True] * 2
        assert listed.top[5].text[:3] == "2en" and len(listed.top[5].text) == LONGEST and listed.top[5].text.endswith("…")
        assert found.worst[0].answer.language == found.worst[0].question.language == "en"
        assert [hit.text for hit in found.best[0].lists["mine"].top[:2]] == ["0ar", "0en"]

    def test_a_group_stands_there_once(self):
        task = _task(6)
        found = extremes(_found(task, 4, 5, 6, 7), task)
        assert [one["query_id"][:2] for one in found["worst"][:2]] == ["q2", "q3"]
        assert len({one["query_id"][:2] for one in found["worst"]}) == len(found["worst"]) == 3

    def test_the_list_of_the_pool_is_that_of_the_ranks(self):
        task = _task()
        ((run,),) = _found(task, 3).evaluations.values()
        lists, rows = run.top_candidates(), run.per_query.to_pylist()
        best = {row["query_id"]: row["best_rank"] for row in rows if row["candidate_language"] == "*"}
        right = {(row["query_id"], row["candidate_id"]) for row in task.relevance.to_pylist()}
        assert set(lists) == set(best)
        for query, ids in lists.items():
            assert 1 + next(at for at, one in enumerate(ids) if (query, one) in right) == best[query]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    task = _task()
    results = _found(task, 5)
    told = report.about("audit", "asked", results, task, "x", {}, {}, duration_s=125)
    return report.write_run(told, results, folder=tmp_path_factory.mktemp("asked") / "asked")


class TestPage:
    def test_questions_are_escaped_and_find_their_direction(self, folder):
        page = _Page(folder / "index.html")
        assert ARABIC in page.text and HOSTILE.replace("\u202e", "⟨U+202E⟩") in page.text
        assert {"dir": "auto", "lang": "ar"} in [attrs for tag, attrs in page.elements if tag == "span"]
        assert "answers from rank 5 to 6" in page.text and page.text.count("✓") >= 4

    def test_when_by_what_and_in_what_time(self, folder):
        page, made = _Page(folder / "index.html"), json.loads((folder / "metrics.json").read_text())["about"]["made"]
        assert made["duration"] == "2 min 5 s" and re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", made["date"])
        assert f"kit {made['kit']}" in page.text and "took 2 min 5 s" in page.text

    def test_of_a_training_it_is_the_time_of_its_updates(self, tmp_path):
        task = _task()
        told = report.about("training", "run", _found(task, 5), task, "x", Settings().flat(), {}, duration_s=4)
        page = _Page(report.write_run(told, _found(task, 5), folder=tmp_path / "run") / "index.html")
        assert "training took 4 s" in page.text

    def test_the_weakest_language_and_pair_in_words(self, folder):
        text = " ".join(_Page(folder / "index.html").text.split())
        assert "mine is weakest with questions in English (multilingual mAP" in text
        (sentence,) = words.weakest(Results.read(folder), "mine")
        assert sentence.names == ("mine", "English", "English", "Arabic")  # its answers stand last in either language
        assert "(multilingual mAP 0.756, mean over languages 0.878)" in sentence.text  # (1 + 1 + 4/15) / 3

    def test_a_report_of_an_earlier_version_is_drawn_without_what_it_lacks(self, folder, tmp_path):
        old = shutil.copytree(folder, tmp_path / "old")
        (old / "questions.json").unlink()
        told = json.loads((old / "metrics.json").read_text())
        del told["about"]["made"]
        (old / "metrics.json").write_text(json.dumps(told))
        table = pq.read_table(old / "per_query.parquet")
        pq.write_table(table.drop_columns(["top_candidates"]), old / "per_query.parquet")
        page = _Page(report.write_pages(old))
        assert ARABIC not in page.text and "--trec" not in page.text and "by-pair" in page.tables
        with pytest.raises(ValueError, match="results of 'mine' have no lists, as an earlier version left them"):
            report.run_lists(old)

    def test_damaged_questions_are_one_clear_error(self, folder, tmp_path):
        broken = shutil.copytree(folder, tmp_path / "broken")
        (broken / "questions.json").write_text('{"best": []}')
        with pytest.raises(ValueError, match=r"questions\.json: worst is missing: make the run again"):
            report.write_pages(broken)


class TestExports:
    def test_scores_in_full(self, folder):
        with (folder / "tables" / "scores.csv").open(encoding="utf-8", newline="") as file:
            rows = {row["measure"]: row for row in csv.DictReader(file)}
        metrics = json.loads((folder / "metrics.json").read_text())
        assert float(rows["multi mAP"]["mean"]) == metrics["headline"]["mine"]["multi mAP"][0]
        assert float(rows["multi mAP"]["low"]) == metrics["models"]["mine"]["intervals"]["multi mAP"]["low"]
        assert "differences.csv" not in {path.name for path in (folder / "tables").iterdir()}  # of one model

    def test_languages_by_their_tags(self, folder):
        with (folder / "tables" / "by-pair.csv").open(encoding="utf-8", newline="") as file:
            pairs = [(row["query language"], row["candidate language"]) for row in csv.DictReader(file)]
        assert pairs == [("ar", "ar"), ("ar", "en"), ("en", "ar"), ("en", "en")]

    def test_latex(self, tmp_path):
        results = _results({"50 % of a_b": "right", "other": "own first"})
        written = report.write_run(_about("audit", "mine", results), results, folder=tmp_path / "mine")
        text = (written / "tables" / "tables.tex").read_text(encoding="utf-8")
        assert text.count(r"\begin{tabular}") == text.count(r"\bottomrule") == 3 and r"50 \% of a\_b & " in text
        assert not re.search(r"(?<!\\)[%_](?! \\usepackage| headline| bias| differences)", text) and r"\textbf{" in text
        assert exports.escaped(r"\~{x}") == r"\textbackslash{}\textasciitilde{}\{x\}"

    def test_lists_as_a_run_of_trec(self, folder, monkeypatch, capsys):
        assert commands.main(["report", str(folder), "--trec"]) == 0
        path = folder / "runs" / "mine.trec"
        assert str(path) in capsys.readouterr().out
        ((run,),) = Results.read(folder).evaluations.values()
        assert read_run(path).passage_ids == run.top_candidates()
        shutil.rmtree(folder / "runs")

    def test_models_whose_files_would_be_one(self, tmp_path):
        results = _results({"a b": "right", "a-b": "right"})
        with pytest.raises(ValueError, match=r"two models would be written to a-b\.trec: give them labels"):
            exports.write_lists(results, tmp_path)


class TestMade:
    def test_the_commit_of_a_checkout(self, tmp_path, monkeypatch):
        def git(*words: str) -> str:
            options = ["-c", "user.name=a", "-c", "user.email=a@b"]
            return subprocess.run(["git", "-C", str(tmp_path), *options, *words], capture_output=True, text=True).stdout

        monkeypatch.setattr(origin.kit, "__file__", str(tmp_path / "kit" / "__init__.py"))
        assert "commit" not in origin.made()
        git("init", "-q")
        (tmp_path / "file").write_text("a")
        git("add", ".")
        git("commit", "-qm", "first")
        commit = git("rev-parse", "--short", "HEAD").strip()
        assert origin.made()["commit"] == commit
        (tmp_path / "file").write_text("b")
        assert origin.made()["commit"] == f"{commit} and changes"


def test_one_task_is_not_asked_to_have_ten():
    task = made_task("de")
    vectors = np.eye(len(task.queries), dtype=np.float32)
    results = Results({"a": [evaluate_embeddings(vectors, vectors, task, "a")]})
    assert len(extremes(results, task)["best"]) == 1


def test_only_settings_that_a_run_used_are_shown(tmp_path):
    used = {"encoder": "static", "updates": 50, "dimension": 8, "dropout": 0.1}
    given = used | {"rank": 32, "alphas": [0.5], "max_tokens": 0, "trim_vocabulary": False}
    results = _results({"X-Y": "right"})
    folder = report.write_run(_about("training", "mine", results, settings=given), results, folder=tmp_path / "mine")
    shown = [row[0] for row in _Page(folder / "index.html").tables["facts"]]
    assert set(used) <= set(shown) and not (set(given) - set(used)) & set(shown)
    assert json.loads((folder / "metrics.json").read_text())["about"]["settings"] == given


def test_settings_of_studies_are_those_of_no_other_part():
    parts = ("mixture", "domains", "synthetic", "mining")
    assert set(OF_STUDIES) == {"tests"} | {name for name, (part, _) in FLAT.items() if part in parts}


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"encoder": "tiny"}, {"rank", "head", "dropout", "trust_remote_code", "trim_vocabulary"}),
        ({"encoder": "head:m", "head": "low-rank"}, {"dimension", "vocabulary_size", "dropout"}),
        ({"seed": 0}, set()),
    ],
)
def test_settings_that_have_no_part_in_a_recipe(settings, named):
    assert unread(settings) == named


class TestForest:
    def test_points_bars_and_marks(self):
        results = _results({"a": "right", "b": "own first"})
        differences = results.differences()
        figure = difference_forest(differences)
        points = [trace for trace in figure.data if trace.error_x.array is not None]
        assert [trace.x[0] for trace in points] == [one.compared.overall.difference for one in differences]
        ends = [one.compared.overall.low for one in differences]
        assert [trace.x[0] - trace.error_x.arrayminus[0] for trace in points] == pytest.approx(ends, nan_ok=True)
        assert {trace.marker.symbol for trace in points} == {"circle-open"}  # two question groups prove nothing
        assert {trace.marker.symbol for trace in difference_forest(differences, 1.1).data} == {"circle"}
        assert "b differs by more than chance in 0 of" in figure.layout.meta["alt"]

    def test_differences_from_two_models_are_refused(self):
        results = _results({"a": "right", "b": "own first"})
        with pytest.raises(ValueError, match=r"differences are from 2 models: give those .*from one of them"):
            difference_forest([*results.differences("a"), *results.differences("b")])
