"""A model is found, or what is wrong with it is said at once."""

from __future__ import annotations

import hashlib
import shutil
import time
from pathlib import Path

import huggingface_hub
import pytest

from kit.core.fingerprints import data_checksum
from kit.train.config import EncoderConfig
from kit.train.encoders.finding import find_model
from kit.train.encoders.loading import load_encoder
from kit.train.encoders.making import make_encoder

TEXTS = ["one two three", "four five six"] * 20


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    """A folder with a transformer and a static encoder."""
    folder = tmp_path_factory.mktemp("saved")
    for name in ("tiny", "static"):
        config = EncoderConfig(name=name, dimension=16, vocabulary_size=100, max_tokens=16)
        make_encoder(config, TEXTS, 0).save_pretrained(str(folder / name), create_model_card=False)
    return folder


@pytest.fixture
def copy(saved, tmp_path):
    def copied(name: str) -> Path:
        return Path(shutil.copytree(saved / name, tmp_path / name))

    return copied


class TestFolders:
    @pytest.mark.parametrize("name", ["tiny", "static"])
    def test_a_whole_model_is_on_this_machine(self, saved, name):
        assert find_model(str(saved / name)) is False

    @pytest.mark.parametrize(
        ("name", "file", "content", "told"),
        [
            ("tiny", "config.json", b'{"model_type": "xlm', "config.json is broken"),
            ("tiny", "config.json", None, "config.json is missing:"),
            ("tiny", "modules.json", b"[{", "modules.json is broken"),
            ("tiny", "tokenizer.json", b"\xff{}", "tokenizer.json is broken"),
            (
                "tiny",
                "model.safetensors",
                b"version https://git-lfs.github.com/spec/v1\n",
                "model.safetensors is broken or cut",
            ),
            ("static", "tokenizer.json", None, "tokenizer.json is missing:"),
        ],
    )
    def test_a_broken_or_missing_file_is_named(self, copy, name, file, content, told):
        folder = copy(name)
        path = next(folder.rglob(file))
        path.unlink()
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(ValueError, match=f"^{path.parent}/{told}.*save or download the model again$"):
            find_model(str(folder))

    def test_weights_that_are_cut_off(self, copy):
        path = copy("tiny") / "model.safetensors"
        path.write_bytes(path.read_bytes()[:-1])
        with pytest.raises(ValueError, match=f"^{path} is broken or cut off"):
            find_model(str(path.parent))

    def test_a_module_that_is_missing(self, copy):
        folder = copy("tiny")
        shutil.rmtree(folder / "1_Pooling")
        with pytest.raises(ValueError, match=r"holds half a model: its Pooling is missing, .*1_Pooling: save or download"):
            find_model(str(folder))

    def test_a_module_without_files_has_no_folder_on_the_hub(self, copy):
        folder = copy("tiny")
        shutil.rmtree(folder / "2_Normalize")
        find_model(str(folder))
        load_encoder(str(folder))

    def test_no_model_at_all(self, tmp_path):
        with pytest.raises(
            ValueError, match=r"holds no model, neither modules.json nor config.json: give the folder .* to$"
        ):
            find_model(str(tmp_path))

    def test_the_folder_around_a_model(self, saved, tmp_path):
        shutil.copytree(saved / "static", tmp_path / "run" / "model")
        with pytest.raises(ValueError, match=r"holds no model, .* such as .*run/model$"):
            find_model(str(tmp_path / "run"))

    def test_a_mistyped_path_names_the_nearest(self, saved):
        with pytest.raises(ValueError, match=r"there is no such folder.*did you mean '.*/static'\?"):
            find_model(str(saved / "statik"))

    def test_a_file_is_no_model(self, saved):
        with pytest.raises(ValueError, match="it is a file"):
            find_model(str(saved / "tiny" / "config.json"))


class TestKinds:
    def test_a_transformer_that_a_static_encoder_is_taken_out_of(self, saved):
        assert find_model(f"static:{saved / 'tiny'}") is False

    @pytest.mark.parametrize("model", ["", "static", "tiny", "static:tiny", "FOLDER/static"])
    def test_no_transformer_to_ask(self, saved, model):
        model = model.replace("FOLDER", str(saved))
        with pytest.raises(
            ValueError, match=f"^encoder 'static:{model}': '{model}' is no transformer .* write static:MODEL"
        ):
            find_model(f"static:{model}")

    def test_a_mistyped_model_is_told_like_any_other(self, saved):
        with pytest.raises(ValueError, match=r"there is no such folder.*did you mean '.*/tiny'\?"):
            find_model(f"static:{saved / 'tini'}")

    def test_a_folder_that_is_called_like_a_kind_is_a_folder(self, copy, monkeypatch):
        folder = copy("tiny")
        monkeypatch.chdir(folder.parent)
        folder.rename("static:tiny")
        assert find_model("static:tiny") is False
        assert load_encoder("static:tiny").encode(TEXTS[:1]).shape == (1, 16)


class TestHub:
    @pytest.fixture
    def cache(self, monkeypatch, tmp_path) -> Path:
        """A hub's cache with one model, asked by no one."""
        monkeypatch.delenv("SENTENCE_TRANSFORMERS_HOME", raising=False)
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
        snapshot = tmp_path / "models--sentence-transformers--small" / "snapshots" / "0123"
        snapshot.mkdir(parents=True)
        (snapshot / "config.json").write_text("{}")
        return tmp_path

    @pytest.fixture
    def asked(self, monkeypatch) -> list[str]:
        return []

    def _answer(self, monkeypatch, answer, asked: list) -> None:
        def model_info(self, repository, timeout):
            asked.append((repository, timeout))
            return answer(repository)

        monkeypatch.setattr(huggingface_hub.HfApi, "model_info", model_info)

    def test_made_here_is_asked_of_nobody(self, cache, monkeypatch, asked):
        self._answer(monkeypatch, lambda repository: None, asked)
        assert find_model("static") is find_model("tiny") is False and asked == []

    def test_the_hub_has_it(self, cache, monkeypatch, asked):
        self._answer(monkeypatch, lambda repository: None, asked)
        assert find_model("org/name") is True and asked == [("org/name", 5)]

    def test_it_lies_in_the_cache_of_a_machine_without_network(self, cache, monkeypatch, asked):
        def unreachable(repository):
            raise ConnectionError("no route")

        self._answer(monkeypatch, unreachable, asked)
        assert find_model("sentence-transformers/small") is find_model("small") is False
        with pytest.raises(
            ValueError, match=r"the hub cannot be reached: ConnectionError: no route.*'sentence-tr.*/small'\?"
        ):
            find_model("sentence-transformers/smal")
        assert len(asked) == 3  # once each

    def test_offline_nobody_is_asked(self, cache, monkeypatch, asked):
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
        self._answer(monkeypatch, lambda repository: None, asked)
        assert find_model("small") is False
        start = time.perf_counter()
        with pytest.raises(ValueError, match=r"HF_HUB_OFFLINE is set, .* \(did you mean 'static'\?\)"):
            find_model("statc")
        assert time.perf_counter() - start < 5 and asked == []


def test_a_snapshot_in_the_hubs_cache_is_a_folder_like_its_copy(saved, tmp_path):
    """Its files are links to ``../../blobs``."""
    snapshot = tmp_path / "models--me--thing" / "snapshots" / "tiny"
    blobs = tmp_path / "models--me--thing" / "blobs"
    blobs.mkdir(parents=True)
    for file in (path for path in (saved / "tiny").rglob("*") if path.is_file()):
        link, blob = snapshot / file.relative_to(saved / "tiny"), blobs / hashlib.sha1(file.read_bytes()).hexdigest()
        shutil.copy(file, blob)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(blob)
    assert data_checksum(snapshot) == data_checksum(saved / "tiny")
    find_model(str(snapshot))
    assert load_encoder(str(snapshot)).encode(TEXTS[:1]).shape == (1, 16)
