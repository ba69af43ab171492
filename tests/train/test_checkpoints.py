"""What a training does with half a checkpoint, one of another recipe, and numbers that are not finite."""

from __future__ import annotations

import pickle
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from sentence_transformers import SentenceTransformer
from test_trainer import (
    CONFIG,
    CORPUS,
    HYBRID,
    Interrupted,
    assert_same_weights,
    encoder,
    made_corpus,
    one_thread as one_thread,
    scripted,
    weights,
)

from kit.data.corpus import ParallelCorpus
from kit.train.checkpoints import checkpoints
from kit.train.losses import InfoNCE
from kit.train.samplers import Sampling
from kit.train.trainer import fine_tune

SEED = 3


def train(folder, name="static", seed=SEED, start=0, corpora=(CORPUS,), sampling=HYBRID, stop_at=None, said=None, **changes):
    """The trained weights, and the history as text: the order of its keys counts; stopped at line ``stop_at``."""
    lines = [] if said is None else said

    def log(line):
        lines.append(line)
        if line.count("update") and sum("update" in one for one in lines) == stop_at:
            raise Interrupted

    model = encoder(name, seed=start) if isinstance(name, str) else name
    history = fine_tune(model, list(corpora), sampling, CONFIG.changed(**changes), folder, seed, log=log)
    return weights(model), str(history)


def stopped(folder, **options):
    """A folder with the checkpoints of updates 3 and 6, of 12."""
    with pytest.raises(Interrupted):
        train(folder, stop_at=3, **options)
    assert [path.name for path in checkpoints(folder)] == ["checkpoint-3", "checkpoint-6"]
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return train(tmp_path_factory.mktemp("whole"))


@pytest.fixture(scope="module")
def half(tmp_path_factory):
    return stopped(tmp_path_factory.mktemp("half"))


@pytest.fixture
def parts(half, tmp_path):
    return Path(shutil.copytree(half, tmp_path / "parts"))


DAMAGES = {
    "missing": Path.unlink,
    "empty": lambda file: file.write_bytes(b""),
    "half": lambda file: file.write_bytes(file.read_bytes()[: file.stat().st_size // 2]),
    "pickle": lambda file: file.write_bytes(pickle.dumps({})),
}


class TestDamage:
    @pytest.mark.parametrize(
        ("name", "how"),
        [
            ("trained.pt", "half"),
            ("optimizer.pt", "missing"),
            ("scheduler.pt", "pickle"),
            ("rng_state.pth", "missing"),
            ("trainer_state.json", "half"),
            ("recipe.json", "empty"),
            ("checksums.json", "half"),
            ("checksums.json", "missing"),
        ],
    )
    def test_the_checkpoint_before_a_damaged_one_is_taken(self, parts, whole, name, how):
        said = []
        DAMAGES[how](parts / "checkpoint-6" / name)
        trained, history = train(parts, said=said)
        assert said[0].startswith("checkpoint-6 is passed over: ") and name in said[0]
        assert [line.split()[2] for line in said[1:-1]] == ["6/12", "9/12", "12/12"]
        assert history == whole[1] and not checkpoints(parts)
        assert_same_weights(trained, whole[0])

    def test_without_a_whole_one_the_training_starts_anew(self, parts, whole):
        said = []
        for checkpoint in checkpoints(parts):
            (checkpoint / "optimizer.pt").unlink()
        trained, history = train(parts, said=said)
        assert [line.split(":")[0] for line in said[:2]] == ["checkpoint-6 is passed over", "checkpoint-3 is passed over"]
        assert said[2] == f"no checkpoint in {parts} is whole: the training starts anew" and "3/12" in said[3]
        assert history == whole[1]
        assert_same_weights(trained, whole[0])

    def test_a_folder_of_another_name_is_not_touched(self, parts, whole):
        (parts / "checkpoint-x").mkdir()
        assert train(parts)[1] == whole[1]
        assert (parts / "checkpoint-x").is_dir()

    def test_early_stopping_needs_its_best_checkpoint(self, tmp_path):
        """The best is that of update 3, and it is damaged: those after it are of no use."""
        said, config = [], CONFIG.changed(patience=3)
        with pytest.raises(Interrupted):
            fine_tune(encoder(), [CORPUS], HYBRID, config, tmp_path, SEED, scripted([0.9, 0.1, 0.1, 0.1], stop_at=3))
        assert [path.name for path in checkpoints(tmp_path)] == ["checkpoint-3", "checkpoint-6", "checkpoint-9"]
        (tmp_path / "checkpoint-3" / "rng_state.pth").unlink()
        fine_tune(encoder(), [CORPUS], HYBRID, config, tmp_path, SEED, scripted([0.9, 0.1, 0.1, 0.1]), said.append)
        assert said[3] == f"no checkpoint in {tmp_path} is whole: the training starts anew"

    def test_the_best_checkpoint_is_found_in_a_folder_that_was_moved(self, tmp_path):
        shown, config, scores = [], CONFIG.changed(patience=3), [0.9, 0.1, 0.1, 0.1]
        with pytest.raises(Interrupted):
            validation = scripted(scores, stop_at=3, weights_at=shown)
            fine_tune(encoder(), [CORPUS], HYBRID, config, tmp_path / "old", SEED, validation, lambda line: None)
        (tmp_path / "old").rename(tmp_path / "new")
        model = encoder()
        fine_tune(model, [CORPUS], HYBRID, config, tmp_path / "new", SEED, scripted(scores[3:]), lambda line: None)
        assert_same_weights(weights(model), shown[0])

    def test_a_full_disk_is_named_and_room_is_enough(self, tmp_path, monkeypatch, whole):
        with monkeypatch.context() as full:

            def refuse(path):
                raise OSError(28, "No space left on device", str(path))

            full.setattr("kit.train.checkpoints.seal", refuse)
            with pytest.raises(OSError, match=r"checkpoint-3: not written \(OSError: .*No space.*\): make room"):
                train(tmp_path)
        said = []
        assert train(tmp_path, said=said)[1] == whole[1]
        assert "checkpoint-3 is passed over" in said[0]


class TestRecipe:
    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"learning_rate": 0.01}, "learning_rate (there 0.001, here 0.01)"),
            ({"seed": 7}, "seed (there 3, here 7)"),
            ({"sampling": Sampling.parse("X-Y")}, "sampling (there 'Hybrid', here 'X-Y')"),
            ({"start": 1}, "start model (there "),
            ({"corpora": [made_corpus(n_groups=9)]}, "data (there "),
        ],
    )
    def test_a_checkpoint_of_another_one_is_refused_and_kept(self, parts, changes, words):
        with pytest.raises(ValueError, match=re.escape(f"checkpoint-6 is of a training that differs in {words}")):
            train(parts, **changes)
        assert len(checkpoints(parts)) == 2 and not (parts / "model").exists()

    def test_equal_rows_are_the_same_data_however_they_were_read(self, parts, whole, tmp_path):
        CORPUS.write(tmp_path / "made.jsonl")
        corpus = ParallelCorpus.read(tmp_path / "made.jsonl")
        assert train(parts, corpora=[corpus])[1] == whole[1]


class TestNotFinite:
    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_a_loss_stops_the_run_where_it_occurs(self, tmp_path, monkeypatch, value):
        steps, forward = iter(range(1, 99)), InfoNCE.forward
        poisoned = lambda self, *columns: forward(self, *columns) * (value if next(steps) == 5 else 1.0)
        monkeypatch.setattr(InfoNCE, "forward", poisoned)
        with pytest.raises(
            ValueError, match=rf"update 5 of 12: the loss is {value}, at a learning rate of .*: lower learning_"
        ):
            train(tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-3"]

    def test_a_weight_is_saved_nowhere(self, tmp_path, monkeypatch):
        """The gradient of one number overflows, at the last update, in a row that no later batch would ask for."""
        step = torch.optim.AdamW.step
        steps = iter(range(1, 99))

        def poisoned(self, *arguments, **options):
            result = step(self, *arguments, **options)
            if next(steps) == 12:
                self.param_groups[0]["params"][0].data[0, 0] = float("nan")
            return result

        monkeypatch.setattr(torch.optim.AdamW, "step", poisoned)
        with pytest.raises(ValueError, match=r"update 12 of 12: not all numbers of 0\.embedding\.weight are finite"):
            train(tmp_path)
        assert {path.name for path in tmp_path.iterdir()} == {"checkpoint-6", "checkpoint-9"}


class TestPrecision:
    @pytest.mark.parametrize(
        ("name", "dtype"), [("tiny", torch.bfloat16), ("tiny", torch.float16), ("static", torch.bfloat16)]
    )
    def test_half_a_precision_is_trained_as_float32(self, tmp_path, name, dtype):
        """Both start from the rounded weights, so that they have to end with the same ones."""
        encoder(name).to(dtype).save_pretrained(str(tmp_path / "half"))
        SentenceTransformer(str(tmp_path / "half"), device="cpu").float().save_pretrained(str(tmp_path / "float32"))
        trained = {}
        for kind in ("half", "float32"):
            model = SentenceTransformer(str(tmp_path / kind), device="cpu")
            if kind == "half":
                assert next(model.parameters()).dtype == dtype
            trained[kind] = train(tmp_path / f"run-{kind}", model, learning_rate=3e-5)
        assert trained["half"][1] == trained["float32"][1]
        assert_same_weights(trained["half"][0], trained["float32"][0])
        saved = weights(SentenceTransformer(str(tmp_path / "run-half" / "model"), device="cpu"))
        assert_same_weights(saved, trained["float32"][0])
        assert {weight.dtype for weight in saved.values()} == {torch.float32}


def test_a_dozen_and_more_faults_come_to_a_good_end():
    """The quick run of the benchmark: processes killed, files damaged, disks full."""
    command = [sys.executable, "benchmarks/damage.py", "--quick"]
    home = Path(__file__).resolve().parents[2]
    ended = subprocess.run(command, cwd=home, capture_output=True, text=True, timeout=500, check=False)
    rows = [line.split("|")[1:-1] for line in ended.stdout.splitlines() if line.startswith("|")][2:]
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert sum(int(row[1]) for row in rows) >= 12 and {int(row[4]) for row in rows} == {0}
