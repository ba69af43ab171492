"""Checkpoints of a training: taken only when they are whole and of the same recipe, and kept so that one always is."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer

from kit.core.files import refuse_damaged, seal
from kit.data.triples.corpus import TrainingCorpus, TripleCorpus
from kit.train.config import TrainingConfig
from kit.train.devices.ranks import from_first, seed_rank, wait_for_all
from kit.train.samplers import Sampling

RECIPE, TRAINED = "recipe.json", "trained.pt"
"""Files in a checkpoint: what training it is of (``recipe_of``), and the weights that are trained."""


class CheckedTrainer(SentenceTransformerTrainer):
    """A trainer that stops at a loss or weight that is not finite, and seals its checkpoints.

    The last two checkpoints are kept, and the best one where the run goes back to it; an older one is deleted only when the
    new one is whole. A checkpoint has the weights that are trained; the others are those that a run starts with. Of several
    processes the first one writes it, but for the state of their random numbers; any number of them may go on from it.

    Args:
        recipe: of this training; the other arguments are those of ``SentenceTransformerTrainer``.
    """

    def __init__(self, recipe: dict[str, Any], **options: Any) -> None:
        super().__init__(**options)
        seed_rank(self.args.seed)
        self.recipe = recipe

    def training_step(self, *arguments: Any, **options: Any) -> torch.Tensor:
        """One update's loss and gradients.

        Raises:
            ValueError: the loss is not finite.
        """
        loss = super().training_step(*arguments, **options)
        if not torch.isfinite(loss):
            raise self._diverged(f"the loss is {loss.item()}", self.state.global_step + 1)
        return loss

    def refuse_not_finite(self) -> None:
        """Raise ``ValueError`` for weights that are not finite: nothing is scored or saved with them."""
        assert self.model is not None
        for name, weight in self.model.named_parameters():
            if not torch.isfinite(weight).all():
                raise self._diverged(f"not all numbers of {name} are finite", self.state.global_step)

    def _diverged(self, what: str, step: int) -> ValueError:
        return ValueError(
            f"update {step} of {self.state.max_steps}: {what}, at a learning rate of {self._get_learning_rate():.3g}: "
            f"lower learning_rate, which is {self.args.learning_rate:g}, or raise warmup or temperature"
        )

    def evaluate(self, *arguments: Any, **options: Any) -> dict[str, float]:
        """Score the model on the validation task."""
        self.refuse_not_finite()
        return super().evaluate(*arguments, **options)

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """What is written of the model: with adapters beside its weights, or a part of them frozen, it is no plain model."""
        Path(str(output_dir)).mkdir(parents=True, exist_ok=True)
        torch.save(self._trained(), Path(str(output_dir)) / TRAINED)

    def _load_from_checkpoint(self, checkpoint_path: str) -> None:
        trained = self._trained()
        for name, weight in torch.load(Path(checkpoint_path) / TRAINED, map_location="cpu", weights_only=True).items():
            trained[name].data.copy_(weight)

    def _trained(self) -> dict[str, torch.nn.Parameter]:
        assert self.model is not None
        return {name: weight for name, weight in self.model.named_parameters() if weight.requires_grad}

    def _save_checkpoint(self, *arguments: Any, **options: Any) -> None:
        self.refuse_not_finite()
        checkpoint = Path(str(self.args.output_dir)) / f"checkpoint-{self.state.global_step}"
        with writing(checkpoint):
            super()._save_checkpoint(*arguments, **options)
            wait_for_all()  # each process writes the state of its random numbers
            from_first(lambda: self._finish(checkpoint))

    def _finish(self, checkpoint: Path) -> None:
        # The trainer sorts the names of scores; unsorted, they come back in the order in which they were given.
        content = json.dumps(asdict(self.state), indent=1)
        (checkpoint / "trainer_state.json").write_text(content, encoding="utf-8")
        (checkpoint / RECIPE).write_text(json.dumps(self.recipe, indent=1), encoding="utf-8")
        seal(checkpoint)
        kept = [checkpoint, _best(checkpoint)] if self.recipe["patience"] else [checkpoint]
        for older in [one for one in checkpoints(checkpoint.parent) if one not in kept][:-1]:
            shutil.rmtree(older)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """While it lasts, a file or folder of a training is written; says what to do where the disk refuses.

    Raises:
        OSError: it could not be written.
    """
    try:
        yield
    except Exception as error:  # each of the libraries that write has its own type for a full disk
        raise OSError(
            f"{path}: not written ({type(error).__name__}: {' '.join(str(error).split())[:200]}): make room on that disk, "
            "then run again; the training goes on from its last whole checkpoint"
        ) from error


def checkpoints(folder: Path) -> list[Path]:
    """The folders ``checkpoint-<update>`` of a training, the oldest first; other names are not the trainer's."""
    steps = [path.name.removeprefix("checkpoint-") for path in folder.glob("checkpoint-*") if path.is_dir()]
    return [folder / f"checkpoint-{step}" for step in sorted(filter(str.isdecimal, steps), key=int)]


def last_whole(folder: Path, recipe: dict[str, Any], log: Callable[[str], None]) -> Path | None:
    """The newest checkpoint that is whole, or ``None``; newer ones, which are not, are deleted.

    Args:
        recipe: what it has to be of (``recipe_of``).
        log: takes a line for each that is passed over, and one where none is left.

    Raises:
        ValueError: it is of another recipe.
    """
    found, damaged = None, []
    for checkpoint in reversed(checkpoints(folder)):
        try:
            refuse_damaged(checkpoint)
            _refuse_other(recipe, checkpoint)
            if recipe["patience"]:
                refuse_damaged(_best(checkpoint))
        except _OtherRecipeError:
            raise
        except ValueError as error:
            log(f"{checkpoint.name} is passed over: {error}")
            damaged.append(checkpoint)
        else:
            found = checkpoint
            break
    if damaged and not found:
        log(f"no checkpoint in {folder} is whole: the training starts anew")
    for one in damaged:
        shutil.rmtree(one)
    return found


def _best(checkpoint: Path) -> Path:
    """The checkpoint with the best score so far, which early stopping goes back to."""
    step = json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))["best_global_step"]
    return checkpoint.with_name(f"checkpoint-{step}")


class _OtherRecipeError(ValueError):
    """A checkpoint is of another training."""


def _refuse_other(recipe: dict[str, Any], checkpoint: Path) -> None:
    there = json.loads((checkpoint / RECIPE).read_text(encoding="utf-8"))
    differing = [
        f"{name} (there {there.get(name)!r:.40}, here {recipe.get(name)!r:.40})"
        for name in (recipe | there)
        if there.get(name) != recipe.get(name)
    ]
    if differing:
        raise _OtherRecipeError(
            f"{checkpoint} is of a training that differs in {', '.join(differing)}: take another folder, or the arguments "
            f"that it was begun with, or delete {checkpoint.with_name('checkpoint-*')} to start anew"
        )


def recipe_of(
    model: SentenceTransformer,
    corpora: Sequence[TrainingCorpus],
    sampling: Sampling,
    config: TrainingConfig,
    seed: int,
    validated: bool,
) -> dict[str, Any]:
    """What a training's result depends on, as can be written as JSON; content is named by twelve hexadecimal digits."""
    return {
        **config.decisive(),
        "sampling": sampling.name,
        "seed": seed,
        "validation": validated,
        "data": _data_digest(corpora),
        "start model": _model_digest(model),
    }


def _data_digest(corpora: Sequence[TrainingCorpus], n_rows: int = 1 << 14) -> str:
    digest = hashlib.sha256()
    for corpus in corpora:
        digest.update(f"{corpus.name}\0{len(corpus)}\0".encode())
        if isinstance(corpus, TripleCorpus):
            digest.update(corpus.digest.encode())
            continue
        for first in range(0, len(corpus.table), n_rows):
            part = corpus.table.slice(first, n_rows)
            part = part.take(np.arange(len(part))).combine_chunks()  # equal rows are now equal bytes
            for batch in part.to_batches():
                digest.update(batch.serialize())
    return digest.hexdigest()[:12]


def _model_digest(model: SentenceTransformer) -> str:
    """Of modules, weights and what makes a text into numbers."""
    words = getattr(model.tokenizer, "get_vocab", dict)()
    facts = [[type(part).__name__ for part in model], str(model.max_seq_length), dict(model.prompts), sorted(words.items())]
    digest = hashlib.sha256(json.dumps(facts).encode())
    for name, weight in model.state_dict().items():
        digest.update(f"{name}\0{tuple(weight.shape)}\0".encode())
        digest.update(np.ascontiguousarray(weight.detach().cpu().numpy()).data)
    return digest.hexdigest()[:12]
