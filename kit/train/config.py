"""A recipe: which encoder, and how it is fine-tuned. Defaults are those of arXiv 2408.10536 where it gives a value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from kit.core.configs import Config, Text

_MANY = 2**31

HEADS = ("linear", "low-rank", "residual")
"""Kinds of ``kit.train.encoders.heads.Head``."""

LOSS_NAMES = ("info-nce",)
"""Names of ``kit.train.losses.LOSSES``; here, so that a name can be checked without torch."""

ATTENTIONS = ("eager", "sdpa", "flash_attention_2", "flash_attention_3")
"""Ways to compute attention, as transformers calls them."""

TRACKERS = ("tensorboard", "trackio", "wandb", "mlflow", "comet_ml", "clearml", "swanlab")
"""Trackers that a training can report to, as transformers calls them; each is a package to install."""

_WATCHING = ("report_to", "log_every")
"""Settings that look on while an encoder learns, and change no weight and no score."""


class EncoderConfig(Config):
    """Which encoder is fine-tuned.

    name: ``static``, ``tiny``, or the name or folder of a sentence-transformers model; ``head:<model>`` for a head on such a
        model, ``embeddings:<folder>`` for one on given embeddings (``kit.data.embeddings.given``), ``static:<model>`` for a
        static encoder that is taken out of such a model.
    dimension, vocabulary_size: of an encoder made from scratch; of ``static:<model>`` the dimension, at most the model's.
    max_tokens: longest input of a transformer, of which its marks of beginning and end take two; 0: 128, or more where 1 %
        of the training texts are longer, as far as the model reads.
    dropout: share of an embedding's numbers that are zero in training, for static encoders.
    head, rank: of ``head:<model>`` and ``embeddings:<folder>``: one of ``HEADS`` (``kit.train.encoders.heads.Head``), and
        the inner width of all but ``linear``.
    query_prompt, passage_prompt: what is put before the texts of each side, and kept in the model; both empty: what the
        model brings, or those of the paper.
    trust_remote_code: whether code that a model brings may run.
    trim_vocabulary: whether a loaded model keeps only the tokens of the training and validation texts
        (``kit.train.encoders.vocabulary``); it reads others in smaller pieces, for good.
    """

    name: Text = "static"
    dimension: int = Field(default=128, ge=1, le=_MANY)
    vocabulary_size: int = Field(default=8192, ge=1, le=_MANY)
    max_tokens: int = Field(default=0, ge=0, le=_MANY)
    dropout: float = Field(default=0.0, ge=0.0, le=0.9)
    head: str = "linear"
    rank: int = Field(default=32, ge=1, le=_MANY)
    query_prompt: str = ""
    passage_prompt: str = ""
    trust_remote_code: bool = False
    trim_vocabulary: bool = False

    @field_validator("max_tokens")
    @classmethod
    def _holds_a_word(cls, max_tokens: int) -> int:
        if 0 < max_tokens < 3:
            raise ValueError("two are the marks of beginning and end: choose at least 3, or 0 for what the texts need")
        return max_tokens

    @field_validator("head")
    @classmethod
    def _is_a_head(cls, head: str) -> str:
        if head not in HEADS:
            raise ValueError(f"choose from {', '.join(HEADS)}")
        return head

    @model_validator(mode="after")
    def _has_heads(self) -> Self:
        if self.name == "tiny" and self.dimension % n_heads(self.dimension):
            raise ValueError(
                f"dimension is {self.dimension}: a transformer shares it out among heads of 64: choose a multiple of 64"
            )
        return self


def n_heads(dimension: int) -> int:
    """Attention heads of a transformer that is made here."""
    return max(1, dimension // 64)


class TrainingConfig(Config):
    """How an encoder is fine-tuned.

    updates: optimizer steps, the budget that all samplings share.
    batch_size: rows of a batch (the paper: 100); every other passage in it is a negative, unless it answers the query.
    mini_batch: texts in one pass through the encoder; 0: all of a column. The gradients are those of the whole batch, with
        all its negatives, in the memory of a mini-batch and one more pass (GradCache, Gao et al. 2021, arXiv 2101.06983).
        Accumulating gradients over small batches would save memory, too, but add no negatives.
    trainable: ``all`` weights; ``all-but-words``: not the word embeddings, most weights of a multilingual model; ``last:N``:
        the last N layers of a transformer; ``lora:R``: adapters of rank R beside the linear maps of its layers (Hu et al.
        2021, arXiv 2106.09685; needs peft). What stands after the layers is trained, too.
    learning_rate, weight_decay: of AdamW; the rate rises over the first ``warmup`` share of the updates, then falls
        linearly to zero.
    loss: one of ``LOSS_NAMES``.
    temperature, margin, symmetric: of it, see ``kit.train.losses.InfoNCE`` (the paper names no temperature).
    hard_negatives: how many of a row's ``negatives`` enter its batch.
    tau: exponent of the corpora's sizes when several are mixed.
    evaluations: how often the validation task is scored, at equal distances, the last time after the last update.
    patience: stop after so many evaluations without a better score, and keep the best model; 0: train to the end and
        keep the last.
    attention: one of ``ATTENTIONS``; empty: what transformers chooses (sdpa where the model has it). With flash attention,
        which needs a GPU and its package, texts stand one after the other and nothing is padded.
    compile: whether the transformer is compiled (``torch.compile``), once, at the first update.
    pass_tokens: tokens, with their padding, of one pass through a transformer: texts of a column that are alike in length go
        together, so that less is padded; 0: a column in one pass, padded to its longest text. The loss is that of the whole
        batch; dropout draws other numbers.
    report_to: one of ``TRACKERS``, which gets losses and scores beside the kit's own history; ``none``.
    log_every: updates from one logged loss to the next; 0: the losses are logged at the evaluations.
    """

    updates: int = Field(default=1000, ge=1, le=_MANY)
    batch_size: int = Field(default=100, ge=2, le=_MANY)
    mini_batch: int = Field(default=0, ge=0, le=_MANY)
    trainable: str = "all"
    learning_rate: float = Field(default=3e-5, ge=1e-9, le=100.0)
    weight_decay: float = Field(default=1e-2, ge=0.0, le=100.0)
    warmup: float = Field(default=0.1, ge=0.0, le=1.0)
    loss: str = "info-nce"
    temperature: float = Field(default=0.05, ge=1e-4, le=100.0)
    margin: float = Field(default=0.0, ge=0.0, le=1.0)
    symmetric: bool = False
    hard_negatives: int = Field(default=0, ge=0, le=1000)
    tau: float = Field(default=1.0, ge=0.0, le=10.0)
    evaluations: int = Field(default=5, ge=1, le=_MANY)
    patience: int = Field(default=0, ge=0, le=_MANY)
    attention: str = ""
    compile: bool = False
    pass_tokens: int = Field(default=0, ge=0, le=_MANY)
    report_to: str = "none"
    log_every: int = Field(default=0, ge=0, le=_MANY)

    def decisive(self) -> dict[str, object]:
        """What a trained model depends on: all but how its training is watched."""
        return {name: value for name, value in self if name not in _WATCHING}

    @field_validator("loss", "attention", "report_to")
    @classmethod
    def _is_known(cls, name: str, field: ValidationInfo) -> str:
        known = {"loss": LOSS_NAMES, "attention": ("", *ATTENTIONS), "report_to": ("none", *TRACKERS)}[str(field.field_name)]
        if name not in known:
            raise ValueError(f"choose from {', '.join(filter(None, known))}")
        return name

    @field_validator("trainable")
    @classmethod
    def _is_trainable(cls, trainable: str) -> str:
        if not re.fullmatch("all|all-but-words|(last|lora):[1-9][0-9]{0,3}", trainable):
            raise ValueError("choose all, all-but-words, last:N (such as last:2) or lora:R (such as lora:8)")
        return trainable

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.evaluations > self.updates:
            raise ValueError(f"evaluations {self.evaluations} exceeds updates {self.updates}: lower it (-p evaluations=1)")
        if self.pass_tokens and self.mini_batch:
            raise ValueError(
                f"pass_tokens is {self.pass_tokens} and mini_batch {self.mini_batch}: both cut a batch: choose one"
            )
        return self


def unread(settings: Mapping[str, object]) -> set[str]:
    """Names of settings of encoder and training that have no part in a recipe, so that a report need not show them.

    Args:
        settings: by their flat names, the encoder's name as ``encoder``; another mapping has none that are unread.
    """
    name = settings.get("encoder")
    if not isinstance(name, str):
        return set()
    kind = name.partition(":")[0]
    is_made, is_head, is_static = name in ("static", "tiny"), kind in ("head", "embeddings"), kind == "static"
    found = set() if is_head and settings.get("head") != "linear" else {"rank"}
    found |= set() if is_head else {"head"}
    found |= set() if is_made or is_static else {"dimension"}
    found |= {"trust_remote_code", "trim_vocabulary"} if is_made else {"vocabulary_size"}
    if is_static or kind == "embeddings":
        found |= {"max_tokens", "attention", "compile", "pass_tokens", "trim_vocabulary"}
    return found | (set() if is_static else {"dropout"})
