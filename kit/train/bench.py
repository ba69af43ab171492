"""Throughput of training: the kit's pair batches against stored pairs in the stock trainer of sentence-transformers."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kit.core.tables import cells
from kit.data.corpus import ParallelCorpus
from kit.data.embeddings.encoding import quick_in_bfloat16
from kit.data.inputs import prompts_of
from kit.train.config import TrainingConfig
from kit.train.encoders.loading import quiet
from kit.train.encoders.making import PROMPTS, train_tokenizer, xlmr_shaped
from kit.train.samplers import PairBatchSampler, Sampling

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer
    from transformers import TrainerControl, TrainerState, TrainingArguments


@dataclass(frozen=True)
class Throughput:
    """Rows a second of the two ways over the same rows, round by round, and what else they differ in.

    kit_rows_per_s, stock_rows_per_s: one for each round.
    kit_padding, stock_padding: share of the tokens computed that are padding; None for an encoder without padding.
    kit_memory_gib, stock_memory_gib: most that tensors took on a GPU; 0 on a CPU.
    """

    kit_rows_per_s: list[float]
    stock_rows_per_s: list[float]
    kit_padding: float | None
    stock_padding: float | None
    kit_memory_gib: float
    stock_memory_gib: float

    def __str__(self) -> str:
        """Three lines."""
        parts = []
        for name, speeds, padding, memory in (
            ("kit  ", self.kit_rows_per_s, self.kit_padding, self.kit_memory_gib),
            ("stock", self.stock_rows_per_s, self.stock_padding, self.stock_memory_gib),
        ):
            line = f"{name}  {statistics.median(speeds):,.4g} rows/s ({min(speeds):,.4g} to {max(speeds):,.4g})"
            line += "" if padding is None else f", padding {padding:.0%}"
            parts.append(line + (f", GPU memory {memory:.1f} GiB" if memory else ""))
        ratios = [kit / stock for kit, stock in zip(self.kit_rows_per_s, self.stock_rows_per_s)]
        by_round = ", ".join(f"{ratio:.2f}" for ratio in ratios)
        return "\n".join([*parts, f"kit / stock: {statistics.median(ratios):.2f} (by round: {by_round})"])


def shaped(
    corpus: ParallelCorpus, shape: str = "xlmr", n_layers: int = 12, dimension: int = 768, max_tokens: int = 128
) -> SentenceTransformer:
    """An encoder of the shape of XLM-R base or LaBSE with random weights, and a smaller vocabulary, trained on the corpus.

    Args:
        corpus: texts of the vocabulary.
        shape: ``xlmr``: the mean of all tokens; ``labse``: the first token, then a dense layer with tanh.
        n_layers, dimension: of the transformer; those of both models are the defaults.
        max_tokens: longest input.
    """
    texts = [text for column in ("query", "passage") for text in corpus.table.column(column).to_pylist()]
    model = xlmr_shaped(train_tokenizer(texts, 32_000), dimension, n_layers, max_tokens)
    if shape == "labse":
        import torch
        from sentence_transformers import SentenceTransformer
        from sentence_transformers.base.modules import Dense
        from sentence_transformers.sentence_transformer.modules import Pooling

        above = [Pooling(dimension, pooling_mode="cls"), Dense(dimension, dimension, activation_function=torch.nn.Tanh())]
        model = SentenceTransformer(modules=[model[0], *above, model[-1]], device=str(model.device))
    model.prompts = dict[str, str | None](PROMPTS)
    return model


def throughput(
    make_model: Callable[[], SentenceTransformer],
    corpus: ParallelCorpus,
    updates: int,
    batch_size: int,
    n_rounds: int = 1,
    **how: Any,
) -> Throughput:
    """Train on the rows of the same batches, in turns: as the kit does it, then as stock, then again.

    Both train the same weights in the same precision (bf16 where the device is fast in it, weights in float32); stock gets
    the drawn pairs as an ordinary data set (which it shuffles) and ``MultipleNegativesRankingLoss``.

    Args:
        make_model: makes or loads the encoder; it is called twice.
        corpus: what the batches are drawn from, those of Hybrid, or X-X-mono in a corpus of one language.
        updates: that are timed in each turn; a fifth as many before them are not.
        batch_size: rows of a batch.
        n_rounds: turns of each.
        how: the kit's ``attention, compile, pass_tokens`` (``kit.train.config.TrainingConfig``).
    """
    sampling = Sampling.parse("Hybrid" if len(corpus.languages) > 1 else "X-X-mono")
    sampler = PairBatchSampler([corpus], sampling, batch_size, seed=0)
    sides = {stock: _Side(make_model(), sampler, corpus, stock, TrainingConfig(**how)) for stock in (False, True)}
    speeds: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(n_rounds):
        for stock, side in sides.items():
            speeds[stock].append(updates * batch_size / side.seconds(updates))
    kit, stock = sides[False], sides[True]
    return Throughput(speeds[False], speeds[True], kit.padding, stock.padding, kit.memory_gib, stock.memory_gib)


class _Side:
    """One of the two ways to train."""

    def __init__(
        self,
        model: SentenceTransformer,
        sampler: PairBatchSampler,
        corpus: ParallelCorpus,
        stock: bool,
        recipe: TrainingConfig,
    ) -> None:
        self.model, self.sampler, self.corpus, self.stock = model.float(), sampler, corpus, stock
        self.recipe = TrainingConfig() if stock else recipe
        self.padding: float | None = None
        self.memory_gib = 0.0

    def seconds(self, updates: int) -> float:
        """Of ``updates`` updates, after a fifth as many that are not counted."""
        import torch
        from transformers import PrinterCallback, TrainerCallback

        from kit.train.cost import Meter
        from kit.train.encoders.passes import passing

        warm = -(-updates // 5)

        class Clock(TrainerCallback):
            """Starts after the warm-up and stops at the end, each time when the device has finished."""

            started = ended = 0.0

            def on_step_end(
                self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
            ) -> None:
                if state.global_step in (warm, warm + updates):
                    if torch.cuda.is_available():
                        torch.cuda.synchronize()
                    self.started, self.ended = self.ended, time.perf_counter()

        clock, meter = Clock(), Meter(self.model, self.sampler.batch_size)
        with quiet(), tempfile.TemporaryDirectory() as folder, passing(self.model, self.recipe), meter.watching():
            trainer = _trainer(self.model, self.sampler, self.corpus, warm + updates, Path(folder), self.stock)
            for callback in (clock, meter):
                trainer.add_callback(callback)
            trainer.remove_callback(PrinterCallback)
            trainer.train()
            trainer.accelerator.unwrap_model(self.model, keep_fp32_wrapper=False)
        cost = meter.cost(torch.bfloat16 if trainer.args.bf16 else torch.float32)
        assert cost is not None
        self.padding, self.memory_gib = cost.padding, cost.memory_gib if self.model.device.type == "cuda" else 0.0
        return clock.ended - clock.started


def _trainer(
    model: SentenceTransformer, sampler: PairBatchSampler, corpus: ParallelCorpus, updates: int, folder: Path, stock: bool
) -> SentenceTransformerTrainer:
    import datasets
    from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    from kit.train.checkpoints import CheckedTrainer
    from kit.train.losses import InfoNCE
    from kit.train.pairs import pair_batches, pair_dataset

    on_gpu, prompts = model.device.type == "cuda", prompts_of(model)
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(folder),
        max_steps=updates,
        per_device_train_batch_size=sampler.batch_size,
        learning_rate=3e-5,
        seed=sampler.seed,
        prompts={"query": prompts.query, "passage": prompts.passage},
        bf16=quick_in_bfloat16(model.device.type),
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
        return CheckedTrainer({}, model=model, train_dataset=data, args=arguments, loss=loss)
    batches = [sampler.batch(*divmod(step, len(sampler))) for step in range(updates)]
    places = {
        "query": np.concatenate([batch.query_rows for batch in batches]),
        "passage": np.concatenate([batch.passage_rows for batch in batches]),
    }
    rows = {name: cells(corpus.table.column(name), rows) for name, rows in places.items()}
    return SentenceTransformerTrainer(
        model=model,
        train_dataset=datasets.Dataset.from_dict(rows),
        args=arguments,
        loss=MultipleNegativesRankingLoss(model, scale=20.0),
    )
