"""What a model reads of a text: the prompt of its side before it, and no more tokens than its limit."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from kit.core.seeding import generator
from kit.core.tables import cells
from kit.data.corpus import ParallelCorpus, RetrievalTask

LOOKED_AT = 500
"""Texts of a side in a language that are cut into tokens to learn how many are too long; a fixed seed draws them."""

_SIDES = {"query": ("query", "queries", "question"), "passage": ("document", "passage", "corpus", "doc")}
_PLURAL = {"query": "queries", "passage": "passages"}
_SAME = {"search", "retrieval", "web", "s2p"}
"""Words that a prompt's name may have besides: ``search_query``, ``retrieval.passage``, ``web_search_query``."""


class Prompts(NamedTuple):
    """What is put before the texts of each side, empty for nothing, and names of prompts that retrieval does not use."""

    query: str
    passage: str
    unused: tuple[str, ...]


def prompts_of(model: object) -> Prompts:
    """What a model asks for before queries and passages, whatever it calls these prompts.

    ``query`` and ``document`` are what sentence-transformers looks for, and adds, empty, to models that call them otherwise:
    E5 says ``passage``, others ``search_document`` or ``retrieval.passage``. Of several that are not empty the plainest
    name counts, then the first in ``query, queries, question`` or ``document, passage, corpus, doc``.

    Args:
        model: anything with ``prompts``, texts by name; without any, both prompts are empty.

    >>> from types import SimpleNamespace
    >>> prompts_of(SimpleNamespace(prompts={"document": "", "search_document": "D: ", "Clustering": "C: "}))
    Prompts(query='', passage='D: ', unused=('Clustering',))
    """
    given: Mapping[str, str | None] = getattr(model, "prompts", None) or {}
    prompts = {name: prompt for name, prompt in given.items() if prompt}
    chosen = {}
    for side, known in _SIDES.items():
        ranked = []
        for name in prompts:
            words = [word for word in re.split(r"[\W_]+", name.lower()) if word]
            told = [word for word in words if word not in _SAME]
            if len(told) == 1 and told[0] in known:
                ranked.append((len(words), known.index(told[0]), name))
        chosen[side] = prompts[min(ranked)[2]] if ranked else ""
    unused = tuple(name for name, prompt in prompts.items() if prompt not in chosen.values())
    return Prompts(chosen["query"], chosen["passage"], unused)


def reader(model: Any, side: str) -> Any:
    """The module of a ``SentenceTransformer`` that cuts the texts of a side into tokens, of a router that of its route.

    Args:
        side: "query" or "passage".

    Returns:
        The module, with ``tokenizer`` and ``max_seq_length``; None for a model of another kind.
    """
    first = first_module(model)
    below = getattr(first, "base", None)  # of a head: an encoder that stays as it is
    if below is not None:
        return reader(getattr(below, "model", below), side)
    routes = getattr(first, "sub_modules", None)
    if first is None or routes is None:
        return first
    task = "query" if side == "query" else "document"
    return routes[task][0] if task in routes else None


def first_module(model: Any) -> Any:
    """What texts go into first; None for a model that has no modules."""
    try:
        return model[0]
    except (TypeError, KeyError, IndexError, AttributeError):
        return None


def limit_of(model: Any, side: str) -> int | None:
    """Longest input of a side in tokens, special ones and the prompt among them; None where nothing is cut or known."""
    limit = getattr(reader(model, side), "max_seq_length", None)
    return None if limit is None or math.isinf(limit) else int(limit)


def n_tokens(tokenizer: Any, texts: Sequence[str], prompt: str = "") -> np.ndarray:
    """Tokens of each text with a prompt before it, special ones included, however many a model reads; shape (n_texts,)."""
    if not len(texts):
        return np.zeros(0, np.int64)
    ids = tokenizer([prompt + text for text in texts], truncation=False, padding=False, verbose=False)["input_ids"]
    return np.array([len(one) for one in ids], np.int64)


def enough_for(lengths: np.ndarray) -> int:
    """Tokens, a multiple of 8, that 99 % of some texts have at most; 0 for no texts."""
    return -(-int(np.quantile(lengths, 0.99, method="inverted_cdf")) // 8) * 8 if len(lengths) else 0


def cut_of_task(model: Any, task: RetrievalTask) -> list[str]:
    """What of a task a model cannot read, as sentences: one for queries, one for passages; none where it reads all.

    A model that is no ``SentenceTransformer``, or has no limit, is taken to read all.
    """
    tables = {"query": task.queries, "passage": task.candidates}
    return [told for side, table in tables.items() if (told := _cut(model, side, table.column("text"), table))]


def cut_of_texts(model: Any, side: str, texts: Sequence[str], language: str) -> str:
    """The same of some texts of a side, "query" or "passage", in one language; empty where it reads all."""
    table = pa.table({"text": pa.array(texts, pa.string()), "language": pa.array([language] * len(texts), pa.string())})
    return _cut(model, side, table.column("text"), table)


def cut_of_corpora(model: Any, corpora: Sequence[ParallelCorpus]) -> list[str]:
    """The same of the texts of training corpora."""
    table = pa.concat_tables([corpus.table.select([*_SIDES, "language"]) for corpus in corpora])
    return [told for side in _SIDES if (told := _cut(model, side, table.column(side), table))]


def _cut(model: Any, side: str, texts: pa.ChunkedArray, table: pa.Table) -> str:
    """How many texts of a side are too long, and in which language most; the empty text for none."""
    limit, tokenizer = limit_of(model, side), getattr(reader(model, side), "tokenizer", None)
    if limit is None or not callable(tokenizer):
        return ""
    prompt = getattr(prompts_of(model), side)
    languages, language_of = np.unique(table.column("language").to_pylist(), return_inverse=True)
    draw, lengths, shares = generator(0), [], []
    for code in range(len(languages)):
        rows = np.flatnonzero(language_of == code)
        rows = np.sort(draw.choice(rows, LOOKED_AT, replace=False)) if len(rows) > LOOKED_AT else rows
        lengths.append(n_tokens(tokenizer, cells(texts, rows), prompt))
        shares.append(100 * float((lengths[-1] > limit).mean()))
    if not any(shares):
        return ""
    looked_at, most = np.concatenate(lengths), int(np.argmax(shares))
    share = np.average(shares, weights=np.bincount(language_of))
    in_most = f" (most in {languages[most]}: {shares[most]:.3g} %)" if len(languages) > 1 else ""
    sample = f", judged by {len(looked_at):,} of them" if len(looked_at) < len(texts) else ""
    return (
        f"{share:.3g} % of {len(texts):,} {_PLURAL[side]} are longer than {limit} tokens and cut{in_most}{sample}: "
        f"the longest has {looked_at.max():,}, a limit of {enough_for(looked_at):,} reads 99 % of them whole"
    )
