"""Results in a store: there whole or not at all, checked, sent once; jobs of machines that share no folder go through it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from kit.core import processes
from kit.core.engines.carrying import follow
from kit.core.engines.engine import VARIABLE, Engine, chosen
from kit.core.engines.order import Order
from kit.core.engines.store import SharedJob, Store, do_shared
from kit.core.files import seal


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Makes a machine the one at hand: all have the project at one path, each a folder of its own there."""
    home = tmp_path / "home"

    def at(name):
        (tmp_path / name / "notebooks").mkdir(parents=True, exist_ok=True)
        home.unlink(missing_ok=True)
        home.symlink_to(tmp_path / name)
        return home

    monkeypatch.setenv("KIT_HOME", str(home))
    return at


@pytest.fixture
def store(tmp_path, machine):
    machine("one")
    return Store(f"file://{tmp_path}/store")


def made(home, name="key"):
    """A trained model's folder, as far as a store sees it."""
    folder = home / "data" / "cache" / "training" / name
    (folder / "model").mkdir(parents=True)
    (folder / "model" / "weights").write_bytes(b"\0\1" * 1000)
    (folder / "history.json").write_text("{}")
    return folder


def contents(folder):
    return {one.relative_to(folder).as_posix(): one.read_bytes() for one in sorted(folder.rglob("*")) if one.is_file()}


class TestStore:
    def test_a_folder_comes_back_on_another_machine(self, store, machine):
        folder, told = made(machine("one")), []
        (folder / "checkpoint-20").mkdir()
        (folder / "checkpoint-20" / "state").touch()
        (folder / ".history.json.partial").touch()
        store.put(folder)
        machine("two")
        assert store.fetch(folder, told.append)
        assert contents(folder) == {"history.json": b"{}", "model/weights": b"\0\1" * 1000}, (
            "what is still made stays behind"
        )
        assert told == [f"key: 2 file(s) came from {store.address}"]
        assert store.fetch(folder, told.append) and len(told) == 1

    def test_a_file_comes_with_its_checksum(self, store, machine):
        path = machine("one") / "data" / "x.parquet"
        path.parent.mkdir()
        path.write_bytes(b"scores")
        seal(path)
        store.put(path)
        assert store.fetch(machine("two") / "data" / "x.parquet", print)
        assert sorted(contents(machine("two"))) == ["data/x.parquet", "data/x.parquet.checksum"]

    def test_what_nobody_has_put_is_not_there(self, store, machine):
        store.put(machine("one") / "data" / "nothing")
        assert not store.fetch(machine("two") / "data" / "nothing", print) and not contents(machine("two"))

    def test_content_is_kept_once_and_sent_once(self, store, machine, tmp_path):
        first, second = made(machine("one")), made(machine("one"), "other")
        store.put(first)
        blobs = sorted((tmp_path / "store" / "blobs").rglob("*/*"))
        times = [one.stat().st_mtime_ns for one in blobs]
        store.put(second)
        store.put(first)
        assert len(blobs) == 2 and sorted((tmp_path / "store" / "blobs").rglob("*/*")) == blobs
        assert [one.stat().st_mtime_ns for one in blobs] == times

    def test_what_was_broken_off_is_not_there_and_is_put_again(self, store, machine, tmp_path, monkeypatch):
        folder = made(machine("one"))
        with monkeypatch.context() as broken:
            broken.setattr(store._files, "pipe_file", lambda *_: (_ for _ in ()).throw(ConnectionError("reset by peer")))
            with pytest.raises(
                OSError, match=r"store file://.*key is here, but could not be put there \(ConnectionError: reset"
            ):
                store.put(folder)
        machine("two")
        assert not store.fetch(folder, print) and not folder.exists()
        assert not list(tmp_path.rglob("*.partial"))
        machine("one")
        store.put(folder)
        machine("two")
        assert store.fetch(folder, print)

    def test_a_damaged_file_counts_as_not_there_and_is_sent_anew(self, store, machine, tmp_path):
        folder, told = made(machine("one")), []
        store.put(folder)
        (blob,) = [one for one in (tmp_path / "store" / "blobs").rglob("*/*") if one.stat().st_size == 2000]
        blob.write_bytes(b"\0" * 2000)
        machine("two")
        assert not store.fetch(folder, told.append) and not (folder / "model" / "weights").exists()
        assert told == [f"key is damaged in {store.address} (key/model/weights): it is made anew"]
        machine("one")
        store.put(folder)
        machine("two")
        assert store.fetch(folder, told.append) and (folder / "model" / "weights").read_bytes() == b"\0\1" * 1000

    @pytest.mark.parametrize("name", ["../notebooks/x.ipynb", "key/../../x", "other/weights", "/etc/x"])
    def test_a_manifest_that_names_other_places_is_refused(self, store, machine, name):
        folder = made(machine("one"))
        store.put(folder)
        store._files.pipe_file(store._place(folder), json.dumps({name: "0" * 64}).encode())
        with pytest.raises(ValueError, match="which is no part of key"):
            store.fetch(folder, print, anew=True)

    def test_what_is_here_stays_unless_it_is_asked_for_anew(self, store, machine):
        folder = made(machine("one"))
        store.put(folder)
        (folder / "history.json").write_text("[1]")
        assert store.fetch(folder, print) and (folder / "history.json").read_text() == "[1]"
        assert store.fetch(folder, print, anew=True) and (folder / "history.json").read_text() == "{}"

    @pytest.mark.parametrize("address", ["nowhere://bucket/kit", "s3:/x"])
    def test_an_address_of_no_known_kind_is_refused(self, machine, address):
        machine("one")
        with pytest.raises(ValueError, match=r"store is '.*': .* give an address such as s3://bucket/kit"):
            Store(address)

    def test_a_place_that_nobody_can_write_to_is_told_at_once(self, machine, tmp_path):
        (tmp_path / "store").write_text("a file")
        with pytest.raises(OSError, match="nobody can write there"):
            Store(f"file://{tmp_path}/store")


def train(job, log):
    """A job that makes a folder once; its line is what it found."""
    log("found" if job.exists() else "made")
    job.mkdir(parents=True, exist_ok=True)
    (job / "model").write_text("weights")


class Elsewhere:
    """A cluster of one machine with a folder of its own, whose orders are done when they are asked for."""

    def __init__(self, machine):
        self.machine = machine

    def submit(self, order):
        return order

    def ended(self, handles, wait_s):
        self.machine("two")
        outcomes = {number: order() for number, order in handles.items()}
        self.machine("one")
        return outcomes

    def cancel(self, handles):
        assert not handles


class TestJobs:
    def test_go_through_the_store_where_machines_share_no_folder(self, machine, store, monkeypatch):
        home, told = machine("one"), []
        monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))  # so that a process finds this module
        job = home / "data" / "cache" / "training" / "key"
        log = home / "data" / "cache" / "jobs" / "now" / "0.log"
        log.parent.mkdir(parents=True)
        shared = SharedJob(train, job, (job,), store.address)
        for _ in range(2):  # the second time the machine that does it has lost all
            order = Order(do_shared, shared, log, 1, store.address)
            follow(Elsewhere(machine), {0: order}, lambda *one: told.append(one[1:]))
            assert not job.exists() and store.fetch(job, print) and (job / "model").read_text() == "weights"
            shutil.rmtree(job)
            machine("two")
            shutil.rmtree(job)
            machine("one")
            store.forget(log.parent)
            log.unlink()
        processes.dismiss_all()
        told = [text for word, text in told if word == "line"]
        assert told == ["made", f"key: 1 file(s) came from {store.address}", "found"]

    def test_a_machine_without_the_folder_asks_for_a_store(self, machine):
        word, why = Order(train, None, machine("one") / "none" / "0.log", 1)()
        assert word == "failed" and "give all machines the project's folder at one path, or a --store" in why

    def test_a_store_that_is_not_reached_fails_the_job(self, machine):
        word, why = Order(train, None, machine("one") / "none" / "0.log", 1, "nowhere://x")()
        assert word == "failed" and "store is 'nowhere://x'" in why

    def test_what_a_job_starts_knows_the_store(self, machine, store, monkeypatch):
        monkeypatch.delenv(VARIABLE, raising=False)
        (machine("one") / "logs").mkdir()
        monkeypatch.setattr("kit.core.engines.order.run_all", lambda *_, **__: None)
        assert Order(train, None, machine("one") / "logs" / "0.log", 1, store.address)() == ("done", "")
        assert chosen() == Engine(store=store.address)
