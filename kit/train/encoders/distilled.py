"""A static encoder out of a pretrained one: each token has a vector before anything is trained.

The idea is Model2Vec's (Tulkens and van Dongen, 2024): the transformer encodes each token by itself, and principal
components of the vectors are kept. Frequent tokens weigh less, as in SIF (Arora, Liang and Ma, ICLR 2017), by how often the
training texts have them. Only tokens of these texts are taken out, since all vectors take part in each update
(docs/recipe.md has what that costs and saves).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kit.core import paths
from kit.core.files import kept_folder
from kit.core.fingerprints import code_fingerprint, fingerprint, versions
from kit.train.encoders.finding import no_transformer

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer

SIF = 1e-4
"""A token of frequency p weighs SIF / (SIF + p); chosen on validation questions (docs/recipe.md)."""

_BATCH = 512
"""Tokens a forward pass."""

_BYTE = re.compile("<0x[0-9A-F]{2}>")
"""A token that stands for a byte of unknown text."""


def take_out(name: str, model: SentenceTransformer, dimension: int, texts: Iterable[str]) -> StaticEmbedding:
    """Take the vectors of the tokens of some texts out of a model; once, they are kept in the cache.

    Args:
        name: what errors call the model.
        model: its first module is a transformer.
        dimension: numbers of a vector.
        texts: what is trained on, with prompts; its tokens are the vocabulary, and other words are spelled with them.

    Returns:
        The vectors, with the model's own tokenizer as far as it knows them; the mean square of a number is 1, as from
        scratch, so that a learning rate means the same.

    Raises:
        ValueError: the model has no transformer, or a slow tokenizer; its vectors have fewer numbers than ``dimension``.
    """
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding, Transformer
    from transformers import PreTrainedTokenizerFast

    transformer: Any = model[0]
    if not isinstance(transformer, Transformer) or not isinstance(model.tokenizer, PreTrainedTokenizerFast):
        raise no_transformer(name)
    width = model.get_embedding_dimension() or 0
    if dimension > width:
        raise ValueError(
            f"dimension is {dimension}, and vectors of encoder {name!r} have {width} numbers: choose at most {width}"
        )
    tokenizer = _plain(model.tokenizer.backend_tokenizer)
    counts = _counts(tokenizer, texts)
    made_of = [_weights(model), str(model), transformer.auto_model.config.to_json_string(), tokenizer.to_str()]
    code = code_fingerprint("kit.train.encoders.distilled")
    key = fingerprint([made_of, dimension, sorted(counts.items()), versions(), code])

    def make(folder: Path) -> None:
        numbers = tokenizer.get_vocab()
        vocabulary = narrowed(tokenizer, [token for token, number in numbers.items() if number in counts])
        places = vocabulary.get_vocab()
        kept = [numbers[token] for token in sorted(places, key=lambda token: places[token])]
        n_seen = np.array([counts[number] for number in kept])
        vectors = weighted_components(token_vectors(model, kept), n_seen, dimension)
        StaticEmbedding(vocabulary, embedding_weights=vectors).save(str(folder))

    return StaticEmbedding.load(str(kept_folder(paths.cache() / "starts" / key, make)))


def _weights(model: SentenceTransformer) -> str:
    """SHA-256 of a model's weights: half a second for 470 MB, and it need not be known where they came from."""
    import torch

    digest = hashlib.sha256()
    for tensor in model.state_dict().values():
        digest.update(tensor.cpu().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


def token_vectors(model: SentenceTransformer, tokens: Sequence[int]) -> np.ndarray:
    """What a model makes of each token by itself, between its marks of beginning and end; shape (n_tokens, width)."""
    import torch

    bare, whole = (list(model.tokenizer("a", add_special_tokens=marks)["input_ids"]) for marks in (False, True))
    begin = next(n for n in range(len(whole)) if whole[n : n + len(bare)] == bare)
    before, after = whole[:begin], whole[begin + len(bare) :]
    found = []
    model.eval()
    with torch.inference_mode():
        for start in range(0, len(tokens), _BATCH):
            ids = torch.tensor([[*before, token, *after] for token in tokens[start : start + _BATCH]], device=model.device)
            features: dict[str, Any] = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
            found.append(model(features)["sentence_embedding"].float().cpu().numpy())
    return np.concatenate(found)


def weighted_components(vectors: np.ndarray, counts: np.ndarray, dimension: int, sif: float = SIF) -> np.ndarray:
    """Principal components of vectors, about the mean of all texts' tokens, weighted by frequency; mean square 1.

    Args:
        vectors: (n_tokens, width).
        counts: (n_tokens,) how often the texts have each; at least 1 counts.
        dimension: components that are kept, at most width.
        sif: infinity weighs all alike.

    Returns:
        (n_tokens, dimension), float32. Of each component the sign is that which makes its largest loading positive.
    """
    frequency = np.maximum(counts, 1) / np.maximum(counts, 1).sum()
    centred = vectors.astype(np.float64)
    centred -= frequency @ centred
    _, axes = np.linalg.eigh(centred.T @ centred)
    axes = axes[:, ::-1][:, :dimension]  # (width, dimension), the largest variance first
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(dimension)])
    weighted = centred @ axes / (1 + frequency / sif)[:, None]
    return (weighted / np.sqrt(np.square(weighted).mean())).astype(np.float32)


def narrowed(tokenizer: Tokenizer, wanted: Collection[str]) -> Tokenizer:
    """A tokenizer with a part of its vocabulary: texts of which it makes wanted tokens only are cut as before.

    Args:
        tokenizer: BPE, WordPiece, Unigram or of words.
        wanted: tokens; added ones, that for unknown text, bytes and, in BPE, what tokens are merged from are kept besides.
    """
    from tokenizers import Tokenizer

    content = json.loads(tokenizer.to_str())
    model, added = content["model"], content["added_tokens"]
    scores = dict(model["vocab"])  # Unigram has a list of tokens with scores, the others a number for each token
    tokens = list(scores) if model["type"] == "Unigram" else sorted(scores, key=lambda token: scores[token])
    unknown = tokens[model["unk_id"]] if model.get("unk_id") is not None else model.get("unk_token")
    kept = {*wanted, unknown, *(token["content"] for token in added), *filter(_BYTE.fullmatch, tokens)}
    for left, right in reversed(model.get("merges", [])):  # what is merged was made by merges before
        kept |= {left, right} if left + right in kept else set()
    order = [token for token in tokens if token in kept]
    if model["type"] == "Unigram":
        model["vocab"] = [[token, scores[token]] for token in order]
        model["unk_id"] = order.index(unknown) if unknown else None
    else:
        model["vocab"] = {token: number for number, token in enumerate(order)}
    if "merges" in model:
        model["merges"] = [pair for pair in model["merges"] if {*pair, "".join(pair)} <= kept]
    for token in added:
        order += [token["content"]] if token["content"] not in order else []
        token["id"] = order.index(token["content"])
    return Tokenizer.from_str(json.dumps(content))


def _plain(tokenizer: Tokenizer) -> Tokenizer:
    """The tokenizer as a static encoder asks it: it cuts nothing off, and puts no marks of beginning and end."""
    from tokenizers import Tokenizer

    content = json.loads(tokenizer.to_str())
    return Tokenizer.from_str(json.dumps(content | {"truncation": None, "padding": None, "post_processor": None}))


def _counts(tokenizer: Tokenizer, texts: Iterable[str]) -> Counter[int]:
    """How often texts have each token, by its id."""
    counts: Counter[int] = Counter()
    waiting = iter(texts)
    while some := list(islice(waiting, 10_000)):
        for encoding in tokenizer.encode_batch(some, add_special_tokens=False):
            counts.update(encoding.ids)
    return counts
