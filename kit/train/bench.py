"""Throughput of training: the kit's pair batches against stored pairs in the stock trainer of sentence-transformers."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from kit.data.corpus import ParallelCorpus
from kit.train.encoders.making import PROMPTS, train_tokenizer, xlmr_shaped
from kit.train.samplers import PairBatchSampler, Sampling

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer
    from transformers import TrainerControl, TrainerState, TrainingArguments


@dataclass(frozen=True)
class Throughput:
    """Rows a second of the two ways over the same rows, and the GPU memory that the kit's took (GiB; 0 on a CPU)."""

    kit_rows_per_s: float
    stock_rows_per_s: float
    kit_memory_gib: float


def xlmr_base_shaped(
    corpus: ParallelCorpus, n_layers: int = 12, dimension: int = 768, max_tokens: int = 128
) -> SentenceTransformer:
    """An encoder of XLM-R-base's shape with random weights; its vocabulary is smaller, since it is trained on the corpus."""
    texts = [text for column in ("query", "passage") for text in corpus.table.column(column).to_pylist()]
    model = xlmr_shaped(train_tokenizer(texts, 32_000), dimension, n_layers, max_tokens)
    model.prompts = dict[str, str | None](PROMPTS)
    return model


def throughput(
    make_model: Callable[[], SentenceTransformer], corpus: ParallelCorpus, updates: int, batch_size: int
) -> Throughput:
    """Train twice for ``updates`` updates on the rows of the same batches: as the kit does it, then as stock.

    Both are the stock trainer with the same precision; the second gets the drawn pairs as an ordinary data set (which it
    shuffles) and ``MultipleNegativesRankingLoss``. Each first trains a few updates that are not timed.
    """
    import torch

    sampler = PairBatchSampler([corpus], Sampling.parse("Hybrid"), batch_size, seed=0)
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    kit_s = _timed(make_model(), sampler, corpus, updates, stock=False)
    memory = torch.cuda.max_memory_allocated() / 2**30 if torch.cuda.is_available() else 0.0
    stock_s = _timed(make_model(), sampler, corpus, updates, stock=True)
    return Throughput(updates * batch_size / kit_s, updates * batch_size / stock_s, memory)


def _timed(
    model: SentenceTransformer, sampler: PairBatchSampler, corpus: ParallelCorpus, updates: int, stock: bool
) -> float:
    """Seconds of ``updates`` updates, after ``updates // 5`` that are not counted."""
    import torch
    from transformers import PrinterCallback, TrainerCallback

    warm = updates // 5

    class Clock(TrainerCallback):
        """Starts after the warm-up and stops at the end, each time when the device has finished."""

        started = ended = 0.0

        def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
            if state.global_step in (warm, warm + updates):
                if torch.cuda.is_available():
                    torch.cuda.synchronize()
                self.started, self.ended = self.ended, time.perf_counter()

    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        trainer = _trainer(model, sampler, corpus, warm + updates, Path(folder), stock)
        trainer.add_callback(clock)
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    return clock.ended - clock.started


def _trainer(
    model: SentenceTransformer, sampler: PairBatchSampler, corpus: ParallelCorpus, updates: int, folder: Path, stock: bool
) -> SentenceTransformerTrainer:
    import datasets
    import torch
    from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    from kit.train.losses import InfoNCE
    from kit.train.pairs import pair_batches, pair_dataset

    on_gpu = model.device.type == "cuda"
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(folder),
        max_steps=updates,
        per_device_train_batch_size=sampler.batch_size,
        learning_rate=3e-5,
        seed=sampler.seed,
        prompts={"query": PROMPTS["query"], "passage": PROMPTS["document"]},
        bf16=on_gpu and torch.cuda.is_bf16_supported(),
        use_cpu=not on_gpu,
        dataloader_pin_memory=on_gpu,
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
        report_to="none",
    )
    if not stock:
        arguments.batch_sampler = pair_batches(sampler.sampling)
        data, loss = pair_dataset([corpus]), InfoNCE(model, 0.05)
        return SentenceTransformerTrainer(model=model, train_dataset=data, args=arguments, loss=loss)
    batches = [sampler.batch(*divmod(step, len(sampler))) for step in range(updates)]
    places = {
        "query": np.concatenate([batch.query_rows for batch in batches]),
        "passage": np.concatenate([batch.passage_rows for batch in batches]),
    }
    rows = {name: corpus.table.column(name).take(pa.array(rows)).to_pylist() for name, rows in places.items()}
    return SentenceTransformerTrainer(
        model=model,
        train_dataset=datasets.Dataset.from_dict(rows),
        args=arguments,
        loss=MultipleNegativesRankingLoss(model, scale=20.0),
    )
