"""What a run leaves behind: strict JSON, figures, a page that needs nothing else, and how to make it again."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shlex
import shutil
from dataclasses import asdict, replace
from functools import cache
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from hypothesis import given, settings as examples, strategies as st
from test_results import made_evaluation, made_task

from kit.compare.paper import CLAIMS, NOT_TESTED, check_claims
from kit.compare.results import Results
from kit.core import paths
from kit.data.corpus import ParallelCorpus, RetrievalTask
from kit.data.overlaps import overlap
from kit.evaluate.bias.measures import PANEL
from kit.evaluate.evaluator import evaluate_embeddings
from kit.run.cli import commands
from kit.show import report
from kit.show.report import grids, page, words
from kit.train.history import History, headline

HOSTILE = "<script>alert(\"x\")</script> & 'friends' | {{ 7 * 7 }} \u202e"
SHOWN = HOSTILE.replace("\u202e", "⟨U+202E⟩")  # what a reader sees of it
LANGUAGES = "de en"  # two questions in two languages: their scores stand in test_results.SCORES


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """An empty project."""
    (tmp_path / "notebooks" / "params").mkdir(parents=True)
    (tmp_path / "notebooks" / "params" / "smoke.yaml").write_text("run: smoke\n")
    monkeypatch.setenv("KIT_HOME", str(tmp_path))
    return tmp_path


MADE = {"date": "2026-01-31 12:00 UTC", "kit": "0.0.1"}  # so that the same input gives the same bytes


def _results(models: dict[str, str], n_seeds: int = 1, languages: str = LANGUAGES, name: str = "made") -> Results:
    """Models by name, each the one of test_results that its value says."""
    return Results({label: [made_evaluation(kind, languages, name)] * n_seeds for label, kind in models.items()})


def _about(kind: str, run: str, results: Results, languages: str = LANGUAGES, name: str = "made", **more) -> dict:
    given = {"command": f"python -m kit {run}", "settings": {"seed": 0}, "checksums": {"jsonl:data": "0123abcd"}} | more
    return report.about(kind, run, results, made_task(languages, name), **given) | {"made": MADE}


HISTORIES = {
    (model, 0): History(
        [(1, 0.5)],
        [
            (
                10,
                {"mono": 0.5, "cross": 0.4, "multi": 0.3, "distance": 9.0}
                | {f"median rank {tag}": 2.0 for tag in ("de", "en")},
            )
        ],
    )
    for model in ("X-X-mono", "X-Y", "Hybrid")
}


def _train(folder: Path, languages: str = LANGUAGES, name: str = "made", run: str = "mine", **about) -> Path:
    """A training run of two seeds, with claims, histories and overlap."""
    results = _results({"X-Y": "right", "X-X-mono": "own first", "Hybrid": "right"}, 2, languages, name)
    row = {"group_id": "1", "language": "de", "query": name, "passage": "passage"}
    found = overlap(ParallelCorpus.from_rows([row], name), made_task(languages, name))
    told = _about("training", run, results, languages, name, overlaps=[found], **about)
    return report.write_run(told, results, check_claims(results), HISTORIES, folder)


def _audit(folder: Path, made: dict[str, str], **about) -> Path:
    results = _results(made)
    return report.write_run(_about("audit", folder.name, results, **about), results, folder=folder)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    return _train(tmp_path_factory.mktemp("trained") / "mine")


@pytest.fixture(scope="module")
def one_language(tmp_path_factory) -> Path:
    return _train(tmp_path_factory.mktemp("one_language") / "mine", "de")


@pytest.fixture(scope="module")
def audited(tmp_path_factory) -> Path:
    facts = {"good": {"prompts": "query: 'ask'"}}
    return _audit(tmp_path_factory.mktemp("audited") / "audit", {"good": "right", "greedy": "own first"}, models=facts)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory) -> Path:
    """Every text that a report can hold is hostile."""
    folder = tmp_path_factory.mktemp("hostile") / "audit"
    results = _results({HOSTILE: "right", "</script><img src=x>": "own first"}, name=HOSTILE)
    told = _about(
        "audit",
        HOSTILE,
        results,
        name=HOSTILE,
        command=HOSTILE,
        settings={HOSTILE: HOSTILE, "models": [HOSTILE]},
        checksums={HOSTILE: HOSTILE},
        overlaps=[HOSTILE],
        models={HOSTILE: {HOSTILE: HOSTILE}},
    )
    return report.write_run(told, results, folder=folder)


class _Page(HTMLParser):
    """Links, elements, scripts, texts and tables of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__(convert_charrefs=True)
        self.source = path.read_text(encoding="utf-8")
        self.links, self.elements, self.scripts, self.text, self.tables = [], [], [], "", {}
        self._open, self._rows = "", None
        self.feed(self.source)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.elements.append((tag, attrs))
        self.links += [attrs[name] for name in ("href", "src") if name in attrs]
        self._open = tag
        if tag == "table":
            self._rows = self.tables[attrs.get("id", attrs.get("class"))] = []
        elif tag == "tr":
            self._rows.append([])
        elif tag in ("td", "th"):
            self._rows[-1].append("")
        elif tag == "small":
            self._rows[-1][-1] += " | "
        elif tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        if tag in ("script", "style", "table"):
            self._open = ""
        if tag == "table":
            self._rows = None

    def handle_data(self, data):
        if self._open == "script":
            self.scripts[-1] += data
            return
        self.text += data
        if self._rows and self._rows[-1]:
            self._rows[-1][-1] += data.strip("\n")

    def tags(self) -> set[str]:
        return {tag for tag, _ in self.elements}

    def column(self, table: str, head: str) -> list[str]:
        """A column below the head of this name."""
        heads, *rows = self.tables[table]
        return [row[heads.index(head)] for row in rows]


@cache
def _read(folder: Path) -> _Page:
    """The page of a folder that does not change."""
    return _Page(folder / "index.html")


def _refuse(constant: str):
    raise AssertionError(f"{constant} is not JSON")


def _json(path: Path):
    return json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse)


class TestAbout:
    def test_what_is_told(self):
        results = _results({"good": "right"}, 2)
        told = _about("audit", "mine", results, overlaps=["none"], models={"good": {"dimensions": "4"}})
        assert {key: told[key] for key in ("run", "kind", "test", "languages", "n_queries", "n_candidates")} == {
            "run": "mine",
            "kind": "audit",
            "test": "made",
            "languages": ["de", "en"],
            "n_queries": 4,
            "n_candidates": 4,
        }
        assert (told["pool_counts"], told["n_seeds"]) == ({"de": 2, "en": 2}, {"good": 2})
        assert told["chance"]["rank_distance"] == pytest.approx(5 / 3)  # (4 + 1) (2 - 1) / (2 + 1)
        assert (told["overlap"], told["models"]) == (["none"], {"good": {"dimensions": "4"}})
        assert (told["checksums"], told["settings"]) == ({"jsonl:data": "0123abcd"}, {"seed": 0})
        assert {"torch", "babel"} <= set(told["versions"]) and {"cores", "GPU", "python"} <= set(told["machine"])

    def test_what_was_said_when_the_task_was_read(self, tmp_path):
        told = replace(made_task(LANGUAGES), notes=("2 of 9 candidates are blue",))
        results = _results({"good": "right"})
        about = report.about("audit", "mine", results, told, "", {}, {})
        assert about["notes"] == ["2 of 9 candidates are blue"]
        folder = report.write_run(about, results, folder=tmp_path / "mine")
        for file in ("index.html", "summary.md"):
            assert "2 of 9 candidates are blue." in (folder / file).read_text(encoding="utf-8")

    def test_the_same_keys_for_both_kinds(self):
        results = _results({"good": "right"})
        assert list(_about("audit", "mine", results)) == list(_about("training", "mine", results))

    def test_another_kind(self):
        with pytest.raises(ValueError, match="kind is 'comparison': choose 'training' or 'audit'"):
            _about("comparison", "mine", _results({"good": "right"}))

    def test_results_of_another_task(self):
        with pytest.raises(ValueError, match="task is 'other' but the results are of 'made'"):
            _about("audit", "mine", _results({"good": "right"}), name="other")

    def test_facts_of_a_model_that_is_not_there(self):
        with pytest.raises(ValueError, match="models has 'bad', which was not evaluated: choose from good"):
            _about("audit", "mine", _results({"good": "right"}), models={"bad": {}})


FILES = {"metrics.json", "per_query.parquet", "questions.json", "figures", "tables", "index.html", "summary.md"}


class TestWriteRun:
    def test_files_of_a_training_run(self, trained):
        assert {path.name for path in trained.iterdir()} == FILES | {"claims.json", "training.json"}

    def test_files_of_an_audit(self, audited):
        assert {path.name for path in audited.iterdir()} == FILES

    def test_stands_in_reports_unless_told_otherwise(self, home):
        results = _results({"good": "right"})
        assert report.write_run(_about("audit", "mine", results), results) == home / "reports" / "mine"

    def test_what_an_earlier_run_wrote_goes(self, trained, tmp_path):
        folder = shutil.copytree(trained, tmp_path / "mine")
        for name in ("old.html", "plotly.min.js", "old.png"):
            (folder / "figures" / name).touch()
        (folder / "notebooks").mkdir()
        (folder / "notebooks" / "04_evaluate.ipynb").touch()
        _audit(folder, {"good": "right"})
        assert {path.name for path in folder.iterdir()} == FILES | {"notebooks"}
        assert {path.suffix for path in (folder / "figures").iterdir()} == {".json"}
        assert not (folder / "figures" / "training.json").exists()

    @pytest.mark.parametrize("file", ["metrics.json", "claims.json", "training.json"])
    def test_no_nan_in_json(self, trained, one_language, file):
        _json(trained / file)
        _json(one_language / file)

    def test_claims(self, trained):
        assert [finding["claim"] for finding in _json(trained / "claims.json")] == [claim.text for claim in CLAIMS]

    def test_histories(self, trained):
        assert _json(trained / "training.json")[0] == {"model": "X-X-mono", "seed": 0} | json.loads(
            json.dumps(asdict(HISTORIES["X-X-mono", 0]))
        )

    def test_a_training_run_is_compared_with_monolingual_batches(self, trained):
        metrics = _json(trained / "metrics.json")
        assert list(metrics["models"]) == ["X-X-mono", "X-Y", "Hybrid"]
        assert {one["second"] for one in metrics["differences"]} == {"X-X-mono"}

    def test_an_audit_is_compared_with_its_first_model(self, tmp_path):
        folder = _audit(tmp_path / "audit", {"X-Y": "right", "X-X-mono": "own first"})
        assert list(_json(folder / "metrics.json")["models"]) == ["X-Y", "X-X-mono"]


class TestFigures:
    def test_all_of_them(self, trained):
        results, about = Results.read(trained), _json(trained / "metrics.json")["about"]
        assert list(report.figures(results, about, HISTORIES)) == [
            "settings",
            "panel",
            "differences",
            "pairs",
            "pair_differences-1",
            "pair_differences-2",
            "language_flow",
            "rank_distances",
            "version_ladder",
            "list_agreement",
            "training",
            "film",
        ]

    def test_histories_without_ranks_by_language_give_no_film(self, trained):
        results, about = Results.read(trained), _json(trained / "metrics.json")["about"]
        histories = {key: History(run.loss, [(10, headline(run.scores[0][1]))]) for key, run in HISTORIES.items()}
        drawn = report.figures(results, about, histories)
        assert "training" in drawn and "film" not in drawn

    def test_histories_that_share_no_update_give_no_film(self, trained):
        """As those of two runs may, that were validated at other times."""
        results, about = Results.read(trained), _json(trained / "metrics.json")["about"]
        later = lambda run: History(run.loss, [(update + 1, scores) for update, scores in run.scores])
        first = next(iter(HISTORIES))[0]
        histories = {key: later(run) if key[0] == first else run for key, run in HISTORIES.items()}
        drawn = report.figures(results, about, histories)
        assert "training" in drawn and "film" not in drawn

    def test_one_model_has_no_differences_and_an_audit_no_training(self):
        results = _results({"good": "right"})
        drawn = report.figures(results, _about("audit", "mine", results))
        assert not {"training", "pair_differences-1"} & set(drawn) and "pairs" in drawn

    def test_one_language(self):
        results = _results({"good": "right", "other": "right"}, languages="de")
        assert list(report.figures(results, _about("audit", "mine", results, "de"))) == ["settings", "differences"]

    def test_agreement_that_was_not_measured(self):
        task, embeddings = made_task(), np.eye(4, dtype=np.float32)
        results = Results({"good": [evaluate_embeddings(embeddings, embeddings, task, "good", n_agreement_groups=0)]})
        assert "list_agreement" not in report.figures(results, _about("audit", "mine", results))

    def test_answers_in_one_language_only(self):
        rows = [{"id": f"{tag}", "language": tag} for tag in ("de", "en")]
        task = RetrievalTask.from_rows(
            "made",
            [
                {"query_id": row["id"], "group_id": row["id"], "language": row["language"], "text": "question"}
                for row in rows
            ],
            [{"candidate_id": row["id"], "language": row["language"], "text": "passage"} for row in rows],
            [{"query_id": row["id"], "candidate_id": row["id"]} for row in rows],
        )
        embeddings = np.eye(2, dtype=np.float32)
        results = Results({"good": [evaluate_embeddings(embeddings, embeddings, task, "good")]})
        told = report.about("audit", "mine", results, task, "", {}, {})
        assert not {"rank_distances", "version_ladder", "list_agreement"} & set(report.figures(results, told))

    def test_every_one_is_described(self, trained):
        for path in (trained / "figures").iterdir():
            assert _json(path)["layout"]["meta"]["alt"], path.name


class TestPage:
    """Numbers by hand, of ``right`` and ``own first`` of test_results: mono and cross 1; pool 1 and (1 + 2/3) / 2; distance
    1 and 2."""

    def test_headline(self, audited):
        table = _read(audited).tables["headline"]
        assert table[0] == [
            "model",
            "mono mAP",
            "cross mAP",
            "multi mAP",
            "mono R@1",
            "cross R@1",
            "multi R@10",
            "rank distance",
        ]
        assert [row[:4] for row in table[1:]] == [
            ["good", "1.000 | 1.000 to 1.000 †", "1.000 | 1.000 to 1.000 †", "1.000 | 1.000 to 1.000 †"],
            ["greedy", "1.000 | 1.000 to 1.000 †", "1.000 | 1.000 to 1.000 †", "0.833 | 0.833 to 0.833 †"],
        ]
        assert [row[-1] for row in table[1:]] == ["1 | 1 to 1 †", "2 | 2 to 2 †"]

    def test_deviation_over_seeds(self, trained):
        assert _read(trained).column("headline", "multi mAP")[0] == "0.833 ± 0.000 | 0.833 to 0.833 †"

    def test_panel_says_chance_direction_and_who_was_left_out(self, audited):
        found = _read(audited)
        assert found.tables["bias-panel"][0] == ["model", *(measure.label for measure in PANEL)]
        assert found.column("bias-panel", "model") == ["good", "greedy", "random ranking", "direction", "queries left out"]
        assert found.column("bias-panel", "rank distance")[2:] == ["2", "lower is fairer", "0"]  # 5/3
        assert found.column("bias-panel", "own language first")[2:] == ["0.500", "chance is neutral", "0"]
        assert found.column("bias-panel", "list agreement")[3] == "higher is fairer"

    def test_a_model_may_be_called_chance(self, tmp_path):
        folder = _audit(tmp_path / "audit", {"chance": "right", "good": "own first"})
        # and not 2, which a random ranking has
        assert _Page(folder / "index.html").column("bias-panel", "rank distance")[:2] == ["1 | 1 to 1 †", "2 | 2 to 2 †"]

    def test_measures_are_explained(self, audited):
        text = _read(audited).text
        assert [one.label for one in PANEL for said in (one.formula, one.meaning, one.source) if said not in text] == []

    def test_differences(self, audited):
        found = _read(audited)
        rows = {row[0]: row[1:] for row in found.tables["differences-table"][1:]}
        assert rows["multi mAP"][:3] == ["greedy", "−0.167", "−0.167 to −0.167 †"]
        assert rows["mono mAP"][:3] == ["greedy", "0.000", "0.000 to 0.000 †"]
        assert rows["rank distance"][:2] == ["greedy", "+1"]
        assert len(rows) == 13 and "all 13 tests" in found.text

    def test_seeds_stand_in_the_differences_of_a_training_run(self, trained):
        seeds = _read(trained).column("differences-table", "same sign in seeds")
        assert set(seeds) == {"2 of 2", "0 of 2"}

    def test_one_model_has_nothing_to_compare(self, tmp_path):
        found = _Page(_audit(tmp_path / "audit", {"good": "right"}) / "index.html")
        assert "differences-table" not in found.tables and not [link for link in found.links if "differences" in link]

    def test_by_language(self, tmp_path):
        task = made_task()
        # German asks well everywhere, English finds nothing first: rows are queries q0-de q1-de q0-en q1-en, columns alike.
        scores = np.array(
            [[0.9, 0.1, 0.8, 0.2], [0.1, 0.9, 0.2, 0.8], [0.5, 0.6, 0.3, 0.4], [0.6, 0.5, 0.4, 0.3]], np.float32
        )
        results = Results({"one": [evaluate_embeddings(scores, np.eye(4, dtype=np.float32), task, "one")]})
        found = _Page(report.write_run(_about("audit", "a", results), results, folder=tmp_path / "a") / "index.html")
        # de: every answer first. en: the wrong one before the right one in de and in en, in the pool at ranks 2 and 4.
        assert found.tables["by-language"] == [
            "query language;model;mono mAP;cross mAP asked;cross mAP found;multi mAP;rank distance;own language first".split(
                ";"
            ),
            ["German | de", "one", "1.000", "1.000", "0.500", "1.000", "1", "1.000"],
            ["English | en", "one", "0.500", "0.500", "1.000", "0.500", "2", "0.000"],
        ]
        assert found.tables["by-pair"] == [
            ["", "one"],
            ["query language", "candidate language", "queries", "mAP", "R@1"],
            ["German | de", "German | de", "2", "1.000", "1.000"],
            ["German | de", "English | en", "2", "1.000", "1.000"],
            ["English | en", "German | de", "2", "0.500", "0.000"],
            ["English | en", "English | en", "2", "0.500", "0.000"],
        ]

    def test_pool(self, audited):
        table = _read(audited).tables["pool"]
        assert table[0][-1] == "share of the first 20 places"
        assert table[1] == ["language", "candidates", "share of the pool", "queries", "good", "greedy"]
        # The first 20 places hold the whole pool of four, whoever ranks it.
        assert table[2:] == [
            ["German | de", "2", "50.0 %", "2", "50.0 %", "50.0 %"],
            ["English | en", "2", "50.0 %", "2", "50.0 %", "50.0 %"],
        ]

    def test_models_and_what_is_known_of_them(self, audited):
        table = _read(audited).tables["model-facts"]
        assert table == [["in this report", "evaluations", "prompts"], ["good", "1", "query: 'ask'"], ["greedy", "1", "–"]]

    def test_claims(self, trained):
        found = _read(trained)
        assert [row[0] for row in found.tables["claims"][1:]] == [*(claim.text for claim in CLAIMS), *NOT_TESTED]
        assert "X-Y − X-X-mono: −1 | −1 to −1 †" in found.column("claims", "difference here")

    def test_an_audit_has_no_claims(self, audited):
        assert "claims" not in _read(audited).tables

    def test_where_the_numbers_come_from(self, trained):
        rows = dict(row for row in _read(trained).tables["facts"] if len(row) == 2)
        assert (rows["command"], rows["seed"], rows["jsonl:data"]) == ("python -m kit mine", "0", "0123abcd")
        assert {"torch", "processor"} <= set(rows)
        assert "4 of 4 answers of made stand in made" in _read(trained).text

    def test_commands_under_the_tables(self, trained):
        found = _read(trained).text
        assert found.count("Made again by python -m kit mine") == 5  # headline, panel, differences, claims, models
        assert found.count("Made again by python -m kit report mine") == 5  # figures, languages, pairs, data, files

    def test_one_language(self, one_language):
        found = _read(one_language)
        assert not {"bias-panel", "by-pair"} & set(found.tables) and not re.search(r"\bnan\b", found.text, re.IGNORECASE)
        assert found.column("headline", "cross mAP") == ["–"] * 3 and "in one language" in found.text
        assert found.tables["by-language"][0] == ["query language", "model", "mono mAP", "multi mAP"]

    def test_the_same_bytes_for_the_same_input(self, trained, tmp_path):
        other = _train(tmp_path / "mine")
        for name in ("index.html", "summary.md", "metrics.json", "training.json", "claims.json"):
            assert (other / name).read_bytes() == (trained / name).read_bytes(), name

    def test_written_again_from_the_folder_alone(self, trained, tmp_path):
        other = shutil.copytree(trained, tmp_path / "mine")
        before = {path: path.read_bytes() for path in other.rglob("*.*")}
        for path in (other / "figures").iterdir():
            path.unlink()
        assert report.again(other) == other / "index.html"
        assert {path: path.read_bytes() for path in other.rglob("*.*")} == before

    @pytest.mark.parametrize("missing", ["metrics.json", "per_query.parquet"])
    def test_without_results_it_is_refused(self, audited, tmp_path, missing):
        folder = shutil.copytree(audited, tmp_path / "audit")
        (folder / missing).unlink()
        with pytest.raises(ValueError, match=f"audit.*{missing}: "):
            report.write_pages(folder)

    def test_results_of_another_version_are_refused(self, audited, tmp_path):
        folder = shutil.copytree(audited, tmp_path / "audit")
        (folder / "metrics.json").write_text('{"about": {"run": "audit"}}')
        with pytest.raises(ValueError, match=r"metrics\.json: about\.kind is missing: make the run again"):
            report.write_pages(folder)


class TestForm:
    """That the page is one file, in order, and can be used without eyes, a mouse or JavaScript."""

    def test_every_link_leads_somewhere(self, trained, tmp_path):
        folder = shutil.copytree(trained, tmp_path / "mine")
        (folder / "notebooks").mkdir()
        (folder / "notebooks" / "05 50% #1.ipynb").touch()
        (folder / "notebooks" / ".hidden.ipynb").touch()
        report.write_pages(folder)
        found = _Page(folder / "index.html")
        anchors = {attrs["id"] for _, attrs in found.elements if "id" in attrs}
        assert {link[1:] for link in found.links if link.startswith("#")} <= anchors
        files = [unquote(link) for link in found.links if not link.startswith("#")]
        tables = [
            f"tables/{name}" for name in ("scores.csv", "differences.csv", "by-language.csv", "by-pair.csv", "tables.tex")
        ]
        assert files == ["metrics.json", "per_query.parquet", *tables, "notebooks/05 50% #1.ipynb"]
        assert all((folder / file).is_file() for file in files)

    def test_loads_nothing(self, trained):
        found = _read(trained)
        assert not {"img", "link", "iframe", "object", "embed", "base", "form"} & found.tags()
        assert not [attrs for _, attrs in found.elements if "src" in attrs]
        style = found.source.partition("<style>")[2].partition("</style>")[0]
        assert "url(" not in style and "@import" not in style

    def test_only_its_own_scripts_may_run(self, trained):
        found = _read(trained)
        (policy,) = [attrs["content"] for _, attrs in found.elements if attrs.get("http-equiv") == "Content-Security-Policy"]
        code = found.scripts[1:]  # the first is data
        hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in reversed(code)]
        allowed = " ".join(f"'sha256-{digest}'" for digest in hashes)
        assert f"script-src {allowed};" in policy
        assert "default-src 'none'" in policy and "connect-src 'none'" in policy and len(code) == 2
        assert not [name for _, attrs in found.elements for name in attrs if name.startswith("on")]

    def test_holds_all_figures_with_their_words(self, trained):
        found = _read(trained)
        data = json.loads(found.scripts[0])
        assert data == {path.stem: _json(path) for path in (trained / "figures").iterdir()}
        plots = {attrs["data-figure"]: attrs for _, attrs in found.elements if attrs.get("class") == "plot"}
        assert list(plots) == list(
            report.figures(Results.read(trained), _json(trained / "metrics.json")["about"], HISTORIES)
        )
        for name, attrs in plots.items():
            alt = data[name]["layout"]["meta"]["alt"].replace("\u2068", "").replace("\u2069", "")
            assert attrs["role"] == "img" and attrs["aria-label"] == alt and found.text.count(alt) >= 1

    def test_headings_are_in_order(self, trained):
        levels = [int(tag[1]) for tag, _ in _read(trained).elements if re.fullmatch("h[1-6]", tag)]
        assert levels[0] == 1 and levels.count(1) == 1
        assert all(after <= before + 1 for before, after in pairwise(levels))

    def test_sections_stand_in_the_order_of_the_contents(self, trained):
        found = _read(trained)
        contents = [link[1:] for link in found.links if link.startswith("#")][1:]
        expected = (
            "summary settings bias differences claims figures languages pairs questions data models origin files".split()
        )
        sections = [attrs["id"] for tag, attrs in found.elements if tag in ("section", "header")]
        assert contents == sections == expected

    def test_ids_are_unique_and_the_language_is_said(self, trained):
        found = _read(trained)
        ids = [attrs["id"] for _, attrs in found.elements if "id" in attrs]
        assert len(ids) == len(set(ids)) and ("html", {"lang": "en"}) in found.elements

    def test_numbers_carry_what_they_sort_by(self, audited):
        found = _read(audited)
        values = [attrs["data-value"] for tag, attrs in found.elements if tag == "td" and "data-value" in attrs]
        assert "0.8333333333333333" in values or "0.8333333333333334" in values
        assert not [value for value in values if value in ("nan", "None")]


class TestEscaping:
    def test_texts_make_no_element(self, hostile):
        found = _read(hostile)
        assert "img" not in found.tags() and len(found.scripts) == 3
        assert not [attrs for _, attrs in found.elements if "onerror" in attrs]

    def test_texts_are_shown_as_they_are(self, hostile):
        found = _read(hostile)
        assert (
            SHOWN in found.text
            and "</script><img src=x>" in found.text
            and "49" not in found.text.partition("friends")[2][:9]
        )
        for table in ("headline", "bias-panel", "by-language", "model-facts", "facts"):
            assert any(SHOWN in cell for row in found.tables[table] for cell in row), table

    def test_nothing_turns_the_direction_of_the_page(self, hostile):
        assert not re.search("[\u200e\u200f\u202a-\u202e\u2066-\u2069]", (hostile / "index.html").read_text("utf-8"))

    def test_names_stand_in_isolation(self, hostile):
        source = (hostile / "index.html").read_text("utf-8")
        assert source.count("<bdi>&lt;script&gt;") > 20

    def test_right_to_left_names_in_captions_do_not_turn_what_follows(self):
        found = page._described("flow", {"layout": {"meta": {"alt": "All: \u2068<א>\u2069: 28% of 3."}}})
        assert found["alt"] == "All: <א>: 28% of 3."
        assert found["caption"] == "<bdi>All: </bdi><bdi>&lt;א&gt;</bdi><bdi>: 28% of 3.</bdi>"

    @given(st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(["</script>", "<!--", "]]>", "\u2028"]))
    @examples(max_examples=100, deadline=None, database=None)
    def test_script_data_is_inert_and_the_same(self, text):
        written = page._as_script_data({"name": text})
        assert json.loads(written) == {"name": text}
        assert written.isascii() and not set(written) & set("<>&\n\r")

    def test_joiners_of_words_stay(self):
        assert page._shown("می\u200cخواهم") == "می\u200cخواهم" and page._shown("a\u2066b\x00") == "a⟨U+2066⟩b⟨U+0000⟩"

    def test_tables_of_the_summary_keep_their_columns(self, hostile):
        lines = (hostile / "summary.md").read_text("utf-8").splitlines()
        table = [line for line in lines[lines.index("## Quality and bias") :] if line.startswith("|")][:4]
        assert {len(re.findall(r"(?<!\\)\|", line)) for line in table} == {9}  # model and seven columns

    def test_the_summary_holds_no_html(self, hostile):
        text = (hostile / "summary.md").read_text("utf-8")
        outside_code = re.sub(r"(?<!\\)`[^`]*`|^    .*$", "", text, flags=re.MULTILINE)
        assert not re.search(r"(?<!\\)<\S", outside_code) and "\u202e" not in text

    @pytest.mark.parametrize(
        ("text", "code"), [("a", "`a`"), ("a`b", "`` a`b ``"), ("``", "``` `` ```"), ("a\n b", "`a b`"), ("<b>", "`<b>`")]
    )
    def test_code_in_the_summary(self, text, code):
        assert page._code_span(text) == code

    def test_no_line_of_a_block_can_end_it(self):
        block = page._code_block("a\n\n# b\n```\n<script>\u202e")
        assert block.splitlines() == ["    a", "    ", "    # b", "    ```", "    <script>⟨U+202E⟩"]


def _metrics(headline: dict[str, tuple[float | None, ...]], distance: dict[str, float | None] | None = None) -> dict:
    """Made metrics: mono, cross and multi mAP by model."""
    table = {
        model: dict(zip(("mono mAP", "cross mAP", "multi mAP"), ((score, None) for score in scores)))
        | {"rank distance": ((distance or {}).get(model), None)}
        for model, scores in headline.items()
    }
    about = {
        "languages": ["de", "en"],
        "n_queries": 4,
        "n_candidates": 1234,
        "test": "made",
        "chance": {"rank_distance": 600.0},
    }
    bias = {model: {one.label: (None, None) for one in PANEL} for model in headline}
    return {"about": about, "headline": table, "bias": bias, "models": dict.fromkeys(headline)}


class _Tested:
    """Stands in for results: models, and the p-value that any comparison of a measure has."""

    def __init__(self, models: list[str], p_values: dict[tuple[str, str], float]):
        self.models, self.p_values = tuple(models), p_values

    def compare(self, first: str, second: str, setting: str, measure: str):
        overall = type("Comparison", (), {"p_value": self.p_values.get((setting, measure), 1.0)})
        return type("SeedComparison", (), {"overall": overall})


COULD = "chance of the questions could explain its lead over the next model"


class TestWords:
    def _texts(self, metrics: dict, p_values: dict | None = None) -> list[str]:
        results = _Tested(list(metrics["headline"]), p_values or {})
        found = words.summary_sentences(metrics, results, [])
        return ["".join(text for text, _ in sentence.parts()) for sentence in found]

    def test_what_was_measured(self):
        assert self._texts(_metrics({"a": (0.1, 0.2, 0.3)}))[0] == (
            "One model on made: 4 queries against 1,234 candidates in 2 languages."
        )

    def test_one_model(self):
        assert self._texts(_metrics({"a": (0.1, None, 0.3)}, {"a": 12.0}))[1:] == [
            "a has mono mAP 0.100 and multi mAP 0.300.",
            "The versions of one answer stand 12 ranks apart on average; in a random ranking it would be 600.",
        ]

    def test_leads_that_are_more_than_chance_and_leads_that_are_not(self):
        metrics = _metrics({"a": (0.9, 0.8, 0.1), "b": (0.8, 0.7, 0.5), "c": (0.1, 0.1, 0.1)})
        # Holm over three comparisons: 3 * 0.01 = 0.03 is below 0.05; 2 * 0.03 = 0.06 is not
        p_values = {("monolingual", "average_precision"): 0.01, ("cross-lingual", "average_precision"): 0.03}
        assert self._texts(metrics, p_values)[1:] == [
            "a is best in monolingual (mAP 0.900) and cross-lingual (mAP 0.800) retrieval; its lead over the next model is "
            "more than chance of the questions in monolingual retrieval only.",
            f"b is best in multilingual (mAP 0.500) retrieval; {COULD}.",
        ]

    def test_a_shared_lead(self):
        metrics = _metrics({"a": (0.9, None, 0.1), "b": (0.9, None, 0.5)}, {"a": 3.0, "b": 3.0})
        assert self._texts(metrics)[1:] == [
            "Two models share the lead in monolingual retrieval.",
            f"b is best in multilingual (mAP 0.500) retrieval; {COULD}.",
            "Two models share the lowest rank distance: a and b.",
        ]

    def test_the_fairest(self):
        metrics = _metrics({"a": (None,) * 3, "b": (None,) * 3}, {"a": 30.4, "b": 7.0})
        metrics["bias"]["a"] |= {"complete@20": (0.5, None), "own language first": (0.9, None)}
        metrics["bias"]["b"] |= {"complete@20": (0.4, None), "own language first": (0.1, None)}
        assert self._texts(metrics, {("multilingual", "rank_distance"): 0.001})[1:] == [
            "b is the fairest by rank distance: the versions of one answer stand 7 ranks apart on average; in a random "
            "ranking it would be 600 (next: a, 30; more than chance of the questions). It leads in 0 of the 1 other "
            "measures of bias that have a fair direction."
        ]

    def test_distances_that_would_print_alike_get_a_digit(self):
        texts = self._texts(_metrics({"a": (None,) * 3, "b": (None,) * 3}, {"a": 7.4, "b": 7.1}))
        assert (
            "stand 7.1 ranks apart" in texts[1]
            and "(next: a, 7.4; chance of the questions could explain the lead)" in texts[1]
        )

    def test_names_are_kept_apart(self):
        assert words.Sentence("{} and {}.", ("{}", "b")).parts() == [
            ("{}", True),
            (" and ", False),
            ("b", True),
            (".", False),
        ]

    def test_claims_are_counted(self, trained):
        assert "Of the paper's claims that this run can test," in _read(trained).text


class TestNumbers:
    @pytest.mark.parametrize(
        ("value", "digits", "sign", "text"),
        [
            (0.1234, 3, "", "0.123"),
            (12345.6, 0, "", "12,346"),
            (-0.5, 3, "+", "−0.500"),
            (0.5, 3, "+", "+0.500"),
            (-0.0001, 3, "+", "0.000"),
            (0.0001, 3, "+", "0.000"),
            (0.0, 0, "", "0"),
            (10.0, 0, "+", "+10"),
            (None, 3, "", "–"),
            (float("nan"), 0, "", "–"),
        ],
    )
    def test_number(self, value, digits, sign, text):
        assert grids.number(value, digits, sign) == text

    @pytest.mark.parametrize(("p", "text"), [(0.0004, "< 0.001"), (0.001, "0.001"), (1.0, "1.000"), (None, "–")])
    def test_p(self, p, text):
        assert grids.p_text(p) == text

    @pytest.mark.parametrize(
        ("column", "difference", "p", "reading"),
        [
            ("mono mAP", 0.1, 0.049, "better"),
            ("mono mAP", -0.1, 0.049, "worse"),
            ("mono mAP", 0.1, 0.05, "–"),
            ("mono mAP", 0.1, None, "–"),
            ("rank distance", -3.0, 0.01, "fairer"),
            ("rank distance", 3.0, 0.01, "less fair"),
            ("complete@20", 0.1, 0.01, "fairer"),
            ("PEER@20", -0.1, 0.01, "less fair"),
            ("own language first", 0.1, 0.01, "higher"),
            ("own language first", -0.1, 0.01, "lower"),
        ],
    )
    def test_reading(self, column, difference, p, reading):
        overall = {"difference": difference}
        assert grids._reading({"column": column, "adjusted_p": p, "compared": {"overall": overall}}) == reading

    def test_the_best_of_a_column(self):
        table = {
            name: {"mono mAP": (score, None), "rank distance": (score, None)} for name, score in (("a", 0.5), ("b", 0.6))
        }
        assert (grids.best_model(table, "mono mAP"), grids.best_model(table, "rank distance")) == ("b", "a")

    @pytest.mark.parametrize("scores", [(0.5, 0.5), (0.5, None), (None, None)])
    def test_no_best(self, scores):
        assert grids.best_model({name: {"mono mAP": (score, None)} for name, score in zip("ab", scores)}, "mono mAP") is None

    def test_chance_is_neutral_so_none_is_best(self):
        table = {name: {"own language first": (score, None)} for name, score in (("a", 0.5), ("b", 0.6))}
        assert grids.best_model(table, "own language first") is None


class TestSummary:
    def test_has_the_same_numbers(self, audited):
        text = (audited / "summary.md").read_text(encoding="utf-8")
        row = "| greedy | 1.000 [1.000 to 1.000 †] | 1.000 [1.000 to 1.000 †] | 0.833 [0.833 to 0.833 †] |"
        assert row in text and "python -m kit audit" in text

    def test_panel_differences_and_claims(self, trained):
        text = (trained / "summary.md").read_text(encoding="utf-8")
        assert "| random ranking | 2 |" in text and "minus **X-X-mono**" in text
        assert [claim.text for claim in CLAIMS if f"| {claim.text} |" not in text] == []

    def test_one_language(self, one_language):
        text = (one_language / "summary.md").read_text(encoding="utf-8")
        assert "Bias panel" not in text and "nan" not in text.lower().split()


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory) -> Path:
    """A folder of two audits on one task."""
    folder = tmp_path_factory.mktemp("reports")
    _audit(folder / "first", {"good": "right"}, settings={"batch": 1, "same": 2}, models={"good": {"dim": "4"}})
    _audit(folder / "second", {"greedy": "own first"}, settings={"batch": 3, "same": 2, "own": 4})
    return folder


@pytest.fixture
def two(two_runs, home) -> list[Path]:
    """Both, in the reports of an empty project."""
    return [shutil.copytree(two_runs / name, paths.reports() / name) for name in ("first", "second")]


class TestSideBySide:
    def test_models_of_both(self, two, home):
        folder = report.side_by_side(two)
        assert folder == home / "reports" / "first-and-second"
        metrics = _json(folder / "metrics.json")
        assert list(metrics["models"]) == ["good", "greedy"] and metrics["about"]["kind"] == "comparison"
        assert {(one["first"], one["second"]) for one in metrics["differences"]} == {("greedy", "good")}
        assert metrics["headline"]["greedy"] == _json(two[1] / "metrics.json")["headline"]["greedy"]
        assert metrics["about"]["models"] == {"good": {"dim": "4"}}

    def test_what_differs_is_marked(self, two):
        found = _Page(report.side_by_side(two) / "index.html")
        rows = {row[0]: row[1:] for row in found.tables["facts"] if len(row) == 3}
        assert rows["batch differs"] == ["1", "3"] and rows["same"] == ["2", "2"] and rows["own"] == ["–", "4"]
        assert rows["command differs"] == ["python -m kit first", "python -m kit second"] and rows[""] == ["first", "second"]

    def test_models_of_one_name_are_told_apart(self, home):
        reports = paths.reports()
        folders = [_audit(reports / run, {"good": "right", run: "own first"}) for run in ("a", "b")]
        metrics = _json(report.side_by_side(folders) / "metrics.json")
        assert list(metrics["models"]) == ["a · good", "a · a", "b · good", "b · b"]

    def test_histories_come_along(self, trained, two):
        folder = report.side_by_side([trained, two[0]])
        assert [run["model"] for run in _json(folder / "training.json")] == ["X-X-mono", "X-Y", "Hybrid"]
        assert (folder / "figures" / "training.json").is_file() and not (folder / "claims.json").exists()

    def test_written_again(self, two):
        folder = report.side_by_side(two)
        before = (folder / "index.html").read_bytes()
        assert (report.again(folder).read_bytes(), report.side_by_side(two)) == (before, folder)

    def test_the_command_says_how(self, two):
        about = _json(report.side_by_side(two, "x y") / "metrics.json")["about"]
        assert about["command"] == "python -m kit report first second --out 'x y'"
        assert _json(report.side_by_side(two) / "metrics.json")["about"]["command"] == "python -m kit report first second"

    def test_agreement_is_measured_where_all_have_it(self, home):
        task, embeddings = made_task(n_groups=4), np.eye(8, dtype=np.float32)
        folders = []
        for run, n_groups in (("all", None), ("some", 2)):
            results = Results({run: [evaluate_embeddings(embeddings, embeddings, task, run, n_agreement_groups=n_groups)]})
            told = report.about("audit", run, results, task, "", {}, {})
            folders.append(report.write_run(told, results))
        folder = report.side_by_side(folders)
        assert _json(folder / "metrics.json")["left_out"]["list_agreement"] == 4  # two of four groups, in two languages
        both = Results.read(folder).evaluations
        assert both["all"][0].agreement_matrix()[0, 1] == pytest.approx(both["some"][0].agreement_matrix()[0, 1])
        assert Results.read(folders[0]).left_out()["list_agreement"] == 0

    @pytest.mark.parametrize(
        ("changes", "fact"),
        [
            ({"name": "other"}, "task: made and other"),
            ({"languages": "de fr"}, "languages: de, en and de, fr"),
        ],
    )
    def test_different_tasks(self, two, home, changes, fact):
        results = _results({"other": "right"}, **changes)
        folder = report.write_run(_about("audit", "third", results, **changes), results)
        with pytest.raises(
            ValueError, match=re.escape(f"first and third are of different tasks ({fact}): give runs of one task")
        ):
            report.side_by_side([two[0], folder])

    @pytest.mark.parametrize(("key", "value"), [("n_candidates", 5), ("n_queries", 3)])
    def test_different_sizes(self, two, key, value):
        metrics = _json(two[1] / "metrics.json")
        metrics["about"][key] = value
        (two[1] / "metrics.json").write_text(json.dumps(metrics))
        with pytest.raises(ValueError, match=f"different tasks .{key[2:]}: 4 and {value}"):
            report.side_by_side(two)

    def test_different_queries(self, two):
        table = Results.read(two[1]).evaluations["greedy"][0]
        ids = [f"{query}x" for query in table.per_query.column("query_id").to_pylist()]
        changed = replace(table, per_query=table.per_query.set_column(0, table.per_query.schema.field(0), [ids]))
        Results({"greedy": [changed]}).write(two[1], _json(two[1] / "metrics.json")["about"])
        with pytest.raises(ValueError, match="first and second are both on made, with other queries or candidates"):
            report.side_by_side(two)

    def test_different_pools(self, two):
        metrics = _json(two[1] / "metrics.json")
        metrics["about"]["pool_counts"] = {"de": 3, "en": 1}
        (two[1] / "metrics.json").write_text(json.dumps(metrics))
        with pytest.raises(ValueError, match="with other queries or candidates"):
            report.side_by_side(two)

    @pytest.mark.parametrize("folders", [[], ["a"], ["a", "a"], ["x/a", "y/a"]])
    def test_fewer_than_two(self, home, folders):
        with pytest.raises(ValueError, match="give at least two, each once"):
            report.side_by_side(folders)

    def test_the_name_of_one_of_them(self, home):
        with pytest.raises(ValueError, match="the report's name is that of a run, 'a': choose another one"):
            report.side_by_side(["a", "b"], "a")

    def test_a_run_is_not_written_over(self, two):
        shutil.copytree(two[0], paths.reports() / "third")
        with pytest.raises(ValueError, match="holds a run of its own: choose another name"):
            report.side_by_side(two, "third")


class TestCommandLine:
    def test_one_run_by_name(self, two, capsys):
        (two[0] / "index.html").unlink()
        (two[0] / "figures" / "pairs.json").unlink()
        assert commands.main(["report", "first"]) == 0
        assert capsys.readouterr().out == f"{two[0] / 'index.html'}\n"
        assert (two[0] / "index.html").is_file() and (two[0] / "figures" / "pairs.json").is_file()

    def test_one_run_by_path(self, two, capsys):
        assert commands.main(["report", str(two[1])]) == 0
        assert capsys.readouterr().out == f"{two[1] / 'index.html'}\n"

    def test_several(self, two, capsys, home):
        assert commands.main(["report", "first", "second", "--out", "both"]) == 0
        assert capsys.readouterr().out == f"{home / 'reports' / 'both' / 'index.html'}\n"

    def test_the_shown_command_makes_the_page(self, two, home):
        page_of = report.side_by_side(two) / "index.html"
        before = page_of.read_text(encoding="utf-8")
        page_of.unlink()
        command = re.search("python -m kit report [^<]*", before)[0]
        assert commands.main(shlex.split(command)[3:]) == 0
        after, of_a_minute = page_of.read_text(encoding="utf-8"), r"\d{4}-\d\d-\d\d \d\d:\d\d UTC"
        assert re.sub(of_a_minute, "", after) == re.sub(of_a_minute, "", before)

    def test_no_such_run(self, home, capsys):
        assert commands.main(["report", "nothing"]) == 1
        assert "kit: no run 'nothing' in reports/, and no folder of that name: there is none yet" in capsys.readouterr().err

    def test_out_is_for_several(self, two, capsys):
        assert commands.main(["report", "first", "--out", "x"]) == 1
        assert "--out x: one run is written in its own folder" in capsys.readouterr().err
