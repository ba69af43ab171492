"""A recipe: which encoder, and how it is fine-tuned. Defaults are those of arXiv 2408.10536 where it gives a value."""

from __future__ import annotations

from typing import Self

from pydantic import Field, field_validator, model_validator

from kit.core.configs import Config, Text

_MANY = 2**31

LOSS_NAMES = ("info-nce",)
"""Names of ``kit.train.losses.LOSSES``; here, so that a name can be checked without torch."""


class EncoderConfig(Config):
    """Which encoder is fine-tuned.

    name: ``static``, ``tiny``, the name or folder of a sentence-transformers model, or ``static:`` and such a name.
    dimension, vocabulary_size: of an encoder made from scratch; of ``static:<model>`` the dimension, at most the model's.
    max_tokens: longest input of a transformer, of which its marks of beginning and end take two; 0: 128, or more where 1 %
        of the training texts are longer, as far as the model reads.
    dropout: share of an embedding's numbers that are zero in training, for static encoders.
    query_prompt, passage_prompt: what is put before the texts of each side, and kept in the model; both empty: what the
        model brings, or those of the paper.
    trust_remote_code: whether code that a model brings may run.
    """

    name: Text = "static"
    dimension: int = Field(default=128, ge=1, le=_MANY)
    vocabulary_size: int = Field(default=8192, ge=1, le=_MANY)
    max_tokens: int = Field(default=0, ge=0, le=_MANY)
    dropout: float = Field(default=0.0, ge=0.0, le=0.9)
    query_prompt: str = ""
    passage_prompt: str = ""
    trust_remote_code: bool = False

    @field_validator("max_tokens")
    @classmethod
    def _holds_a_word(cls, max_tokens: int) -> int:
        if 0 < max_tokens < 3:
            raise ValueError("two are the marks of beginning and end: choose at least 3, or 0 for what the texts need")
        return max_tokens

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
    batch_size: rows of a batch (the paper: 100).
    learning_rate, weight_decay: of AdamW; the rate rises over the first ``warmup`` share of the updates, then falls
        linearly to zero.
    loss: one of ``LOSS_NAMES``.
    temperature, margin, symmetric: of it, see ``kit.train.losses.InfoNCE`` (the paper names no temperature).
    hard_negatives: how many of a row's ``negatives`` enter its batch.
    tau: exponent of the corpora's sizes when several are mixed.
    evaluations: how often the validation task is scored, at equal distances, the last time after the last update.
    patience: stop after so many evaluations without a better score, and keep the best model; 0: train to the end and
        keep the last.
    """

    updates: int = Field(default=1000, ge=1, le=_MANY)
    batch_size: int = Field(default=100, ge=2, le=_MANY)
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

    @field_validator("loss")
    @classmethod
    def _is_known(cls, loss: str) -> str:
        if loss not in LOSS_NAMES:
            raise ValueError(f"choose from {', '.join(LOSS_NAMES)}")
        return loss

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.evaluations > self.updates:
            raise ValueError(f"evaluations {self.evaluations} exceeds updates {self.updates}: lower it (-p evaluations=1)")
        return self
