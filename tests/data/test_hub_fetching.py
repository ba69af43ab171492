"""Downloads from a hub on this machine: whole or not at all, continued where they stopped, alone, and told what is wrong."""

from __future__ import annotations

import errno
import hashlib
import json
import random
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
import yaml
from fake_hub import FakeHub, card, packed, parquet

from kit.core.fingerprints import fingerprint
from kit.data.hub import fetching, getting, remote
from kit.data.hub.getting import forget, get, verify
from kit.data.hub.record import Record
from kit.data.registry import load_corpus
from kit.run.cli import commands

HERE = Path(__file__).resolve().parents[2]
PAIRS = [{"query": f"Who is {n}?", "answer": f"Person {n}."} for n in range(200)]
KNOWN = {"what": "pairs", "licence": "mit", "citation": "somebody", "layout": "pairs", "splits": ["train"]}
CONTENT = random.Random(0).randbytes(30_000)


@pytest.fixture
def hub(hub, monkeypatch):
    """The server, forgetful, asked in small parts by who does not wait."""
    for name in ("repositories", "branches", "plain", "cuts", "statuses", "sent", "asked"):
        getattr(hub, name).clear()
    hub.sends_parts = True
    monkeypatch.setattr(fetching, "PAUSE_S", 0)
    monkeypatch.setattr(fetching, "_CHUNK", 100)
    return hub


def listed(tmp_path, **sets: dict) -> None:
    (tmp_path / "data" / "hub.yaml").write_text(yaml.safe_dump({name: KNOWN | one for name, one in sets.items()}))


@pytest.fixture
def pairs(hub, tmp_path) -> FakeHub:
    """A set of pairs with a card, in one Parquet file."""
    files = {"pair/train-00000-of-00001.parquet": parquet(PAIRS), "README.md": card({"pair": {"train": "pair/train-*"}})}
    home = hub.add("me/pairs", files)
    listed(tmp_path, pairs={"home": home, "files": {"rows": {"config": "pair"}}, "columns": {"passage": "answer"}})
    return hub


@pytest.fixture
def two(pairs, tmp_path) -> FakeHub:
    """The same under two names; the second is for no commercial use."""
    one = {"home": f"hf:me/pairs@{'a' * 40}", "files": {"rows": {"config": "pair"}}, "columns": {"passage": "answer"}}
    listed(tmp_path, pairs=one, others=one | {"licence": "cc-by-nc-4.0"})
    return pairs


@pytest.fixture
def plain(hub, tmp_path):
    """One file of a plain address, whose checksum nobody tells; what fetches it."""
    hub.plain["somewhere.org/data.bin"] = CONTENT
    return remote.Remote("data.bin", f"{hub.url}/somewhere.org/data.bin"), tmp_path / "here" / "data.bin"


class TestWhole:
    def test_a_file_comes_as_it_is(self, hub, plain):
        got = fetching.fetch(*plain)
        assert plain[1].read_bytes() == CONTENT
        assert got == {"sha256": hashlib.sha256(CONTENT).hexdigest(), "bytes": len(CONTENT)}
        assert [path.name for path in plain[1].parent.iterdir()] == ["data.bin"]  # nothing half is left

    @pytest.mark.parametrize("kind", ["md5", "sha256", "git"])
    def test_a_checksum_that_is_told_is_compared(self, hub, plain, kind):
        right = {"git": hashlib.sha1(b"blob %d\0" % len(CONTENT) + CONTENT).hexdigest()}
        right |= {name: hashlib.new(name, CONTENT).hexdigest() for name in ("md5", "sha256")}
        one, path = plain
        fetching.fetch(remote.Remote(one.path, one.url, "", ((kind, right[kind]),), len(CONTENT)), path)
        path.unlink()
        wrong = "0" * len(right[kind])
        with pytest.raises(ValueError, match=f"expected {kind} {wrong}, got {right[kind]}"):
            fetching.fetch(remote.Remote(one.path, one.url, "", ((kind, wrong),), len(CONTENT)), path)
        assert list(path.parent.iterdir()) == []  # what was wrong is not continued

    def test_another_size_than_told(self, hub, plain):
        one, path = plain
        with pytest.raises(ValueError, match=r"expected bytes 5, got 30000"):
            fetching.fetch(remote.Remote(one.path, one.url, n_bytes=5), path)


class TestInterrupted:
    def test_goes_on_at_any_place(self, hub, plain):
        cuts = sorted(random.Random(1).sample(range(100, len(CONTENT), 100), 4))
        hub.cuts[:] = [later - earlier + 50 for earlier, later in zip([0, *cuts], cuts)]  # in the middle of a chunk
        said = []
        fetching.fetch(*plain, said.append)
        assert plain[1].read_bytes() == CONTENT and len(said) == 4
        assert [wanted for _, wanted in hub.asked] == ["", *(f"bytes={cut}-" for cut in cuts)]

    @pytest.mark.parametrize("seed", range(5))
    def test_the_next_process_goes_on(self, hub, plain, seed, monkeypatch):
        cut = random.Random(seed).randrange(100, len(CONTENT), 100)
        hub.cuts[:] = [cut]
        monkeypatch.setattr(fetching, "ATTEMPTS", 1)
        with pytest.raises(ValueError, match=rf"connection lost 1 times.*{cut:,} bytes are kept; the same command goes on"):
            fetching.fetch(*plain)
        assert not plain[1].exists()
        fetching.fetch(*plain)
        assert plain[1].read_bytes() == CONTENT and hub.asked[-1][1] == f"bytes={cut}-"

    @pytest.mark.parametrize(("told", "asked"), [(len(CONTENT), [""]), (None, ["", f"bytes={len(CONTENT)}-"])])
    def test_killed_after_the_last_byte(self, hub, plain, told, asked, monkeypatch):
        one, path = replace(plain[0], n_bytes=told), plain[1]
        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                fetching.fetch(one, path)
        said = []
        assert fetching.fetch(one, path, said.append)["bytes"] == len(CONTENT)
        assert path.read_bytes() == CONTENT and [wanted for _, wanted in hub.asked] == asked and not said

    def test_whole_but_of_another_content_is_thrown_away(self, hub, plain):
        one, path = replace(plain[0], n_bytes=len(CONTENT), checks=(("md5", hashlib.md5(CONTENT).hexdigest()),)), plain[1]
        path.parent.mkdir()
        fetching._Download(one, path.with_name(f".{path.name}.{fingerprint(one.url)[:8]}.part")).part.write_bytes(
            CONTENT[::-1]
        )
        with pytest.raises(ValueError, match=r"expected md5 .* what came is thrown away; try again"):
            fetching.fetch(one, path)
        assert fetching.fetch(one, path)["bytes"] == len(CONTENT)

    def test_a_server_without_parts_begins_again(self, hub, plain):
        hub.cuts[:], hub.sends_parts = [1000], False
        fetching.fetch(*plain, lambda line: None)
        assert plain[1].read_bytes() == CONTENT and len(hub.asked) == 2

    def test_content_that_changed_meanwhile_is_not_mixed(self, hub, plain):
        hub.cuts[:] = [1000]
        other = bytes(reversed(CONTENT))
        fetching.fetch(*plain, lambda line: hub.plain.update({"somewhere.org/data.bin": other}))
        assert plain[1].read_bytes() == other

    def test_more_has_come_than_there_is_now(self, hub, plain):
        hub.cuts[:] = [1000]
        fetching.fetch(*plain, lambda line: hub.plain.update({"somewhere.org/data.bin": b"short"}))
        assert plain[1].read_bytes() == b"short"

    def test_a_server_that_is_busy_is_asked_again(self, hub, plain):
        hub.statuses[:] = [503, 429]
        fetching.fetch(*plain, lambda line: None)
        assert plain[1].read_bytes() == CONTENT

    @pytest.mark.parametrize(
        ("status", "message"), [(404, "not there any more"), (401, "wants a token"), (403, "wants a token")]
    )
    def test_a_server_that_refuses_is_not(self, hub, plain, status, message):
        hub.statuses[:] = [status]
        with pytest.raises(ValueError, match=rf"says {status} .*{message}"):
            fetching.fetch(*plain)
        assert len(hub.asked) == 1

    def test_nobody_answers(self, tmp_path, monkeypatch):
        monkeypatch.setattr(fetching, "PAUSE_S", 0)
        with pytest.raises(ValueError, match="connection lost 6 times in a row"):
            fetching.fetch(remote.Remote("x", "http://127.0.0.1:9/x"), tmp_path / "x", lambda line: None)


class TestFullDisk:
    def test_is_told_before_a_byte_is_written(self, hub, plain, monkeypatch):
        usage = type("Usage", (), {"free": 10})
        monkeypatch.setattr(fetching.shutil, "disk_usage", lambda path: usage)
        with pytest.raises(ValueError, match=r"the disk is full: 30,000 more bytes are to come of data.bin; make room"):
            fetching.fetch(*plain)

    def test_is_told_where_it_fills_up_meanwhile(self, hub, plain, monkeypatch):
        append = fetching._append

        def full(file, chunk):
            if file.tell() >= 1000:
                raise OSError(errno.ENOSPC, "No space left on device")
            append(file, chunk)

        with monkeypatch.context() as patch:
            patch.setattr(fetching, "_append", full)
            with pytest.raises(ValueError, match=r"the disk is full: 29,000 more bytes"):
                fetching.fetch(*plain)
        fetching.fetch(*plain)
        assert plain[1].read_bytes() == CONTENT and hub.asked[-1][1] == "bytes=1000-"


class TestASet:
    def test_is_got_once_and_read(self, pairs):
        get("pairs", log=lambda line: None)
        assert load_corpus("hub:pairs").table.num_rows == 200
        n_requests = pairs.n_requests
        get("pairs", log=lambda line: None)
        assert pairs.n_requests == n_requests  # what is here is not asked for

    def test_offline_nothing_calls_out(self, pairs, monkeypatch):
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        n_requests = pairs.n_requests
        with pytest.raises(ValueError, match="HF_HUB_OFFLINE is set"):
            get("pairs")
        assert pairs.n_requests == n_requests
        monkeypatch.delenv("HF_HUB_OFFLINE")
        get("pairs", log=lambda line: None)
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        n_requests = pairs.n_requests
        get("pairs")
        assert len(load_corpus("hub:pairs")) == 200 and pairs.n_requests == n_requests

    def test_what_is_missing_names_the_command(self, pairs):
        with pytest.raises(ValueError, match=r"set 'pairs', en, train: not here: python -m kit data get pairs"):
            load_corpus("hub:pairs")

    def test_what_came_is_recorded(self, pairs):
        get("pairs", log=lambda line: None)
        ((name, told),) = Record.read("pairs").files.items()
        assert name == "pair/train-00000-of-00001.parquet" and told["commit"] == "a" * 40
        assert told["sha256"] == hashlib.sha256(parquet(PAIRS)).hexdigest()

    def test_two_processes_get_it_once(self, pairs):
        command = [sys.executable, "-m", "kit", "data", "get", "pairs"]
        started = [subprocess.Popen(command, cwd=HERE, stdout=subprocess.DEVNULL) for _ in range(2)]
        assert [process.wait(60) for process in started] == [0, 0]
        asked = Counter(path.rpartition("/")[2] for path, _ in pairs.asked)
        assert asked["train-00000-of-00001.parquet"] == 1 and len(load_corpus("hub:pairs")) == 200

    def test_a_wrong_byte_on_the_way_is_seen(self, pairs):
        pairs.sent["train-00000-of-00001.parquet"] = b"x" * len(parquet(PAIRS))
        with pytest.raises(ValueError, match=r"expected sha256 .* got"):
            get("pairs")
        pairs.sent.clear()
        get("pairs", log=lambda line: None)

    def test_a_column_that_changed(self, pairs, tmp_path):
        home = pairs.add("me/pairs", {"pair/train-0.parquet": parquet([{"question": "Q", "answer": "A"}])}, "b" * 40)
        listed(tmp_path, pairs={"home": home, "files": {"rows": {"config": "pair"}}, "columns": {"passage": "answer"}})
        with pytest.raises(ValueError, match=r"expected column 'query', got answer, question: set 'pairs' has another form"):
            get("pairs", log=lambda line: None)
        assert not list((tmp_path / "data" / "hub" / "pairs").glob("tables/*/*/*"))

    @pytest.mark.parametrize("field", ["rows", "file_rows"])
    def test_other_rows_than_expected(self, pairs, tmp_path, field):
        told = {"rows": {"corpus": 7}, "file_rows": {"rows": {"en": 7}}}[field]
        home, files = f"hf:me/pairs@{'a' * 40}", {"rows": {"config": "pair"}}
        listed(tmp_path, pairs={"home": home, "files": files, "columns": {"passage": "answer"}, field: told})
        with pytest.raises(ValueError, match=r"expected 7 rows of (corpus|rows), got 200.*mend its rows there"):
            get("pairs", log=lambda line: None)

    def test_damage_is_found_and_mended(self, pairs):
        get("pairs", log=lambda line: None)
        assert [problem for *_, problem in verify("pairs")] == ["", ""]
        file = Record.read("pairs").path("pair/train-00000-of-00001.parquet")
        file.write_bytes(b"x" * file.stat().st_size)
        (set_id, name, problem), _ = verify("pairs")
        assert problem.startswith("damaged: expected sha256")
        forget(set_id, name)
        get("pairs", log=lambda line: None)
        assert [problem for *_, problem in verify()] == ["", ""]

    def test_a_new_revision_is_got_anew(self, pairs, tmp_path):
        get("pairs", log=lambda line: None)
        home = pairs.add("me/pairs", {"pair/train-0.parquet": parquet(PAIRS[:9])}, "b" * 40)
        listed(tmp_path, pairs={"home": home, "files": {"rows": {"config": "pair"}}, "columns": {"passage": "answer"}})
        with pytest.raises(ValueError, match="not here: python -m kit data get pairs"):
            load_corpus("hub:pairs")
        get("pairs", log=lambda line: None)
        assert len(load_corpus("hub:pairs")) == 9


class TestRevisions:
    FILES: ClassVar = {"rows": {"path": "data/*.jsonl.gz"}}
    CONTENT: ClassVar = {"data/0.jsonl.gz": packed(b"".join(json.dumps(row).encode() + b"\n" for row in PAIRS))}

    def get(self, tmp_path, home):
        listed(tmp_path, one={"home": home, "files": self.FILES, "columns": {"passage": "answer"}})
        get("one", log=lambda line: None)
        return {told["commit"] for told in Record.read("one").files.values()}

    def test_an_abbreviated_one_is_completed(self, hub, tmp_path):
        hub.add("me/old", {}, "c" * 40)
        hub.add("me/old", self.CONTENT, "f9e894e" + "1" * 33)
        assert self.get(tmp_path, "hf:me/old@f9e894e") == {"f9e894e" + "1" * 33}

    def test_an_abbreviated_one_that_is_not_there(self, hub, tmp_path):
        hub.add("me/old", self.CONTENT, "c" * 40)
        with pytest.raises(ValueError, match="0 of 1 commits begin with f9e894e: one should"):
            self.get(tmp_path, "hf:me/old@f9e894e")

    def test_of_a_branch_the_commit_is_recorded(self, hub, tmp_path):
        hub.add("me/moving", self.CONTENT, "d" * 40)
        assert self.get(tmp_path, "hf:me/moving@main") == {"d" * 40}

    def test_of_a_branch_on_github(self, hub, tmp_path):
        hub.branches["me/code", "master"] = "e" * 40
        hub.plain[f"raw.githubusercontent.com/me/code/{'e' * 40}/data/0.jsonl"] = json.dumps(PAIRS[0]).encode() + b"\n"
        listed(
            tmp_path,
            one={
                "home": "github:me/code@master",
                "files": {"rows": {"path": "data/0.jsonl"}},
                "columns": {"passage": "answer"},
            },
        )
        get("one", log=lambda line: None)
        assert Record.read("one").files["data/0.jsonl"]["commit"] == "e" * 40

    def test_no_such_revision_or_repository(self, hub, tmp_path):
        with pytest.raises(ValueError, match=r"me/none at cccccccccccc: no answer that can be used"):
            self.get(tmp_path, f"hf:me/none@{'c' * 40}")

    def test_no_such_file_tells_those_there_are(self, hub, tmp_path):
        home = hub.add("me/other", {"corpus.jsonl": b""})
        with pytest.raises(ValueError, match=r"expected a file data/\*.jsonl.gz in .*me/other.* which holds 'corpus.jsonl'"):
            self.get(tmp_path, home)


class TestCards:
    def get(self, tmp_path, home, **file):
        listed(tmp_path, one={"home": home, "files": {"rows": file}, "columns": {"passage": "answer"}})
        get("one", log=lambda line: None)
        return load_corpus("hub:one")

    def test_the_only_split_is_meant(self, hub, tmp_path):
        home = hub.add("me/x", {"README.md": card({"c": {"corpus": "x.parquet"}}), "x.parquet": parquet(PAIRS)})
        assert len(self.get(tmp_path, home, config="c")) == 200

    def test_the_first_of_several_names_that_there_is(self, hub, tmp_path):
        home = hub.add("me/x", {"README.md": card({"qrels": {"train": "x.parquet"}}), "x.parquet": parquet(PAIRS)})
        assert len(self.get(tmp_path, home, config="default|qrels")) == 200

    def test_without_a_card_the_folder_of_the_name(self, hub, tmp_path):
        home = hub.add("me/x", {"data/train-0.parquet": parquet(PAIRS[:5]), "data/train-1.parquet": parquet(PAIRS[5:])})
        assert len(self.get(tmp_path, home, config="default")) == 200

    def test_another_configuration(self, hub, tmp_path):
        home = hub.add("me/x", {"README.md": card({"pair-class": {"train": "*.parquet"}}), "a.parquet": parquet(PAIRS)})
        with pytest.raises(ValueError, match=r"expected a configuration 'pair' .* whose card names 'pair-class'"):
            self.get(tmp_path, home, config="pair")

    def test_another_split(self, hub, tmp_path):
        home = hub.add("me/x", {"README.md": card({"pair": {"dev": "a*", "test": "a*"}}), "a.parquet": parquet(PAIRS)})
        with pytest.raises(ValueError, match=r"expected a split 'train' of 'pair' .* which has 'dev', 'test'"):
            self.get(tmp_path, home, config="pair")


class TestCommands:
    def test_list_get_verify_licence(self, pairs, capsys):
        assert commands.main(["data", "list"]) == 0
        assert "hub:pairs" in capsys.readouterr().out
        assert commands.main(["data", "get", "pairs"]) == 0
        said = capsys.readouterr().out
        assert (
            said.index("licence: mit") < said.index("train-00000-of-00001.parquet") < said.index("pairs is ready: hub:pairs")
        )
        assert commands.main(["data", "verify"]) == 0 and commands.main(["data", "verify", "pairs"]) == 0
        assert "1 files are as they came, 1 tables as they were made of them" in capsys.readouterr().out
        assert commands.main(["data", "licence", "pairs"]) == 0
        assert capsys.readouterr().out.splitlines()[1:3] == ["licence: mit", "citation: somebody"]

    def test_damage_is_told_and_taken_away(self, pairs, capsys):
        get("pairs", log=lambda line: None)
        file = Record.read("pairs").path("pair/train-00000-of-00001.parquet")
        file.write_bytes(b"x")
        assert commands.main(["data", "verify"]) == 1 and not file.exists()
        assert "get them again: python -m kit data get pairs" in capsys.readouterr().err

    def test_a_damaged_table_is_made_again(self, pairs, capsys):
        get("pairs", log=lambda line: None)
        shard = Record.read("pairs").table("en/corpus/train") / "00000.arrow"
        right = shard.read_bytes()
        place = right.index(b"Person 7")
        shard.write_bytes(right[:place] + b"Person 8" + right[place + 8 :])
        assert commands.main(["data", "verify", "pairs"]) == 1 and not shard.exists()
        said = capsys.readouterr()
        assert (
            "pairs: tables/en/corpus/train/00000.arrow: damaged: expected sha256" in said.out
            and "1 of 2 files are damaged" in said.err
        )
        asked = len(pairs.asked)
        assert commands.main(["data", "get", "pairs"]) == 0 and len(pairs.asked) == asked
        assert shard.read_bytes() == right and commands.main(["data", "verify"]) == 0

    def test_a_disk_that_is_full_while_tables_are_made(self, pairs, monkeypatch, capsys):
        def full(*_):
            raise OSError(errno.ENOSPC, "Error writing bytes to file")

        with monkeypatch.context() as patch:
            patch.setattr("kit.data.hub.shards._write_shard", full)
            assert commands.main(["data", "get", "pairs"]) == 1
        folder = Record.read("pairs").folder
        assert f"kit: {folder}: the disk is full: make room, and the same command goes on" in capsys.readouterr().err
        assert [path for path in (folder / "tables").rglob("*") if path.is_file()] == []
        assert commands.main(["data", "get", "pairs"]) == 0 and len(load_corpus("hub:pairs")) == 200

    @pytest.mark.parametrize("licence", ["cc-by-nc-4.0", "msr-la-nc", "mit; texts for non-commercial research"])
    def test_no_commercial_use_is_agreed_to(self, pairs, tmp_path, capsys, licence):
        home, files = f"hf:me/pairs@{'a' * 40}", {"rows": {"config": "pair"}}
        listed(tmp_path, pairs={"home": home, "files": files, "columns": {"passage": "answer"}, "licence": licence})
        assert commands.main(["data", "get", "pairs"]) == 1
        said = capsys.readouterr()
        assert "NON-COMMERCIAL" in said.out and "agree to it with --yes" in said.err and not pairs.asked
        assert commands.main(["data", "get", "pairs", "--yes"]) == 0

    def test_what_is_not_pinned_is_marked(self, pairs, tmp_path, capsys):
        listed(tmp_path, pairs={"home": "hf:me/pairs@main", "files": {"rows": {"config": "pair"}}})
        assert commands.main(["data", "list"]) == 0 and "not pinned" in capsys.readouterr().out
        assert commands.main(["data", "licence", "pairs"]) == 0 and "NOT PINNED" in capsys.readouterr().out

    def test_what_a_profile_reads_is_got_by_one_command(self, two, tmp_path, capsys):
        params = tmp_path / "notebooks" / "params"
        params.mkdir(parents=True)
        said = {
            "train": ["hub:pairs"],
            "test": "hub:others?language=en",
            "tests": ["jsonl:mine.jsonl", "atlas"],
            "seeds": [0],
        }
        (params / "big.yaml").write_text(yaml.safe_dump(said), encoding="utf-8")
        assert commands.main(["data", "get", "--profile", "big", "--yes"]) == 0
        told = capsys.readouterr().out.splitlines()
        assert told[0] == "jsonl:mine.jsonl: of no public set: its files are for you to bring"
        licences = [number for number, line in enumerate(told) if line.startswith("licence: ")]
        ready = [number for number, line in enumerate(told) if " is ready: hub:" in line]
        assert len(licences) == len(ready) == 2 and licences[1] < min(
            number for number, line in enumerate(told) if "sha256" in line
        )
        assert len(load_corpus("hub:others")) == 200

    def test_several_sets_are_agreed_to_before_any_is_got(self, two, capsys):
        assert commands.main(["data", "get", "pairs", "others"]) == 1
        assert "kit: set 'others': licensed for no commercial use: agree to it with --yes" in capsys.readouterr().err
        assert not two.asked
        assert commands.main(["data", "licence", "pairs", "others"]) == 0
        assert capsys.readouterr().out.count("licence: ") == 2

    @pytest.mark.parametrize(("answer", "status"), [("yes", 0), ("no", 1), ("", 1)])
    def test_a_person_is_asked(self, two, monkeypatch, capsys, answer, status):
        monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
        monkeypatch.setattr("builtins.input", lambda question: print(question) or answer)
        assert commands.main(["data", "get", "others"]) == status and bool(two.asked) == (not status)
        said = capsys.readouterr()
        assert "Use set 'others' for non-commercial purposes only?" in said.out
        assert ("not downloaded, since you do not agree" in said.err) == bool(status)

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            ("get", "give sets, or --profile NAME, one of the two"),
            ("get pairs --profile cpu", "give sets, or --profile NAME, one of the two"),
            ("get --profile small", "profile 'small' reads no public set: there is nothing to get for it"),
            ("get --profile small --languages de", "a profile names its languages itself: leave out --languages"),
            ("get --profile smal", "profile 'smal' is not known: choose from small (did you mean 'small'?)"),
            ("get pears", "no set 'pears' in data/hub.yaml (did you mean 'pairs'?)"),
            ("get pairs --languages de", "set 'pairs' has no 'de'"),
            ("verify pairs", "nothing of it is here: python -m kit data get pairs"),
        ],
    )
    def test_mistakes(self, pairs, tmp_path, capsys, words, message):
        (tmp_path / "notebooks" / "params").mkdir(parents=True)
        (tmp_path / "notebooks" / "params" / "small.yaml").write_text("train: [atlas]\n", encoding="utf-8")
        assert commands.main(["data", *words.split()]) == 1
        assert message in capsys.readouterr().err


def test_a_missing_file_of_a_set_names_its_command(hub, tmp_path):
    listed(
        tmp_path, medquad={"layout": "", "home": "hf:me/x@main", "place": "data/medquad/m.jsonl.gz", "read_as": "jsonl:x"}
    )
    with pytest.raises(ValueError, match=r"m.jsonl.gz does not exist: .*, or get it: python -m kit data get medquad"):
        load_corpus("jsonl:data/medquad/m.jsonl.gz")
    assert getting.command(getting.entry("medquad")) == "python -m kit data get medquad"
