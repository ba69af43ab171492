"""What a run leaves behind: strict JSON, a page that links what is there, and the command that makes the run again."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import plotly.graph_objects as go
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from test_results import made_evaluation, made_task

from kit import __main__, report
from kit.claims import CLAIMS, check_claims
from kit.config import Settings
from kit.corpus import ParallelCorpus
from kit.overlap import overlap
from kit.results import Results
from kit.runner import settings_of

HOSTILE = "<script>alert(\"x\")</script> & 'friends' | {{ 7 * 7 }}"


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """An empty project."""
    (tmp_path / "notebooks" / "params").mkdir(parents=True)
    (tmp_path / "notebooks" / "params" / "smoke.yaml").write_text("run: smoke\n")
    monkeypatch.setenv("KIT_HOME", str(tmp_path))
    return tmp_path


def _write(run: str = "mine", languages: str = "de en", name: str = "made", **changes) -> Path:
    results = Results(
        {
            sampling: [made_evaluation(model, languages, name)] * 2
            for sampling, model in (("X-X-mono", "own first"), ("X-Y", "right"), ("Hybrid", "right"))
        }
    )
    task = made_task(languages, name)
    corpus = ParallelCorpus.from_rows([{"group_id": "1", "language": "de", "query": name, "passage": "passage"}], name)
    return report.write_run(
        Settings(run=run, **changes),
        results,
        task,
        [overlap(corpus, task)],
        {"jsonl:data": "0123abcd"},
        check_claims(results),
        results.chance_distance(4),
        {"curves": go.Figure(), "pairs": go.Figure()},
    )


class _Page(HTMLParser):
    """Links, tags and text of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__(convert_charrefs=True)
        self.links, self.tags, self.text = [], set(), ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.links += [value for name, value in attrs if name in ("href", "src")]

    def handle_data(self, data):
        self.text += data


def _refuse(constant: str):
    raise AssertionError(f"{constant} is not JSON")


class TestWriteRun:
    def test_the_files(self, home):
        folder = _write()
        assert folder == home / "reports" / "mine"
        assert {path.name for path in folder.iterdir()} == {
            "metrics.json",
            "per_query.parquet",
            "claims.json",
            "figures",
            "index.html",
            "summary.md",
        }
        assert {"curves.html", "pairs.html", "plotly.min.js"} <= {path.name for path in (folder / "figures").iterdir()}

    def test_what_is_told_about_the_run(self, home):
        about = json.loads((_write() / "metrics.json").read_text(encoding="utf-8"))["about"]
        assert (about["test"], about["languages"], about["n_queries"], about["n_candidates"], about["n_seeds"]) == (
            "made",
            ["de", "en"],
            4,
            4,
            2,
        )
        assert about["checksums"] == {"jsonl:data": "0123abcd"} and about["n_left_out"] == 0
        assert {"torch", "babel"} <= set(about["versions"]) and {"cores", "GPU", "python"} <= set(about["machine"])

    @pytest.mark.parametrize("file", ["metrics.json", "claims.json"])
    @pytest.mark.parametrize("languages", ["de en", "de"])
    def test_no_nan_in_json(self, home, file, languages):
        json.loads((_write(languages=languages) / file).read_text(encoding="utf-8"), parse_constant=_refuse)

    def test_claims(self, home):
        verdicts = json.loads((_write() / "claims.json").read_text(encoding="utf-8"))
        assert [verdict["claim"]["text"] for verdict in verdicts] == [claim.text for claim in CLAIMS]


class TestIndex:
    def _links(self, folder: Path) -> list[str]:
        return [unquote(link) for link in _Page(folder / "index.html").links]

    def test_every_link_leads_to_a_file(self, home):
        folder = _write()
        assert [link for link in self._links(folder) if not (folder / link).is_file()] == []

    def test_links_all_figures_and_notebooks_that_are_there(self, home):
        folder = _write()
        (folder / "notebooks").mkdir()
        (folder / "notebooks" / "04_evaluate.ipynb").touch()
        (folder / "notebooks" / ".hidden.ipynb").touch()
        (folder / "figures" / "50% #1.html").touch()
        report.write_index(folder)
        assert sorted(self._links(folder)) == [
            "figures/50% #1.html",
            "figures/curves.html",
            "figures/pairs.html",
            "metrics.json",
            "notebooks/04_evaluate.ipynb",
            "per_query.parquet",
        ]

    def test_a_figure_that_is_gone_is_not_linked(self, home):
        folder = _write()
        (folder / "figures" / "curves.html").unlink()
        report.write_index(folder)
        assert "figures/curves.html" not in self._links(folder)

    def test_texts_are_escaped(self, home):
        page = _Page(_write(name=HOSTILE) / "index.html")
        assert "script" not in page.tags and HOSTILE in page.text
        assert f"4 of 4 answers of {HOSTILE} stand in {HOSTILE}" in page.text

    def test_shows_scores_claims_and_chance(self, home):
        text = _Page(_write() / "index.html").text
        assert "0.833 ± 0.000" in text and "random ranking has 2." in text  # (4 + 1) (2 - 1) / (2 + 1)
        assert [claim.text for claim in CLAIMS if claim.text not in text] == []
        assert "X-Y − X-X-mono: -1" in text and "-1 to -1" in text

    def test_one_language(self, home):
        folder = _write(languages="de")
        text = _Page(folder / "index.html").text
        assert "random ranking has –." in text and "not tested" in text and not re.search(r"\bnan\b", text, re.IGNORECASE)
        assert "random ranking has –." in (folder / "summary.md").read_text(encoding="utf-8")

    def test_loads_nothing(self, home):
        assert not {"script", "img", "link", "iframe"} & _Page(_write() / "index.html").tags

    def test_the_summary_has_the_same_numbers(self, home):
        summary = (_write() / "summary.md").read_text(encoding="utf-8")
        assert "| X-X-mono | 1.000 ± 0.000 | 1.000 ± 0.000 | 0.833 ± 0.000 |" in summary and "python -m kit run" in summary

    @pytest.mark.parametrize("file", ["metrics.json", "claims.json"])
    def test_without_results_it_is_refused(self, home, file):
        folder = _write()
        (folder / file).unlink()
        with pytest.raises(ValueError, match=f"holds no {file}: run notebook 04"):
            report.write_index(folder)


def _parsed_back(command: str) -> Settings:
    """What ``python -m kit run`` makes of a command that a shell splits."""
    words = shlex.split(command)
    assert words[:3] == ["python", "-m", "kit"]
    parsed = __main__._parser().parse_args(words[3:])
    return settings_of(parsed.profile, dict(__main__._pairs(parsed)))


class TestCommand:
    def test_defaults_need_no_words(self):
        assert report.command(Settings()) == "python -m kit run"

    @pytest.mark.parametrize(
        "changes",
        [
            {"run": "mine"},
            {"updates": 50},  # a folder of the default's name
            {"run": "mine", "updates": 50, "seeds": (0, 1, 2), "learning_rate": 3e-05, "temperature": 1.0},
            {"run": "mine", "samplings": ("Hybrid(0.3)", "X-Y")},  # parentheses mean something to a shell
            {"run": "mine", "test": "jsonl:my data/te$t 'one'", "encoder": 'a;b&c|d`e`*?~#!"\\'},
            {"run": "mine", "train": ("squad:a b.json?language=en", "atlas")},
            {"run": "mine", "train": ("lareqa:x?languages=en,de", "atlas")},  # a comma inside an entry
            {"run": "mine", "train": ("[a]", "b")},
            {"run": "a.b", "encoder": "日本語"},
        ],
        ids=str,
    )
    def test_round_trip_through_the_shell(self, home, changes):
        settings = Settings(**changes)
        assert _parsed_back(report.command(settings)) == settings

    @given(
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1),
        st.lists(
            st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1), min_size=1, unique=True
        ),
        st.floats(1e-9, 100.0),
    )
    @examples(max_examples=50, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_round_trip_of_any_text(self, home, text, entries, rate):
        settings = Settings(run="mine", test=text, train=tuple(entries), learning_rate=rate)
        assert _parsed_back(report.command(settings)) == settings

    def test_of_a_run_that_was_named_by_its_settings(self, home):
        settings = settings_of("smoke", {"updates": "50"})
        assert _parsed_back(report.command(settings)) == settings != replace(settings, run="smoke")

    def test_stands_on_the_page(self, home):
        folder = _write(run="mine", samplings=("Hybrid(0.3)", "X-Y"))
        assert report.command(Settings(run="mine", samplings=("Hybrid(0.3)", "X-Y"))) in _Page(folder / "index.html").text
