"""Items that actors of a Ray cluster take: each makes what it keeps once, and what fails stops no other."""

from __future__ import annotations

import os
import pickle
from importlib.util import find_spec
from pathlib import Path

import pytest

from kit.core import processes
from kit.core.engines.actors import _Actor, map_on_actors
from kit.core.engines.engine import Engine


class Keeper:
    """Keeps a folder; of each item it makes a file, once, and dies at the first sight of "mortal"."""

    def __init__(self, folder):
        if not folder.is_dir():
            raise ValueError(f"no such folder: {folder.name}")
        self.folder = folder
        (folder / f"kept-by-{os.getpid()}").touch()

    def __call__(self, item, log):
        if item == "bad":
            raise ValueError("bad is no item")
        if item == "mortal" and not (self.folder / "died").exists():
            (self.folder / "died").touch()
            os._exit(3)
        (self.folder / f"{item}.made").touch()
        log(f"{item} made")


def batch(item):
    return {"item": [pickle.dumps(item)]}


class TestActor:
    def test_tells_lines_and_failures_of_items(self, tmp_path):
        actor = _Actor(Keeper, tmp_path)
        assert actor(batch("a")) == {"lines": [["a made"]], "failure": [""]}
        assert actor(batch("bad")) == {"lines": [[]], "failure": ["bad is no item"]}
        assert actor(batch("b")) == {"lines": [["b made"]], "failure": [""]}

    def test_what_cannot_be_made_fails_each_item(self, tmp_path):
        actor = _Actor(Keeper, tmp_path / "none")
        assert actor(batch("a")) == {"lines": [[]], "failure": ["no such folder: none"]}


def test_nothing_to_do_asks_no_cluster(tmp_path):
    map_on_actors(Keeper, tmp_path, [], 2, Engine(name="ray", address="nowhere:1"), print)


@pytest.mark.skipif(not find_spec("ray"), reason="ray is not installed")
@pytest.mark.skipif(
    "KIT_CLUSTER" not in os.environ, reason="Ray Data starts in half a minute or more: KIT_CLUSTER=1 asks for it"
)
def test_a_cluster_does_all_but_what_fails(tmp_path, monkeypatch):
    (tmp_path / "notebooks").mkdir()
    monkeypatch.setenv("KIT_HOME", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))  # so that machines find this module
    told, items = [], ["a", "b", "mortal", "bad", "c"]
    try:
        with pytest.raises(ValueError, match="1 of 5 failed, the others are done: bad is no item"):
            map_on_actors(Keeper, tmp_path, items, 1, Engine(name="ray", address="local"), told.append)
    except ValueError as error:
        if "no Ray cluster at local" in str(error):
            pytest.skip(f"Ray does not start here: {error}")
        raise
    finally:
        processes.dismiss_all()
    assert {path.stem for path in tmp_path.glob("*.made")} == {"a", "b", "mortal", "c"}
    assert len(list(tmp_path.glob("kept-by-*"))) == 2, "one actor, and the one that took its place"
    assert told[-1] == "  5 of 5 by 1 actors" and {"a made", "mortal made", "c made"} <= set(told)
