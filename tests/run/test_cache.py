"""What the cache is said to hold, and its removal."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import kit
from kit.run.cli import cache, commands


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    (tmp_path / "notebooks").mkdir()
    for kind, n_bytes in (("training", 3 * 2**20), ("tasks", 2**20)):
        (tmp_path / "data" / "cache" / kind).mkdir(parents=True)
        (tmp_path / "data" / "cache" / kind / "file").write_bytes(bytes(n_bytes))
    monkeypatch.setenv("KIT_HOME", str(tmp_path))
    return tmp_path


def test_each_kind_is_listed_with_its_size_and_what_it_is(home, capsys):
    assert not commands.main(["cache", "list"])
    lines = capsys.readouterr().out.splitlines()
    assert re.search(r"4\.0 MiB$", lines[0])
    assert [line.split(maxsplit=3) for line in lines[1:]] == [
        ["tasks", "1.0", "MiB", "tasks cut out of parallel data"],
        ["training", "3.0", "MiB", "trained models"],
    ]


def test_one_kind_goes_and_the_others_stay(home, capsys):
    assert not commands.main(["cache", "clear", "training", "embeddings"])
    assert capsys.readouterr().out.splitlines() == ["training: 3.0 MiB taken away", "embeddings: nothing was kept"]
    assert [path.name for path in (home / "data" / "cache").iterdir()] == ["tasks"]


def test_without_a_kind_all_goes(home):
    assert not commands.main(["cache", "clear"])
    assert list((home / "data" / "cache").iterdir()) == []


def test_an_unknown_kind_takes_nothing_away(home, capsys):
    assert commands.main(["cache", "clear", "tasks", "trainings"])
    assert "nothing kept is called 'trainings'" in capsys.readouterr().err
    assert (home / "data" / "cache" / "tasks").is_dir()


def test_every_folder_that_the_library_keeps_is_a_kind():
    package = Path(kit.__file__).parent
    sources = [path.read_text(encoding="utf-8") for path in package.rglob("*.py")]
    kept = {name for source in sources for name in re.findall(r'cache\(\)\)? / "(\w+)"', source)}
    assert len(kept) > 5 and kept == set(cache.KINDS)
