"""How an encoder is made, or chosen; every encoder is a ``SentenceTransformer`` with prompts ``query`` and ``document``."""

from __future__ import annotations

import math
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain, cycle
from random import Random
from typing import TYPE_CHECKING, cast

from kit.core.seeding import seed_everything
from kit.data.embeddings.given import GivenEmbeddings, is_given
from kit.data.embeddings.stored import StoredEncoder
from kit.data.inputs import enough_for, limit_of, n_tokens, prompts_of, reader
from kit.train.config import EncoderConfig, n_heads
from kit.train.encoders.distilled import take_out
from kit.train.encoders.finding import MADE, has_head, is_static, kind_of
from kit.train.encoders.loading import device, load_encoder, quiet, set_prompts, weights_of
from kit.train.encoders.vocabulary import trim_vocabulary

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from transformers import PreTrainedTokenizerFast

PROMPTS = {"query": "Query: ", "document": "Passage: "}
"""Prefixes of the paper (after E5); ``encode_query`` and ``encode_document`` find them under these keys."""

_USUAL_TOKENS = 128
"""What a transformer reads at least, if it can, where ``max_tokens`` is 0: a batch costs what its own texts need."""

_SAMPLE = 4000
"""Texts by which ``max_tokens`` is chosen."""


def make_encoder(encoder: EncoderConfig, texts: Iterable[str], seed: int, others: Iterable[str] = ()) -> SentenceTransformer:
    """Make or load an encoder.

    Args:
        encoder: which. ``static`` is a mean of token embeddings, which trains in seconds on a CPU, ``static:<model>`` one
            that is taken out of a pretrained model, ``tiny`` a small transformer of XLM-R's shape; any other name is a
            sentence-transformers or transformers model. ``max_tokens`` holds for all but static encoders, which have no
            limit; longer texts are cut.
        texts: what the tokenizer of ``static`` and ``tiny`` is trained on, the vocabulary of ``static:<model>``, and what
            ``max_tokens`` 0 is chosen by: 128, or what 99 % of 4,000 of them have at most, as far as a loaded model reads.
        seed: of the initial weights.
        others: what a vocabulary that is trimmed has to read besides ``texts``, such as the validation's texts.

    Returns:
        The encoder, with the prompts of ``encoder``, else its own where a loaded model brings some, else ``PROMPTS``.

    Raises:
        ValueError: the name is neither made here nor found; a dropout for another encoder than ``static``; a vocabulary
            that is made of these texts, or cannot be trimmed, with ``trim_vocabulary``.
    """
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    name = encoder.name
    if encoder.dropout and not is_static(name):
        raise ValueError(
            f"dropout is {encoder.dropout}, and encoder {name!r} has its own: leave it 0, or take encoder 'static'"
        )
    if encoder.trim_vocabulary and (name in MADE or kind_of(name)[0]):
        reason = "is not trained" if has_head(name) else "gets a vocabulary of these texts"
        raise ValueError(f"trim_vocabulary is true, and encoder {name!r} {reason}: leave it out")
    seed_everything(seed)
    given = (encoder.query_prompt, encoder.passage_prompt) if encoder.query_prompt or encoder.passage_prompt else None
    if has_head(name):
        return _with_head(encoder, given, seed)
    if name not in MADE:
        kind, source = kind_of(name)
        model = load_encoder(source, encoder.trust_remote_code)
        own = prompts_of(model)[:2]
        prompts = given or (own if any(own) else tuple(PROMPTS.values()))
        if kind == "static":
            prompted = (prompt + text for prompt, text in zip(cycle(prompts), texts))
            model = _static(take_out(source, model, encoder.dimension, prompted), encoder.dropout)
        set_prompts(model, *prompts)
        texts = list(texts) if encoder.trim_vocabulary else texts
        _limit(model, encoder.max_tokens, texts)
        if encoder.trim_vocabulary:
            trim_vocabulary(model, chain(texts, others))
        return model
    prompts = given or tuple(PROMPTS.values())
    sample: list[str] = []
    texts = chain(prompts, _sampled(texts, sample))  # a corpus without Latin letters would not know the prompts
    tokenizer = train_tokenizer(texts, encoder.vocabulary_size)
    if name == "static":
        model = _static(StaticEmbedding(tokenizer, embedding_dim=encoder.dimension), encoder.dropout)
    else:
        limit = encoder.max_tokens or max(_USUAL_TOKENS, enough_for(n_tokens(tokenizer, sample, max(prompts, key=len))))
        model = xlmr_shaped(tokenizer, encoder.dimension, n_layers=2, max_tokens=limit)
    set_prompts(model, *prompts)
    return model


def _with_head(encoder: EncoderConfig, prompts: tuple[str, str] | None, seed: int) -> SentenceTransformer:
    """An encoder that stays as it is, with a head that learns."""
    from kit.train.encoders.heads import with_head

    if is_given(encoder.name):
        if encoder.head == "residual":
            raise ValueError("head is 'residual', which is no matrix: choose linear or low-rank for given embeddings")
        given = GivenEmbeddings(encoder.name)
        return with_head(given, given.weights, given.dimension, encoder, seed)
    _, name = kind_of(encoder.name)
    base, weights = load_encoder(name, encoder.trust_remote_code), weights_of(name)
    if prompts:
        set_prompts(base, *prompts)
    if encoder.max_tokens:
        _limit(base, encoder.max_tokens, [])
    dim = base.get_embedding_dimension()
    assert dim is not None
    base_of_it = StoredEncoder(base, weights, name)
    model = with_head(base_of_it, weights, dim, encoder, seed)
    model.prompts = dict(base.prompts)
    return model


def _limit(model: SentenceTransformer, max_tokens: int, texts: Iterable[str]) -> None:
    """Let a loaded model read no more than ``max_tokens``, or, if that is 0, than texts have; never more than it can."""
    sample: list[str] = []
    if not max_tokens:
        deque(_sampled(texts, sample), maxlen=0)
    for side in ("query", "passage"):
        module, prompt = reader(model, side), max(prompts_of(model)[:2], key=len)
        if getattr(module, "max_seq_length", math.inf) == math.inf:
            continue  # a static encoder has no limit and takes none
        needed = enough_for(n_tokens(module.tokenizer, sample, prompt)) if callable(module.tokenizer) else 0
        wanted = max_tokens or max(_USUAL_TOKENS, needed)
        module.max_seq_length = min(wanted, limit_of(model, side) or wanted)


def _sampled(texts: Iterable[str], sample: list[str]) -> Iterator[str]:
    """Pass texts on and keep some in ``sample``: a reservoir, in which each text is as likely as any other."""
    draw = Random(0)
    for number, text in enumerate(texts):
        place = number if number < _SAMPLE else draw.randrange(number + 1)
        if place < _SAMPLE:
            sample[place : place + 1] = [text]
        yield text


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


def _static(embedding: StaticEmbedding, dropout: float) -> SentenceTransformer:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Dropout, Normalize

    noise = [Dropout(dropout)] if dropout else []
    return SentenceTransformer(modules=[embedding, *noise, Normalize()], device=device())


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
    return SentenceTransformer(modules=[transformer, Pooling(dimension), Normalize()], device=device())
