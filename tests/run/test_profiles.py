"""From settings to the command that makes a run again, and back; what a run's folder says of them."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import HealthCheck, given, settings as examples, strategies as st
from test_results import made_evaluation, made_task

from kit.compare.results import Results
from kit.run.cli import commands, doing
from kit.run.profiles import command, metrics_of, settings_of
from kit.run.settings import Settings
from kit.show.report import about


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A project with the profile of the defaults."""
    (tmp_path / "notebooks" / "params").mkdir(parents=True)
    (tmp_path / "notebooks" / "params" / "smoke.yaml").write_text("run: smoke\n")
    monkeypatch.setenv("KIT_HOME", str(tmp_path))
    return tmp_path


class TestReadMetrics:
    def test_only_those_of_the_same_settings(self, tmp_path):
        settings = Settings().changed(run="mine", seeds=(0, 1))
        folder = tmp_path / "mine"
        folder.mkdir()
        results = Results({"one": [made_evaluation("right", "de en")]})
        given = {"command": "", "settings": settings.flat(), "checksums": {}}
        results.write(folder, about("audit", "mine", results, made_task("de en"), **given))
        assert metrics_of(folder, settings)["about"]["run"] == "mine"
        assert metrics_of(folder, settings.changed(updates=50)) is None
        assert metrics_of(tmp_path, settings) is None


def _parsed_back(command: str) -> Settings:
    """What ``python -m kit run`` makes of a command that a shell splits."""
    words = shlex.split(command)
    assert words[:3] == ["python", "-m", "kit"]
    parsed = commands.parser("python -m kit").parse_args(words[3:])
    return settings_of(parsed.profile, dict(doing.pairs_of(parsed)))


class TestCommand:
    def test_defaults_need_no_words(self):
        assert command(Settings()) == "python -m kit run"

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
        settings = Settings().changed(**changes)
        assert _parsed_back(command(settings)) == settings

    @given(
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1),
        st.lists(
            st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1), min_size=1, unique=True
        ),
        st.floats(1e-9, 100.0),
    )
    @examples(max_examples=50, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_round_trip_of_any_text(self, home, text, entries, rate):
        settings = Settings().changed(run="mine", test=text, train=tuple(entries), learning_rate=rate)
        assert _parsed_back(command(settings)) == settings

    def test_of_a_run_that_was_named_by_its_settings(self, home):
        settings = settings_of("smoke", {"updates": "50"})
        assert _parsed_back(command(settings)) == settings != settings.changed(run="smoke")
