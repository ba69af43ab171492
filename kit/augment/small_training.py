"""Training the small translator: one tokenizer and one encoder-decoder for all its languages."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kit.core.seeding import generator, seed_everything

if TYPE_CHECKING:
    from torch.utils.data import Dataset
    from transformers import (
        M2M100ForConditionalGeneration,
        PreTrainedTokenizerFast,
        TrainerCallback,
        TrainerControl,
        TrainerState,
        TrainingArguments,
    )


@dataclass(frozen=True)
class SmallModel:
    """Size of the small translator and how it is trained; the defaults suit a minute on two cores.

    vocabulary_size: of the tokenizer that all languages share, special tokens included.
    dimension: of the model, a multiple of 32 (a head has 32 dimensions); feed-forward layers have four times as many.
    n_layers: of the encoder, and of the decoder.
    dropout: in [0, 1).
    label_smoothing: in [0, 1).
    batch_size: pairs an update.
    learning_rate: of AdamW at its highest, after the first tenth of the updates; falls linearly to 0.
    max_tokens: longest text of a pair in training; longer ones are not drawn.
    """

    vocabulary_size: int = 4000
    dimension: int = 128
    n_layers: int = 2
    dropout: float = 0.1
    label_smoothing: float = 0.1
    batch_size: int = 32
    learning_rate: float = 2e-3
    max_tokens: int = 96

    def __post_init__(self) -> None:
        for name, lowest in (
            ("vocabulary_size", 100),
            ("dimension", 32),
            ("n_layers", 1),
            ("batch_size", 1),
            ("max_tokens", 8),
        ):
            if getattr(self, name) < lowest:
                raise ValueError(f"{name} is {getattr(self, name)}: choose at least {lowest}")
        if self.dimension % 32:
            raise ValueError(f"dimension is {self.dimension}: choose a multiple of 32")


def train_tokenizer(texts: Iterable[str], languages: Sequence[str], vocabulary_size: int) -> PreTrainedTokenizerFast:
    """A byte-pair tokenizer with a token ``<2de>`` for each language; keeps case, and needs no spaces between words.

    The same texts give the same tokenizer. What stands in no text of the training is ``<unk>``.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    targets = [target_token(language) for language in languages]
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        # "mid" keeps the marks: "Land: X" and "12 %" come back as they were.
        [pre_tokenizers.Metaspace(), pre_tokenizers.Split(Regex(r"[\p{P}\p{S}]|\p{N}"), behavior="isolated")]
    )
    tokenizer.decoder = decoders.Metaspace()
    special = ["<pad>", "</s>", "<unk>", *targets]
    trainer = trainers.BpeTrainer(vocab_size=vocabulary_size, special_tokens=special, show_progress=False, min_frequency=2)
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        extra_special_tokens=targets,
        split_special_tokens=True,  # a text that holds "</s>" is text
    )


def target_token(language: str) -> str:
    """The token that asks for a language."""
    return f"<2{language}>"


def encode(tokenizer: PreTrainedTokenizerFast, text: str) -> list[int]:
    """Ids of a text with the end token, shape (n_tokens,)."""
    return [*tokenizer.encode(text, add_special_tokens=False), token_id(tokenizer, str(tokenizer.eos_token))]


def token_id(tokenizer: PreTrainedTokenizerFast, token: str) -> int:
    """Id of one token; that of unknown words where there is none."""
    found = tokenizer.convert_tokens_to_ids(token)
    assert isinstance(found, int)
    return found


def encode_for(tokenizer: PreTrainedTokenizerFast, text: str, target: str) -> list[int]:
    """Ids of an input: the token of the target, the text, the end token."""
    return [token_id(tokenizer, target_token(target)), *encode(tokenizer, text)]


def train_model(
    rows: Sequence[Mapping[str, str]],
    tokenizer: PreTrainedTokenizerFast,
    steps: int,
    seed: int,
    log: Callable[[str], None],
    shape: SmallModel,
) -> M2M100ForConditionalGeneration:
    """Train a model from scratch on rows that each have at least two languages."""
    from transformers import Seq2SeqTrainer, Seq2SeqTrainingArguments
    from transformers.trainer_callback import PrinterCallback

    if steps < 1:
        raise ValueError(f"steps is {steps}: choose at least 1")
    pairs = _pairs(rows, tokenizer, steps * shape.batch_size, seed, shape.max_tokens)
    seed_everything(seed)
    model = _model(tokenizer, shape)
    with tempfile.TemporaryDirectory() as folder:
        settings = Seq2SeqTrainingArguments(
            output_dir=folder,
            max_steps=steps,
            per_device_train_batch_size=shape.batch_size,
            learning_rate=shape.learning_rate,
            lr_scheduler_type="linear",
            warmup_steps=max(1, steps // 10),
            label_smoothing_factor=shape.label_smoothing,
            logging_steps=max(1, steps // 10),
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            dataloader_pin_memory=False,
            seed=seed,
        )
        trainer = Seq2SeqTrainer(
            model,
            settings,
            train_dataset=pairs,
            data_collator=lambda pairs: _collate(pairs, tokenizer),
            callbacks=[_speaker(log, steps)],
        )
        trainer.remove_callback(PrinterCallback)  # prints dictionaries
        trainer.train()
    return model


def _model(tokenizer: PreTrainedTokenizerFast, shape: SmallModel) -> M2M100ForConditionalGeneration:
    from transformers import M2M100Config, M2M100ForConditionalGeneration

    end = token_id(tokenizer, str(tokenizer.eos_token))

    sides = {}
    for side in ("encoder", "decoder"):
        sides |= {f"{side}_layers": shape.n_layers, f"{side}_attention_heads": shape.dimension // 32}
        sides |= {f"{side}_ffn_dim": 4 * shape.dimension, f"{side}_layerdrop": 0.0}
    return M2M100ForConditionalGeneration(
        M2M100Config(
            vocab_size=len(tokenizer),
            d_model=shape.dimension,
            # With a smaller one the positions would drown the words, and attention would find nothing for long.
            init_std=shape.dimension**-0.5,
            max_position_embeddings=shape.max_tokens + 2,  # the token of the target and the end
            dropout=shape.dropout,
            scale_embedding=True,
            pad_token_id=token_id(tokenizer, str(tokenizer.pad_token)),
            eos_token_id=end,
            bos_token_id=None,
            decoder_start_token_id=end,
            attention_dropout=0.0,
            **sides,
        )
    )


def _pairs(
    rows: Sequence[Mapping[str, str]], tokenizer: PreTrainedTokenizerFast, n_pairs: int, seed: int, max_tokens: int
) -> Dataset:
    """A data set of pairs: pair i is a pure function of the seed and i, a row and two of its languages."""
    from torch.utils.data import Dataset

    texts = list(dict.fromkeys(text for row in rows for text in row.values()))
    # All in one call: one each takes four times as long.
    encoded = tokenizer(texts, add_special_tokens=False)["input_ids"] if texts else []
    ids_of = {text: [*ids, tokenizer.eos_token_id] for text, ids in zip(texts, encoded)}
    ids = [{language: ids_of[text] for language, text in row.items() if len(ids_of[text]) < max_tokens} for row in rows]
    ids = [row for row in ids if len(row) > 1]
    if not ids:
        raise ValueError(f"max_tokens is {max_tokens}: no row has two texts that short: choose more")

    class Pairs(Dataset):
        def __len__(self) -> int:
            return n_pairs

        def __getitem__(self, index: int) -> dict[str, list[int]]:
            random = generator(seed, "pair", index)
            row = ids[random.integers(len(ids))]
            source, target = (sorted(row)[number] for number in random.permutation(len(row))[:2])
            first = token_id(tokenizer, target_token(target))
            return {"input_ids": [first, *row[source]], "labels": [first, *row[target]]}

    return Pairs()


def _collate(pairs: list[dict[str, list[int]]], tokenizer: PreTrainedTokenizerFast) -> dict:
    """A batch as tensors; the decoder reads the end token and then the labels, one place later."""
    import torch

    def padded(rows: list[list[int]], value: int) -> torch.Tensor:
        width = max(map(len, rows))
        return torch.tensor([row + [value] * (width - len(row)) for row in rows])  # (batch, tokens)

    pad, end = (token_id(tokenizer, str(token)) for token in (tokenizer.pad_token, tokenizer.eos_token))
    inputs = padded([pair["input_ids"] for pair in pairs], pad)
    return {
        "input_ids": inputs,
        "attention_mask": torch.ne(inputs, pad).long(),
        "decoder_input_ids": padded([[end, *pair["labels"][:-1]] for pair in pairs], pad),
        "labels": padded([pair["labels"] for pair in pairs], -100),  # -100: no loss there
    }


def _speaker(log: Callable[[str], None], steps: int) -> TrainerCallback:
    """Callback that logs the loss of the last tenth of the updates."""
    from transformers import TrainerCallback

    class Speaker(TrainerCallback):
        def on_log(
            self,
            args: TrainingArguments,
            state: TrainerState,
            control: TrainerControl,
            logs: dict[str, float] | None = None,
            **kwargs: Any,
        ) -> None:
            if logs and "loss" in logs:
                log(f"update {state.global_step} of {steps}: loss {float(logs['loss']):.3f}")

    return Speaker()
