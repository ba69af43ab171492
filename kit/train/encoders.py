"""How an encoder is made or loaded; every encoder is a ``SentenceTransformer`` with prompts ``query`` and ``document``."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING, cast

from kit.core.seeding import seed_everything
from kit.train.config import EncoderConfig, n_heads

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from transformers import PreTrainedTokenizerFast

PROMPTS = {"query": "Query: ", "document": "Passage: "}
"""Prefixes of the paper (after E5); ``encode_query`` and ``encode_document`` find them under these keys."""

MADE = ("static", "tiny")
"""Encoders made from scratch; any other name is a sentence-transformers model, by name or folder."""


def make_encoder(encoder: EncoderConfig, texts: Iterable[str], seed: int) -> SentenceTransformer:
    """Make or load an encoder.

    Args:
        encoder: which. ``static`` is a mean of token embeddings, which trains in seconds on a CPU, ``tiny`` a small
            transformer of XLM-R's shape; any other name is a sentence-transformers or transformers model. ``max_tokens``
            holds for all but ``static``, which has no limit; longer texts are cut.
        texts: what the tokenizer of ``static`` and ``tiny`` is trained on; not read for other names.
        seed: of the initial weights.

    Returns:
        The encoder, with its own prompts where a loaded model brings some, else with ``PROMPTS``.

    Raises:
        ValueError: the name is neither made here nor found; a dropout for another encoder than ``static``.
    """
    name, limit = encoder.name, encoder.max_tokens
    if encoder.dropout and name != "static":
        raise ValueError(
            f"dropout is {encoder.dropout}, and encoder {name!r} has its own: leave it 0, or take encoder 'static'"
        )
    seed_everything(seed)
    texts = chain(PROMPTS.values(), texts)  # a corpus without Latin letters would not know them
    if name == "static":
        model = _static(train_tokenizer(texts, encoder.vocabulary_size), encoder.dimension, encoder.dropout)
    elif name == "tiny":
        model = xlmr_shaped(train_tokenizer(texts, encoder.vocabulary_size), encoder.dimension, n_layers=2, max_tokens=limit)
    else:
        model = load_encoder(name)
        if model.max_seq_length != math.inf:  # a static encoder has no limit and takes none
            model.max_seq_length = min(limit, model.max_seq_length or limit)
    if not any((model.prompts or {}).values()):
        model.prompts = dict[str, str | None](PROMPTS)
    return model


def load_encoder(name: str) -> SentenceTransformer:
    """Load a sentence-transformers or transformers model by name or folder, with whatever prompts it brings.

    Raises:
        ValueError: nothing can be loaded under that name.
    """
    from sentence_transformers import SentenceTransformer

    try:
        with quiet():
            return SentenceTransformer(name, device=_device())
    except Exception as error:  # the hub client alone raises a dozen types: all mean that there is no such model here
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise ValueError(
            f"encoder {name!r} cannot be loaded ({reason}): use {', '.join(MADE)}, the folder of a model, "
            "or a name on the hub (which needs a network)"
        ) from error


def train_tokenizer(texts: Iterable[str], vocabulary_size: int) -> PreTrainedTokenizerFast:
    """Train a byte-pair tokenizer that needs no spaces between words, on NFKC-normalised lower-cased text.

    The same texts give the same tokenizer. Special tokens are those of XLM-R: ``<s> <pad> </s> <unk> <mask>``.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"[\p{P}\p{S}]|\p{N}+"), behavior="isolated"),  # 12 % and 1,234 stay comparable
            pre_tokenizers.Metaspace(),
        ]
    )
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.BpeTrainer(vocab_size=vocabulary_size, special_tokens=special, show_progress=False, min_frequency=2)
    tokenizer.train_from_iterator(texts, trainer)
    ends = [(token, tokenizer.token_to_id(token)) for token in ("<s>", "</s>")]
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=ends)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        cls_token="<s>",
        sep_token="</s>",
        mask_token="<mask>",
    )


def _static(tokenizer: PreTrainedTokenizerFast, dimension: int, dropout: float) -> SentenceTransformer:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Dropout, Normalize, StaticEmbedding

    noise = [Dropout(dropout)] if dropout else []
    modules = [StaticEmbedding(tokenizer, embedding_dim=dimension), *noise, Normalize()]
    return SentenceTransformer(modules=modules, device=_device())


def xlmr_shaped(tokenizer: PreTrainedTokenizerFast, dimension: int, n_layers: int, max_tokens: int) -> SentenceTransformer:
    """An encoder of XLM-R's shape with random weights: learned positions (offset by 2), one segment, mean pooling.

    768 dimensions and 12 layers are XLM-R base; heads have 64 dimensions there and here.
    """
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
    from transformers import XLMRobertaConfig, XLMRobertaModel

    config = XLMRobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=dimension,
        num_hidden_layers=n_layers,
        num_attention_heads=n_heads(dimension),
        intermediate_size=4 * dimension,
        max_position_embeddings=max_tokens + 2,
        type_vocab_size=1,
        bos_token_id=cast("int", tokenizer.bos_token_id),
        pad_token_id=cast("int", tokenizer.pad_token_id),
        eos_token_id=cast("int", tokenizer.eos_token_id),
    )
    with quiet(), tempfile.TemporaryDirectory() as folder:  # the module loads from a folder only
        XLMRobertaModel(config).save_pretrained(folder)
        tokenizer.model_max_length = max_tokens
        tokenizer.save_pretrained(folder)
        transformer = Transformer(folder)
    transformer.max_seq_length = max_tokens
    return SentenceTransformer(modules=[transformer, Pooling(dimension), Normalize()], device=_device())


@contextmanager
def quiet() -> Iterator[None]:
    """No bars and no remarks of transformers below errors: writing a small model would show a dozen bars."""
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def _device() -> str:
    """A GPU where there is one; sentence-transformers would also choose other accelerators that lack operations."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
