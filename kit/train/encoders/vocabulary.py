"""A pretrained encoder without the tokens that some texts do not need: most weights of a multilingual one are of tokens."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from kit.data.inputs import prompts_of, reader

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from tokenizers import Tokenizer

_AT_A_TIME = 1000
"""Texts that are cut into tokens at a time."""


def trim_vocabulary(model: SentenceTransformer, texts: Iterable[str]) -> int:
    """Keep only the tokens that some texts need, in place; these texts have the same tokens and embeddings as before.

    Kept are the tokens of the texts, with the model's prompts and without, special and other added tokens, and single
    characters and bytes, so that any other text can still be read: in smaller pieces, and as the model has hardly ever seen
    it. Tokens keep their order. The model is saved and loaded as before.

    Args:
        model: a transformer or static encoder; its tokenizer is of the kind Unigram (XLM-R, E5), BPE or WordPiece (BERT).
        texts: read once; they are held in memory.

    Returns:
        Number of tokens kept.

    Raises:
        ValueError: a tokenizer of another kind, or one that would cut a text otherwise; the model is as it was.
    """
    prompts = prompts_of(model)
    starts = dict.fromkeys(("", prompts.query, prompts.passage))
    read = [start + text for text in dict.fromkeys(texts) for start in starts]
    parts = {id(part): part for part in (reader(model, side) for side in ("query", "passage"))}
    trimmed = [(part, *_trimmed(part, read)) for part in parts.values()]  # all of them, or none
    for part, tokenizer, kept in trimmed:
        _put(part, tokenizer, kept)
    return sum(len(kept) for _, _, kept in trimmed)


def _trimmed(part: Any, texts: list[str]) -> tuple[Tokenizer, np.ndarray]:
    """The smaller tokenizer of a model's first module, and the numbers that its tokens had, (n_kept,) in order."""
    from tokenizers import Tokenizer

    own = getattr(part, "tokenizer", None)
    whole = getattr(own, "backend_tokenizer", own)
    if not isinstance(whole, Tokenizer):
        raise ValueError(f"the vocabulary of a {type(part).__name__} cannot be trimmed: it has no tokenizer of this kind")
    content = json.loads(whole.to_str()) | {"truncation": None, "padding": None}
    whole = Tokenizer.from_str(json.dumps(content))
    needed = {number for encoding in _cut(whole, texts) for number in encoding.ids}
    needed |= {token["id"] for token in content["added_tokens"]} | _below_padding(part)
    kept = np.array(sorted(needed | _kept(content["model"], needed)))
    tokenizer = Tokenizer.from_str(json.dumps(_smaller(content, {int(old): new for new, old in enumerate(kept)})))
    for text, before, after in zip(texts, _cut(whole, texts), _cut(tokenizer, texts)):
        if not np.array_equal(kept[after.ids], before.ids):
            raise ValueError(f"the vocabulary cannot be trimmed: {text!r:.80} would get other tokens: leave it whole")
    return tokenizer, kept


def _cut(tokenizer: Tokenizer, texts: list[str]) -> Iterator[Any]:
    for first in range(0, len(texts), _AT_A_TIME):
        yield from tokenizer.encode_batch_fast(texts[first : first + _AT_A_TIME])


def _kept(model: dict[str, Any], needed: Collection[int]) -> set[int]:
    """Numbers of the tokens by which all texts can be read, and the needed ones come about."""
    unigram = model["type"] == "Unigram"
    if model["type"] not in ("Unigram", "BPE", "WordPiece"):
        raise ValueError(f"a vocabulary of the kind {model['type']} cannot be trimmed: only Unigram, BPE and WordPiece")
    numbers = {piece: number for number, (piece, _) in enumerate(model["vocab"])} if unigram else model["vocab"]
    begin, end = model.get("continuing_subword_prefix") or "", model.get("end_of_word_suffix") or ""
    alone = lambda token: len(token.removeprefix(begin).removesuffix(end).strip("▁")) <= 1 or token.startswith("<0x")
    kept = {number for token, number in numbers.items() if alone(token) or token == model.get("unk_token")}
    if unigram:  # what is unknown costs ten more than the rarest piece
        scores = [score for _, score in model["vocab"]]
        return kept | {model["unk_id"], scores.index(min(scores))} - {None}
    tokens = {number: token for token, number in numbers.items()}
    made_of: dict[str, set[str]] = {}
    for left, right in _merges(model):
        made_of.setdefault(left + right.removeprefix(begin), set()).update((left, right))
    waiting, parts = [tokens[number] for number in needed if number in tokens], set[str]()
    while waiting:  # a token is there only if all that it is merged from is
        more = made_of.get(waiting.pop(), set()) - parts
        parts |= more
        waiting += more
    return kept | {numbers[token] for token in parts}


def _merges(model: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for merge in model.get("merges", ()):
        left, right = merge.split(" ") if isinstance(merge, str) else merge
        yield left, right


def _smaller(content: dict[str, Any], new: Mapping[int, int]) -> dict[str, Any]:
    """A tokenizer's description with the tokens of ``new``, the new number by the old."""
    model = dict(content["model"])
    if model["type"] == "Unigram":
        model["vocab"] = [entry for number, entry in enumerate(model["vocab"]) if number in new]
        model["unk_id"] = new.get(model["unk_id"])
    else:
        model["vocab"] = {token: new[number] for token, number in model["vocab"].items() if number in new}
    if "merges" in model:
        begin = model.get("continuing_subword_prefix") or ""
        inside = lambda *tokens: all(token in model["vocab"] for token in tokens)
        model["merges"] = [
            [left, right] for left, right in _merges(model) if inside(left, right, left + right.removeprefix(begin))
        ]
    added = [token | {"id": new[token["id"]]} for token in content["added_tokens"]]
    return content | {"model": model, "added_tokens": added, "post_processor": _renumbered(content["post_processor"], new)}


def _renumbered(value: Any, new: Mapping[int, int]) -> Any:
    """What puts special tokens around a text, with their new numbers."""
    if isinstance(value, list):
        pair = len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], int)  # "sep": ["</s>", 2]
        return [value[0], new[value[1]]] if pair else [_renumbered(part, new) for part in value]
    if not isinstance(value, dict):
        return value
    return {
        name: [new[number] for number in part] if name == "ids" else _renumbered(part, new) for name, part in value.items()
    }


def _below_padding(part: Any) -> set[int]:
    """Tokens up to the padding, where positions are counted from its number, as in XLM-R: it has to stay; and itself."""
    if not hasattr(part, "auto_model"):
        return set()
    padding, words = part.auto_model.config.pad_token_id, part.auto_model.get_input_embeddings()
    if padding is None:
        return set()
    counted = any(getattr(one, "padding_idx", None) == padding for one in part.auto_model.modules() if one is not words)
    return set(range(padding + 1)) if counted else {padding}


def _put(part: Any, tokenizer: Tokenizer, kept: np.ndarray) -> None:
    """Give a model's first module a smaller tokenizer, and the embeddings of its tokens."""
    import torch
    from torch import nn

    rows = torch.from_numpy(kept)
    if not hasattr(part, "auto_model"):  # a static encoder
        part.tokenizer = tokenizer
        part.embedding = nn.EmbeddingBag.from_pretrained(part.embedding.weight.detach().cpu()[rows], freeze=False)
        part.num_embeddings = len(kept)
        return
    transformer, new = part.auto_model, {int(old): number for number, old in enumerate(kept)}
    words, config = transformer.get_input_embeddings(), transformer.config
    padding = None if words.padding_idx is None else new[words.padding_idx]
    weight = words.weight.detach()[rows.to(words.weight.device)]
    transformer.set_input_embeddings(nn.Embedding.from_pretrained(weight, freeze=False, padding_idx=padding))
    config.vocab_size = len(kept)
    for name in [name for name in config.to_dict() if name.endswith("_token_id") and isinstance(getattr(config, name), int)]:
        setattr(config, name, new.get(getattr(config, name)))
    part.processor = _wrapped(tokenizer, part.tokenizer)


def _wrapped(tokenizer: Tokenizer, like: Any) -> Any:
    """A tokenizer as transformers has it, with the settings of another one."""
    from transformers import PreTrainedTokenizerFast

    settings = ("model_max_length", "padding_side", "truncation_side", "model_input_names", "clean_up_tokenization_spaces")
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        **{name: getattr(like, name) for name in settings},
        **like.special_tokens_map,
    )
