"""Training steps, and whole trainings, beside the stock trainer of sentence-transformers.

    python benchmarks/training.py [--updates 20] [--batch-size 32] [--rounds 4] [--model FOLDER] [--train SOURCE]

Encoders: a static one, a small transformer, and the one of ``--model`` with its vocabulary trimmed to the texts. Steps are
what ``python -m kit bench`` measures: rows a second over the rows of the same batches, in turns; of transformers with
``pass_tokens`` as well, which is the kit's own. A profile says what share of a step each part takes. A whole training begins
with making or loading the encoder and ends with the saved model: the kit looks up the tokens of its texts, draws its
batches, writes a history, a cost and checked checkpoints; stock has the same pairs as a data set, and saves the model.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import tempfile
from functools import partial
from pathlib import Path

from turns import in_turns, keep, load, machine, rounded, rows_of

from kit.data.corpus import ParallelCorpus
from kit.data.registry import load_corpus
from kit.train.bench import throughput
from kit.train.config import EncoderConfig, TrainingConfig
from kit.train.encoders.making import make_encoder
from kit.train.samplers import PairBatchSampler, Sampling


def texts_of(corpus: ParallelCorpus) -> list[str]:
    return [text for column in ("query", "passage") for text in corpus.table.column(column).to_pylist()]


def train_with_kit(config: EncoderConfig, corpus: ParallelCorpus, updates: int, batch_size: int) -> None:
    from kit.train.trainer import fine_tune

    model = make_encoder(config, texts_of(corpus), 0)
    recipe = TrainingConfig(updates=updates, batch_size=batch_size, evaluations=1)
    with tempfile.TemporaryDirectory() as folder:
        fine_tune(model, [corpus], Sampling.parse("Hybrid"), recipe, folder, log=lambda line: None)


def train_with_stock(config: EncoderConfig, corpus: ParallelCorpus, updates: int, batch_size: int) -> None:
    from kit.train.bench import _trainer

    model = make_encoder(config, texts_of(corpus), 0)
    sampler = PairBatchSampler([corpus], Sampling.parse("Hybrid"), batch_size, seed=0)
    with tempfile.TemporaryDirectory() as folder:
        trainer = _trainer(model.float(), sampler, corpus, updates, Path(folder), stock=True)
        trainer.train()
        model.save_pretrained(str(Path(folder) / "model"))


PARTS = {
    "rows and tokens": "get_batch_samples",
    "loss": "compute_loss",
    "gradients": "backward",
    "optimiser": "step",
}
"""Parts of a step, by the functions of transformers and accelerate that do them."""

HOME = {"backward": "accelerator.py", "step": "optimizer.py"}
"""Where a function is, of those whose name others have, too."""

PASS_TOKENS = 1024


def step_rows(name: str, config: EncoderConfig, corpus: ParallelCorpus, asked: argparse.Namespace) -> list[dict]:
    """Rows a second of the kit and of stock, with the settings of a stock trainer and with the kit's own."""
    make, rows = partial(make_encoder, config, texts_of(corpus), 0), []
    for label, how in {name: {}, f"{name}, pass_tokens": {"pass_tokens": PASS_TOKENS}}.items():
        if how and config.name == "static":
            continue
        found = throughput(make, corpus, asked.updates, asked.batch_size, asked.rounds, **how)
        ratios = sorted(kit / stock for kit, stock in zip(found.kit_rows_per_s, found.stock_rows_per_s))
        row = {"": label, "kit, rows a second": middle(found.kit_rows_per_s), "stock": middle(found.stock_rows_per_s)}
        row |= {"kit / stock": middle(ratios), "range": f"{rounded(ratios[0])} to {rounded(ratios[-1])}"}
        for who, padding in (("kit", found.kit_padding), ("stock", found.stock_padding)):
            row[f"padding, {who}"] = "" if padding is None else rounded(padding)
        rows.append(row)
    return rows


def middle(values: list[float]) -> float:
    return rounded(sorted(values)[len(values) // 2])


def shares(name: str, config: EncoderConfig, corpus: ParallelCorpus, asked: argparse.Namespace) -> list[dict]:
    """What of a training each part of its steps takes, of the kit and of stock."""
    from kit.train.bench import _trainer

    sampler, rows = PairBatchSampler([corpus], Sampling.parse("Hybrid"), asked.batch_size, seed=0), []
    for who in ("kit", "stock"):
        profile = cProfile.Profile()
        with tempfile.TemporaryDirectory() as folder:
            model = make_encoder(config, texts_of(corpus), 0).float()
            trainer = _trainer(model, sampler, corpus, asked.updates, Path(folder), stock=who == "stock")
            profile.runcall(trainer.train)
        taken: dict[str, float] = {}
        for (file, _, function), (_, _, _, seconds, _) in pstats.Stats(profile).stats.items():
            if file.endswith(HOME.get(function, ".py")):
                taken[function] = max(taken.get(function, 0.0), seconds)
        whole = taken["_inner_training_loop"]
        parts = {part: round(taken[function] / whole, 2) for part, function in PARTS.items()}
        rows.append({"": f"{who}, {name}", **parts, "ms a step": rounded(1000 * whole / asked.updates)})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("updates", 20), ("batch-size", 32), ("rounds", 4)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--model", help="a pretrained encoder; none: it is left out")
    parser.add_argument("--train", default="atlas", help="a source of the kit")
    parser.add_argument("--out", type=Path, default=Path("reports/bench"))
    asked = parser.parse_args()
    corpus = load_corpus(asked.train)
    encoders = {"static": EncoderConfig(name="static"), "tiny": EncoderConfig(name="tiny")}
    if asked.model:
        encoders[f"{Path(asked.model).name}, trimmed"] = EncoderConfig(name=asked.model, trim_vocabulary=True)
    steps, parts, whole = [], [], []
    for name, config in encoders.items():
        steps += step_rows(name, config, corpus, asked)
        parts += shares(name, config, corpus, asked)
        sizes = (config, corpus, asked.updates, asked.batch_size)
        calls = {f"stock, {name}": partial(train_with_stock, *sizes), f"kit, {name}": partial(train_with_kit, *sizes)}
        whole += rows_of(in_turns(calls, max(1, asked.rounds // 2)), f"stock, {name}")
    facts = {
        "machine": machine("torch", "sentence-transformers", "transformers"),
        "load": load(),
        "size": f"{asked.updates} updates of {asked.batch_size} rows, {corpus.name}, {len(corpus.languages)} languages",
        "rounds": asked.rounds,
    }
    tables = {
        "Steps": steps,
        "Shares of a step": parts,
        "Whole trainings, with making the encoder and saving the model": whole,
    }
    keep(asked.out, "training", "Training beside the stock trainer", tables, facts)


if __name__ == "__main__":
    main()
