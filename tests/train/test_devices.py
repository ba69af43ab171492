"""Two processes that train together are one: losses, weights, checkpoints; and what happens when one of them dies.

torchrun is started once: its two processes train all recipes of ``RECIPES``, then one that is interrupted, and at last the
second one is killed.
"""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Router
from test_trainer import Interrupted, encoder, made_rows, one_thread as one_thread, weighed, weights

from kit.core.processes import JobError
from kit.data.corpus import ParallelCorpus
from kit.train.config import TrainingConfig
from kit.train.devices.launching import on_devices
from kit.train.devices.ranks import n_ranks
from kit.train.samplers import Sampling
from kit.train.trainer import fine_tune

CONFIG = TrainingConfig(updates=6, batch_size=8, evaluations=3, learning_rate=1e-2)


def asked_twice():
    """Three languages; groups 0 and 1 ask the same, and a row's first hard negative is the passage of the next group."""
    rows = made_rows(n_groups=12)
    for number, row in enumerate(rows):
        following = rows[(number + 3) % len(rows)]
        row["negatives"] = [following["passage"], "一一"]
    for number in range(3):
        rows[number + 3]["query"] = rows[number]["query"]
    return ParallelCorpus.from_rows(rows, "asked twice")


def without_dropout(name):
    model = encoder(name)
    for part in model.modules():
        part.p = 0.0 if isinstance(part, torch.nn.Dropout) else getattr(part, "p", None)
    model[0].auto_model.config.attention_probs_dropout_prob = 0.0
    return model


def two_towers():
    return SentenceTransformer(modules=[Router.for_query_document([encoder()[0]], [encoder(seed=1)[0]])], device="cpu")


RECIPES = {
    "plain": (encoder, {}),
    "symmetric": (encoder, {"symmetric": True, "margin": 0.3}),
    "hard negatives": (encoder, {"hard_negatives": 2, "symmetric": True}),
    "transformer": (lambda: without_dropout("tiny"), {"hard_negatives": 1}),
    "small passes": (lambda: without_dropout("tiny"), {"hard_negatives": 1, "mini_batch": 3}),
    "last layers": (lambda: without_dropout("tiny"), {"trainable": "last:1"}),
    "two towers": (two_towers, {}),
    "early stopping": (encoder, {"patience": 1}),
}
"""Encoders, and what is changed in ``CONFIG``."""


@dataclass(frozen=True)
class Order:
    folder: Path
    recipes: tuple[str, ...]


def train(folder, name, log, validation=None, model=None):
    make, changes = RECIPES[name]
    torch.cpu.get_capabilities = dict  # all in float32
    config = CONFIG.changed(**changes)
    model = model or make()
    history = fine_tune(model, [asked_twice()], Sampling.parse("Hybrid"), config, folder / name, 3, validation or weighed(), log)
    return history, weights(model)


def train_all(order, log):
    torch.set_num_threads(1)
    models = {name: RECIPES[name][0]() for name in order.recipes}
    for name in order.recipes:
        started = time.time()
        try:
            history, w = train(order.folder, name, log, None, models[name])
        except Exception as error:
            log(f"{name}: {error!r}")
            raise
        log(f"{name} {history.loss} {time.time()-started:.2f}")
        if torch.distributed.get_rank() == 0:
            torch.save((history, w), order.folder / f"{name}.pt")
if __name__ == "__main__":
    import sys, tempfile
    import test_devices
    folder = Path(tempfile.mkdtemp())
    names = sys.argv[1:] or list(RECIPES)
    on_devices(test_devices.train_all, test_devices.Order(folder, tuple(names)), 2, print)
    torch.set_num_threads(1)
    for name in names:
        hist, w = train(folder / "one", name, print)
        h2, w2 = torch.load(folder / f"{name}.pt", weights_only=False)
        print(name, max((w[n].float()-w2[n].float()).abs().max().item() for n in w), max(abs(a-b) for (_, a), (_, b) in zip(hist.loss, h2.loss)), max(abs(a["score"]-b["score"]) for (_, a), (_, b) in zip(hist.scores, h2.scores)))
