"""What a training costs: counted by hand, and kept beside the model."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
import torch
from test_trainer import CONFIG, CORPUS, HYBRID, Interrupted, encoder, one_thread as one_thread, scripted

from kit.train import cost as module
from kit.train.cost import Cost, Meter, peak_flops, stated_flops
from kit.train.encoders.trainable import training_only
from kit.train.trainer import fine_tune


def train(folder, model, log=lambda line: None, validation=None, **changes):
    return fine_tune(model, [CORPUS], HYBRID, CONFIG.changed(**changes), folder, 3, validation, log)


def kept(folder):
    return json.loads((folder / "cost.json").read_text(encoding="utf-8"))


@pytest.fixture
def clock(monkeypatch):
    """A clock that is set by hand."""
    now = SimpleNamespace(s=0.0)
    monkeypatch.setattr(module, "time", SimpleNamespace(perf_counter=lambda: now.s))
    return now


POOLER = 2 * 32 * 32 * 3
"""Operations of a map of the first token of each text, which the transformer has and nothing reads; they count."""


def one_pass(meter, model, text="一 一"):
    with meter.watching():
        model.train()
        (column,) = [model.preprocess([text, "一"])]
        model(column)["sentence_embedding"].sum().backward()
    return column["attention_mask"]


class TestCount:
    def test_time_is_that_of_updates_alone(self, clock):
        meter, event = Meter(encoder(), 7), (None, None, None)
        clock.s = 100
        meter.on_epoch_begin(*event)
        for step_s, other_s in ((9, 0), (2, 50), (4, 0), (3, 7)):
            clock.s += step_s
            meter.on_step_end(*event)
            clock.s += other_s
            (meter.on_evaluate if other_s == 50 else meter.on_save)(*event)
        found = meter.cost(torch.float32)
        assert (found.updates, found.update_s, found.pairs_per_s) == (4, 3.5, 2.0)  # the median of 9, 2, 4, 3; batches of 7

    def test_padding_and_operations_by_hand(self, clock, monkeypatch):
        monkeypatch.setattr(module, "peak_flops", lambda *device: 1e9)
        model = encoder("tiny")
        meter = Meter(model, 2)
        mask = one_pass(meter, model)
        clock.s = 2.0
        meter.on_step_end(None, None, None)
        found = meter.cost(torch.float32)
        assert found.padding == pytest.approx(1 - float(mask.sum()) / mask.numel()) and 0 < found.padding < 1
        # A layer: four maps of 32 x 32, two of 32 x 128; two operations for each weight, forward, and twice backward. The
        # products of attention: two of 32 numbers for each pair of tokens, the same thrice.
        of_tokens, of_pairs = 2 * (4 * 32 * 32 + 2 * 32 * 128) * 2 * 3, 2 * 2 * 32 * 2 * 3
        needed = of_tokens * int(mask.sum()) + of_pairs * int((mask.sum(1) ** 2).sum()) + POOLER * len(mask)
        assert found.utilisation == pytest.approx(needed / 2.0 / 1e9) and found.mfu is None

    def test_frozen_layers_are_passed_forward_only(self):
        model = encoder("tiny")
        counted = {}
        for trainable in ("all", "last:1"):
            meter = Meter(model, 2)
            with training_only(model, trainable):
                mask = one_pass(meter, model)
            counted[trainable] = meter.operations
        n_tokens, n_pairs = int(mask.sum()), int((mask.sum(1) ** 2).sum())
        layer, attention, pooler = 2 * (4 * 32 * 32 + 2 * 32 * 128), 4 * 32, POOLER * len(mask)
        assert counted["all"] - pooler == n_tokens * layer * 2 * 3 + n_pairs * attention * 2 * 3
        # In the layer that is trained, three maps are of what comes from the frozen one, which needs no gradient.
        maps = layer + 3 * layer - 3 * 2 * 32 * 32
        assert counted["last:1"] - pooler == n_tokens * maps + n_pairs * attention * (1 + 3)

    def test_passes_without_gradients_do_not_count(self):
        model = encoder("tiny")
        meter = Meter(model, 2)
        with meter.watching():
            model.encode(["一"])
        assert meter.operations == meter.n_computed == 0

    def test_afterwards_it_looks_no_more(self):
        model = encoder("tiny")
        meter = Meter(model, 2)
        one_pass(meter, model)
        before = meter.operations
        model(model.preprocess(["一"]))
        assert meter.operations == before


class TestKept:
    def test_beside_the_model_and_told_in_one_line(self, tmp_path):
        lines = []
        train(tmp_path, encoder("tiny"), lines.append)
        found = Cost(**kept(tmp_path))
        assert lines[-1] == f"        Hybrid  {found}" and "\n" not in lines[-1]
        assert found.updates == 12 and found.update_s > 0 and found.memory_gib > 0.1
        assert 0 <= found.padding < 1 and 0 < found.utilisation < 1.5 and found.peak_gflops > 0.1

    def test_a_static_encoder_has_neither_padding_nor_products(self, tmp_path):
        train(tmp_path, encoder())
        found = kept(tmp_path)
        assert found["padding"] is found["utilisation"] is found["peak_gflops"] is None
        assert str(Cost(**found)).split("  ")[2].startswith("memory ")

    def test_small_passes_count_once(self, tmp_path, monkeypatch):
        counted = []
        cost = Meter.cost
        monkeypatch.setattr(Meter, "cost", lambda self, *given: (counted.append(self.operations), cost(self, *given))[1])
        for mini_batch in (0, 4):
            train(tmp_path / str(mini_batch), encoder("tiny"), mini_batch=mini_batch)
        assert counted[0] == counted[1] > 0

    def test_a_resumed_run_has_that_of_its_own_updates(self, tmp_path):
        with pytest.raises(Interrupted):
            train(tmp_path, encoder(), validation=scripted([0.0] * 4, stop_at=2))
        train(tmp_path, encoder(), validation=scripted([0.0] * 2))
        assert kept(tmp_path)["updates"] == 6  # the checkpoint was that of update 6, of 12


def test_the_peak_is_that_of_the_best_product():
    assert 1e8 < peak_flops("cpu", torch.float32, torch.get_num_threads()) < 1e14


def test_what_a_maker_states_is_looked_up_by_name(monkeypatch):
    named = {
        "NVIDIA A100-SXM4-80GB": 312e12,
        "NVIDIA H100 PCIe": 756e12,
        "NVIDIA H100 80GB HBM3": 989e12,
        "NVIDIA L40S": 362e12,
    }
    for name, stated in ({"NVIDIA A1000": None, "made": None} | named).items():
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda name=name: name)
        assert stated_flops("cuda", torch.bfloat16) == stated
        assert stated_flops("cuda", torch.float32) is stated_flops("cpu", torch.bfloat16) is None


def test_a_line_by_hand():
    line = str(Cost(5, 0.01234, 8103.7, 0.314, 1.5, 0.4567, 1234.5, 0.401))
    told = "0.0123 s an update  8,104 pairs/s  padding 31%  memory 1.50 GiB  utilisation 46% of 1,234 GFLOP/s  MFU 40%"
    assert line == told
    assert str(Cost(5, 12.5, 8.0, None, 1.5, None, None, None)) == "12.5 s an update  8 pairs/s  memory 1.50 GiB"
