"""What a transformer's tokenizer makes of the texts of a training: cut once, into an Arrow file, and looked up from then on.

Cutting the texts of a batch of 100 pairs takes a core some 40 ms (XQuAD-R, E5's tokenizer), perhaps as long as a GPU takes
for the update of a base model; looking them up takes 1.5 ms, and the models of one experiment read the same texts. The file
is mapped into memory; what the texts are found by takes 16 bytes a text of it.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kit.core import paths, tables
from kit.core.files import kept_folder
from kit.core.fingerprints import fingerprint, versions
from kit.data.embeddings.encoding import is_transformer
from kit.data.inputs import prompts_of, reader
from kit.data.triples.corpus import TrainingCorpus, TripleCorpus
from kit.train.config import TrainingConfig

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer

Log = Callable[[str], None]

_AT_ONCE = 8192
"""Texts that are cut in one call, and rows of a record batch of the file."""

_TOLD_EVERY_S = 10.0

_FILE = "tokens.arrow"
_CUT = {"truncation": "longest_first"}
_PADDED = ({"padding": True, **_CUT}, {"return_tensors": "pt"})
_ONE_AFTER_THE_OTHER = ({"return_attention_mask": False, **_CUT}, {})
"""What sentence-transformers asks of a tokenizer: options for texts, and common ones; the second is for flash attention.
Where it asks otherwise, nothing is looked up."""


@contextmanager
def kept_tokens(
    model: SentenceTransformer, corpora: Sequence[TrainingCorpus], config: TrainingConfig, log: Log = print
) -> Iterator[None]:
    """While it lasts, a transformer looks up the tokens of its training texts. What it reads stays the same to the last bit.

    Nothing is kept, and texts are cut as they come, where the training reads fewer texts than there are, of triples on disk
    (their texts are read once, if at all), of a model that is no transformer, of a tokenizer that says more than the pieces
    of a text, and outside a checkout, where there is no cache.

    Args:
        log: takes a line every ten seconds while texts are cut.
    """
    if not _pays(model, corpora, config):
        yield
        return
    with ExitStack() as afterwards:
        for module, texts in _read_by(model, corpora, config.hard_negatives):
            known = _known(module, texts, log)
            if known is not None:
                own = module._call_processor
                module._call_processor = _looking_up(own, known, module.processor)
                afterwards.callback(vars(module).pop, "_call_processor")
        yield


def _pays(model: SentenceTransformer, corpora: Sequence[TrainingCorpus], config: TrainingConfig) -> bool:
    if not is_transformer(model) or any(isinstance(corpus, TripleCorpus) for corpus in corpora) or not _has_cache():
        return False
    return config.updates * config.batch_size >= sum(map(len, corpora))


def _has_cache() -> bool:
    try:
        paths.cache()
    except ValueError:
        return False
    return True


_Texts = list[tuple[str, pa.ChunkedArray]]
"""Columns of texts, and the prompt before those of each."""


def _read_by(model: SentenceTransformer, corpora: Sequence[TrainingCorpus], n_negatives: int) -> list[tuple[Any, _Texts]]:
    """The modules that cut texts into tokens, of two towers two, and the texts of each."""
    found: dict[int, tuple[Any, _Texts]] = {}
    prompts = prompts_of(model)
    for corpus in corpora:
        assert not isinstance(corpus, TripleCorpus)
        columns = [("query", prompts.query, corpus.table.column("query"))]
        columns.append(("passage", prompts.passage, corpus.table.column("passage")))
        if n_negatives:
            columns.append(("passage", prompts.passage, _flat(corpus.table.column("negatives"), n_negatives)))
        for side, prompt, texts in columns:
            module = reader(model, side)
            found.setdefault(id(module), (module, []))[1].append((prompt, texts))
    return list(found.values())


def _flat(lists: pa.ChunkedArray, n: int) -> pa.ChunkedArray:
    return pa.chunked_array([pc.list_slice(chunk, 0, n).flatten() for chunk in lists.chunks], lists.type.value_type)


class _Known:
    """Tokens of texts by digest, out of a file.

    names: what the tokenizer returns for a text, in its order.
    """

    def __init__(self, path: Path) -> None:
        table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
        self.names = table.schema.metadata[b"names"].decode().split()
        self._digests = [_joined(table.column(name), np.uint64) for name in ("first", "second")]
        batches = table.column("tokens").chunks
        self._tokens = [(batch.offsets.to_numpy(), batch.values.to_numpy()) for batch in batches]

    def find(self, texts: Sequence[str]) -> list[np.ndarray] | None:
        """Tokens of each text; none if one is not there."""
        first, second = _digests("", texts).T
        places = np.minimum(np.searchsorted(self._digests[0], first), len(self._digests[0]) - 1)
        if not ((self._digests[0][places] == first) & (self._digests[1][places] == second)).all():
            return None
        found = []
        for batch, row in zip(*(part.tolist() for part in np.divmod(places, _AT_ONCE))):
            ends, values = self._tokens[batch]
            found.append(values[ends[row] : ends[row + 1]])
        return found


def _joined(column: pa.ChunkedArray, dtype: type) -> np.ndarray:
    return np.concatenate([np.zeros(0, dtype), *(chunk.to_numpy() for chunk in column.chunks)])


def _known(module: Any, texts: _Texts, log: Log) -> _Known | None:
    """The tokens of all texts that a module reads, made if they are not there; none of a tokenizer of another kind."""
    tokenizer = module.processor
    names = _names(tokenizer)
    if not names:
        return None
    digests = np.concatenate([_digests(prompt, _listed(column)) for prompt, column in texts])
    _, one_of = np.unique(digests[:, 0], return_index=True)  # in the order of their digests; of two that share half, one
    about = {
        "texts": hashlib.sha256(np.ascontiguousarray(digests[one_of]).tobytes()).hexdigest(),
        "tokenizer": tokenizer.backend_tokenizer.to_str(),
        "limit": [tokenizer.model_max_length, tokenizer.truncation_side],
        "versions": versions(("tokenizers", "transformers")),
    }

    def make(folder: Path) -> None:
        _write(folder / _FILE, tokenizer, names, texts, digests[one_of], one_of, log)

    return _Known(kept_folder(paths.cache() / "tokens" / fingerprint(about), make, log) / _FILE)


def _names(tokenizer: Any) -> list[str]:
    """What a tokenizer returns for a text, if it says no more than its pieces; else nothing."""
    if not getattr(tokenizer, "is_fast", False) or tokenizer.pad_token_id is None:
        return []
    made = tokenizer(["a"], **_CUT)
    more = {name: values for name, values in made.items() if name not in ("input_ids", "attention_mask")}
    types = [code for [codes] in more.values() for code in [*codes, tokenizer.pad_token_type_id]]
    plain = set(more) <= {"token_type_ids"} and not any(types)
    return list(made) if plain and "attention_mask" in made else []


def _listed(column: pa.ChunkedArray) -> Iterator[str]:
    for chunk in column.chunks:
        for start in range(0, len(chunk), _AT_ONCE):
            yield from chunk.slice(start, _AT_ONCE).to_pylist()


def _digests(prompt: str, texts: Sequence[str] | Iterator[str]) -> np.ndarray:
    """BLAKE2b of each text with its prompt, shape (n_texts, 2), uint64."""
    made = (hashlib.blake2b((prompt + text).encode("utf-8", "surrogatepass"), digest_size=16).digest() for text in texts)
    return np.frombuffer(b"".join(made), np.uint64).reshape(-1, 2)


def _write(
    path: Path, tokenizer: Any, names: list[str], texts: _Texts, digests: np.ndarray, one_of: np.ndarray, log: Log
) -> None:
    """Cut some texts, and write them in this order.

    Args:
        digests: of these texts, (n, 2).
        one_of: their numbers among all texts, one column after the other, (n,).
    """
    schema = pa.schema(
        [("first", pa.uint64()), ("second", pa.uint64()), ("tokens", pa.large_list(pa.int32()))], {"names": " ".join(names)}
    )
    starts = np.cumsum([0, *(len(column) for _, column in texts)])
    told = time.monotonic()
    with pa.ipc.new_file(str(path), schema) as writer:
        for low in range(0, len(one_of), _AT_ONCE):
            some = slice(low, low + _AT_ONCE)
            made = tokenizer(_texts_at(texts, starts, one_of[some]), **_CUT)["input_ids"]
            first, second = digests[some].T
            writer.write_batch(pa.record_batch([pa.array(first), pa.array(second), pa.array(made, schema[2].type)], schema))
            if time.monotonic() - told > _TOLD_EVERY_S:
                told = time.monotonic()
                log(f"  {low + len(made):,} of {len(one_of):,} texts cut into tokens")


def _texts_at(texts: _Texts, starts: np.ndarray, numbers: np.ndarray) -> list[str]:
    found = np.empty(len(numbers), object)
    column_of = np.searchsorted(starts, numbers, side="right") - 1
    for code in np.unique(column_of):
        prompt, column = texts[code]
        here = column_of == code
        found[here] = [prompt + text for text in tables.cells(column, numbers[here] - starts[code])]
    return found.tolist()


def _looking_up(own: Callable[..., Any], known: _Known, tokenizer: Any) -> Callable[..., Any]:
    """``Transformer._call_processor``, which sentence-transformers cuts its texts by, out of what is known."""

    def call(modality: Any, inputs: dict, of_modality: dict, common: dict, **options: Any) -> Any:
        asked = (of_modality["text"], common)
        found = known.find(inputs["text"]) if set(inputs) == {"text"} and asked in (_PADDED, _ONE_AFTER_THE_OTHER) else None
        if found is None:
            return own(modality, inputs, of_modality, common, **options)
        return _padded(found, known.names, tokenizer) if asked == _PADDED else {"input_ids": [row.tolist() for row in found]}

    return call


def _padded(rows: list[np.ndarray], names: list[str], tokenizer: Any) -> dict[str, torch.Tensor]:
    """What a tokenizer returns for texts that are padded to the longest, each value of shape (n_texts, length)."""
    import torch

    lengths = np.array([len(row) for row in rows])
    place = np.arange(lengths.max())
    if tokenizer.padding_side == "left":
        place = place[::-1]
    there = place < lengths[:, None]
    ids = np.full(there.shape, tokenizer.pad_token_id, np.int64)
    ids[there] = np.concatenate(rows)
    made = {"input_ids": ids, "attention_mask": there.astype(np.int64), "token_type_ids": np.zeros_like(ids)}
    return {name: torch.from_numpy(made[name]) for name in names}
