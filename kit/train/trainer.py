"""Fine-tuning: a ``SentenceTransformerTrainer`` whose batches are drawn pair by pair."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainingArguments
from sentence_transformers.base.evaluation import BaseEvaluator
from transformers import PrinterCallback, TrainerCallback
from transformers.integrations.integration_utils import get_available_reporting_integrations

from kit.core.files import seal
from kit.data.embeddings.encoding import quick_in_bfloat16
from kit.data.inputs import first_module, prompts_of
from kit.data.triples.corpus import TrainingCorpus, TripleCorpus
from kit.train.checkpoints import CheckedTrainer, checkpoints, last_whole, recipe_of, writing
from kit.train.config import TrainingConfig
from kit.train.cost import Cost, Meter
from kit.train.devices.ranks import from_first, is_first
from kit.train.encoders.loading import quiet
from kit.train.encoders.passes import passing
from kit.train.encoders.saving import save_encoder
from kit.train.encoders.trainable import training_only
from kit.train.history import History, headline
from kit.train.losses import make_loss
from kit.train.pairs import pair_batches, pair_dataset
from kit.train.samplers import Sampling
from kit.train.tokens.kept import kept_tokens
from kit.train.tokens.remembered import remembered_tokens

if TYPE_CHECKING:
    from transformers import TrainerControl, TrainerState, TrainingArguments

Validation = Callable[[SentenceTransformer], dict[str, float]]
"""Scores of a model on a validation task; the key ``score`` (higher is better) stops early and chooses the best."""


def fine_tune(
    model: SentenceTransformer,
    corpora: Sequence[TrainingCorpus],
    sampling: Sampling,
    config: TrainingConfig,
    folder: str | Path,
    seed: int = 0,
    validation: Validation | None = None,
    log: Callable[[str], None] = print,
) -> History:
    """Fine-tune an encoder and save it under ``folder/model`` as a plain sentence-transformers folder.

    A run that was interrupted goes on from its last whole checkpoint in ``folder`` when it is called again with the same
    arguments, on any number of devices, with the batches and losses that an uninterrupted run would have had. Weights are
    float32, since in bfloat16 most updates are too small to change one. The device computes in bf16 where it is fast in it.

    Args:
        model: the encoder; it is trained in place, and its weights become float32.
        corpora: what the batches are drawn from.
        sampling: how.
        config: how long, how fast, which weights.
        folder: for checkpoints, the history, ``cost.json`` (``kit.train.cost.Cost``) and the model.
        seed: of the batches (the encoder has its own).
        validation: scores the model at each evaluation; needed for ``patience``.
        log: takes one line of progress at each evaluation, one for the cost at the end, one for a checkpoint passed over.

    Raises:
        ValueError: ``patience`` without ``validation``; a tracker that is not installed; an unknown loss; a model that
            cannot be trained or compute as asked for; rows with fewer negatives than ``hard_negatives``; a checkpoint of
            another recipe, data or start; a loss or weight that is not finite (none is saved); what the sampler refuses.
        OSError: the disk refuses a checkpoint or the model.
    """
    _refuse_absent(config, validation)
    folder = Path(folder)
    _describe(model, corpora, sampling)
    model.float()
    recipe = recipe_of(model, corpora, sampling, config, seed, validation is not None)
    _look_up(model, corpora)
    meter = Meter(model, config.batch_size)
    with training_only(model, config.trainable, seed), passing(model, config):
        trainer = CheckedTrainer(
            recipe,
            model=model,
            train_dataset=pair_dataset(corpora, config.hard_negatives),
            args=_arguments(config, sampling, folder, seed, validation is not None, model),
            loss=make_loss(model, config),
            evaluator=_Evaluator(validation) if validation else None,
            callbacks=[_Progress(log, sampling.name, validation is None), _Patience(config.patience), meter],
        )
        trainer.remove_callback(PrinterCallback)  # the line of _Progress says the same, readably
        checkpoint = from_first(lambda: last_whole(folder, recipe, log))
        with quiet(), remembered_tokens(model), kept_tokens(model, corpora, config, log), meter.watching():
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
            trainer.refuse_not_finite()
            trainer.accelerator.unwrap_model(model, keep_fp32_wrapper=False)  # from here on it computes in float32 again
    history, cost = _history(trainer.state), meter.cost(torch.bfloat16 if trainer.args.bf16 else torch.float32)
    from_first(lambda: _save(model, history, cost, folder))
    if cost and is_first():
        log(f"{sampling.name:>14}  {cost}")
    return history


def _refuse_absent(config: TrainingConfig, validation: Validation | None) -> None:
    """Raise ``ValueError`` where a recipe asks for a validation task or a tracker that is not there."""
    if config.patience and validation is None:
        raise ValueError(f"patience is {config.patience}, but there is no validation task to stop by: give one, or 0")
    tracker = config.report_to
    if tracker != "none" and tracker not in get_available_reporting_integrations():
        raise ValueError(f"report_to is {tracker!r}, which is not installed here: pip install {tracker}, or choose none")


def _look_up(model: SentenceTransformer, corpora: Sequence[TrainingCorpus]) -> None:
    """Let an encoder that does not learn embed all texts at once."""
    look_up = getattr(first_module(model), "look_up", None)
    if look_up is not None:
        for corpus in corpora:
            if isinstance(corpus, TripleCorpus):
                raise ValueError(
                    f"corpus {corpus.name!r} has more texts than a head can keep embeddings of: take a sample of it "
                    "(sample=10000), or another encoder"
                )
            look_up(corpus.table.column("query").to_pylist(), corpus.table.column("passage").to_pylist())


def _save(model: SentenceTransformer, history: History, cost: Cost | None, folder: Path) -> None:
    partial = folder / "partial"
    shutil.rmtree(partial, ignore_errors=True)  # of a process that was killed
    with quiet(), writing(folder / "model"):
        history.write(folder / "history.json")
        if cost:
            cost.write(folder / "cost.json")
        save_encoder(model, partial)
        seal(partial)
        shutil.rmtree(folder / "model", ignore_errors=True)  # of an earlier training in this folder
        partial.rename(folder / "model")  # there is a model, or there is none
    for checkpoint in checkpoints(folder):
        shutil.rmtree(checkpoint)


def _describe(model: SentenceTransformer, corpora: Sequence[TrainingCorpus], sampling: Sampling) -> None:
    """Fill in what the model card cannot find out by itself, and keep it from asking the hub."""
    shown = corpora[0].sample(3) if isinstance(corpora[0], TripleCorpus) else corpora[0]
    card, first = model.model_card_data, shown.table.slice(0, 3).to_pylist()
    card.local_files_only = True
    card.model_name = f"Retriever fine-tuned with {sampling.name} batches"
    card.language = sorted({language for corpus in corpora for language in corpus.languages})
    card.train_datasets = [{"name": ", ".join(corpus.name for corpus in corpora)}]
    example = {"source_sentence": first[0]["query"], "sentences": [row["passage"] for row in first]}
    card.widget = cast("list[dict[str, str]]", [example])
    card.add_tags(["hybrid-batch-training", "multilingual", sampling.name])


class _Evaluator(BaseEvaluator):
    """Hands the model to the kit's validation in the form that the trainer asks for."""

    def __init__(self, validation: Validation) -> None:
        super().__init__()
        self.validation, self.primary_metric = validation, "score"

    def __call__(  # pyright: ignore[reportIncompatibleMethodOverride]  # of one kind of model, as the library's own are
        self, model: SentenceTransformer, output_path: str | None = None, epoch: int = -1, steps: int = -1
    ) -> dict[str, float]:
        scores = {name: float(value) for name, value in self.validation(model).items()}
        self.store_metrics_in_model_card_data(model, headline(scores), epoch, steps)
        return scores


class _Progress(TrainerCallback):
    """One plain line at each evaluation: a bar would flood notebooks that run without a front end."""

    def __init__(self, log: Callable[[str], None], name: str, at_loss: bool) -> None:
        self.log, self.name, self.at_loss, self.loss = log, name, at_loss, float("nan")

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Log after the last update too, where the evaluations do not divide the updates; scores come by themselves."""
        if state.global_step == state.max_steps:
            control.should_log = True

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """Remember the loss: the line waits for the scores, if there are any to come."""
        self.loss = (logs or {}).get("loss", self.loss)
        if self.at_loss and "loss" in (logs or {}):
            self.on_evaluate(args, state, control)

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        metrics: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """Print the line."""
        known = {name: value for name, value in headline(_scores(metrics or {})).items() if value == value}  # not NaN
        scores = "  ".join(f"{name} {value:.3f}" for name, value in known.items())
        if state.is_world_process_zero:
            self.log(f"{self.name:>14}  update {state.global_step:>5}/{state.max_steps}  loss {self.loss:.3f}  {scores}")


class _Patience(TrainerCallback):
    """Stops after so many evaluations without a better score; never if they are 0.

    It reads the scores out of the history, which comes back when a run is resumed; the count of transformers'
    ``EarlyStoppingCallback`` would begin anew.
    """

    def __init__(self, patience: int) -> None:
        self.patience = patience

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Stop, or not."""
        scores = [entry["eval_score"] for entry in state.log_history if "eval_score" in entry]
        if self.patience and scores and len(scores) - 1 - scores.index(max(scores)) >= self.patience:
            control.should_training_stop = True

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """A run that was interrupted after it had stopped stops again, and goes back to its best model."""
        if self.patience and state.best_global_step:  # the folder may have been moved
            state.best_model_checkpoint = str(Path(str(args.output_dir)) / f"checkpoint-{state.best_global_step}")
        self.on_evaluate(args, state, control)


def _arguments(
    config: TrainingConfig, sampling: Sampling, folder: Path, seed: int, validated: bool, model: SentenceTransformer
) -> SentenceTransformerTrainingArguments:
    """Arguments with which the trainer sees the whole training as one pass, so that nothing depends on its epochs."""
    on_gpu = model.device.type == "cuda"
    every = -(-config.updates // config.evaluations)
    prompts = prompts_of(model)
    negatives = [f"negative_{n + 1}" for n in range(config.hard_negatives)]
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(folder),
        max_steps=config.updates,
        per_device_train_batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        weight_decay=config.weight_decay,
        warmup_steps=int(config.warmup * config.updates),
        lr_scheduler_type="linear",
        seed=seed,
        data_seed=seed,
        prompts={"query": prompts.query, **dict.fromkeys(["passage", *negatives], prompts.passage)},
        router_mapping={"query": "query", **dict.fromkeys(["passage", *negatives], "document")},
        bf16=_fast_in_bf16(model),
        use_cpu=not on_gpu,
        dataloader_pin_memory=on_gpu,
        eval_strategy="steps" if validated else "no",
        eval_steps=every,
        logging_steps=config.log_every or every,
        save_steps=every,
        logging_nan_inf_filter=False,  # a loss that is not finite stops the run
        load_best_model_at_end=config.patience > 0,
        metric_for_best_model="score" if validated else None,
        greater_is_better=True if validated else None,
        disable_tqdm=True,
        accelerator_config={"split_batches": True},  # each process has a part of a batch
        ddp_static_graph=True,  # texts of several columns go through the model before the first gradient comes back
        ddp_find_unused_parameters=False,
        report_to=config.report_to,
        run_name=f"{sampling.name}, seed {seed}",
        project="hybrid-batch-kit",
    )
    arguments._n_gpu = min(1, arguments.n_gpu)  # one device a process: on several, the trainer would enlarge the batch
    arguments.batch_sampler = pair_batches(sampling, config.tau, n_batches=config.updates)
    return arguments


def _fast_in_bf16(model: SentenceTransformer) -> bool:
    """Whether the device has instructions for products in bf16, and the model has some of which it could make use.

    On two cores with avx512_bf16 an update of a transformer of 128 to 384 dimensions took half the time, and losses were
    within 1 % of those in float32. A CPU without such instructions computes in bf16, too, but slowly.
    """
    multiplies = any(isinstance(part, torch.nn.Linear) for part in model.modules())
    return (multiplies or model.device.type == "cuda") and quick_in_bfloat16(model.device.type)


def _scores(metrics: dict) -> dict[str, float]:
    """The validation's own scores out of what the trainer logs about an evaluation."""
    times = ("eval_runtime", "eval_samples_per_second", "eval_steps_per_second")
    return {
        name.removeprefix("eval_"): value
        for name, value in metrics.items()
        if name.startswith("eval_") and name not in times
    }


def _history(state: TrainerState) -> History:
    losses = [(int(entry["step"]), entry["loss"]) for entry in state.log_history if "loss" in entry]
    scores = [(int(entry["step"]), _scores(entry)) for entry in state.log_history if _scores(entry)]
    return History(losses, scores)
