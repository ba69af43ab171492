"""Saving an encoder as a plain sentence-transformers folder, and reading one with a head without its weights.

Of a model with a head the encoder below is written once, under ``data/cache/bases``; each folder holds links to these
files, so that a hundred heads take the room of one encoder.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kit.core import paths, records
from kit.core.files import CHECKSUMS, kept_folder
from kit.core.fingerprints import fingerprint
from kit.core.printing import say
from kit.data.embeddings.given import GivenEmbeddings
from kit.data.embeddings.stored import StoredEncoder
from kit.train.encoders.loading import load_encoder, quiet

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

HEAD = "head.json"
"""File in the folder of a model with a head that says what the head is on."""

MATRIX = "matrix.npy"
"""File of a head on given embeddings: W (dim, dim), float32; an embedding x becomes W x, scaled to length 1."""


class HeadFacts(records.Record):
    """What a head is on. base: name of the encoder. weights: its content. n_modules: how many modules it has."""

    base: str
    weights: str
    n_modules: int


def save_encoder(model: SentenceTransformer, folder: Path) -> None:
    """Write a model to a folder that is not there, or empty."""
    from kit.train.encoders.heads import FrozenEncoder

    first = model[0]
    if not isinstance(first, FrozenEncoder):
        model.save_pretrained(str(folder))
        return
    folder.mkdir(parents=True, exist_ok=True)
    weights = bytes(first.digest.tolist()).decode()
    if isinstance(first.base, GivenEmbeddings):
        facts = HeadFacts(base=first.base.name, weights=weights, n_modules=0)
        np.save(folder / MATRIX, _matrix(model))
    else:
        assert isinstance(first.base, StoredEncoder)
        base = first.base.model
        facts = HeadFacts(base=first.base.name, weights=weights, n_modules=len(base))
        _link_all(_kept(base, weights), folder)
        _append(model, folder, len(base))
        (folder / "README.md").write_text(_CARD.format(base=first.base.name), encoding="utf-8")
    (folder / HEAD).write_text(json.dumps(facts.model_dump(), indent=1) + "\n", encoding="utf-8")


_CARD = """# {base}, with a head

The encoder is {base}, unchanged; dense layers after it were trained on pairs of queries and passages in several languages.

```python
from sentence_transformers import SentenceTransformer

model = SentenceTransformer("<this folder>")
queries, passages = model.encode_query(["..."]), model.encode_document(["..."])
```
"""


def _dense_layers(model: SentenceTransformer) -> list[Any]:
    """What stands between the encoder and the scaling, as dense layers."""
    from kit.train.encoders.heads import Head

    return [layer for module in list(model)[1:-1] for layer in (module.dense() if isinstance(module, Head) else [module])]


def _matrix(model: SentenceTransformer) -> np.ndarray:
    (layer,) = _dense_layers(model)
    return layer.linear.weight.detach().cpu().numpy().astype(np.float32)


def _kept(base: SentenceTransformer, weights: str) -> Path:
    """The folder of an encoder that heads are on; written if it is not there."""

    def write(folder: Path) -> None:
        with quiet():
            base.save_pretrained(str(folder), create_model_card=False)

    return kept_folder(paths.cache() / "bases" / fingerprint(weights), write)


def _link_all(source: Path, target: Path) -> None:
    for file in source.rglob("*"):
        if file.is_file() and file.name != CHECKSUMS:
            place = target / file.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(file, place)
            except OSError:  # another file system, or one without links
                shutil.copy2(file, place)


def _append(model: SentenceTransformer, folder: Path, n_modules: int) -> None:
    """Add the modules of a head to a plain folder, which holds the encoder's."""
    from sentence_transformers import SentenceTransformer

    head = SentenceTransformer(modules=[*_dense_layers(model), model[-1]], device="cpu")
    modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as scratch, quiet():
        head.save_pretrained(scratch, create_model_card=False)
        for entry in json.loads((Path(scratch) / "modules.json").read_text(encoding="utf-8")):
            number = n_modules + entry["idx"]
            path = f"{number}_{entry['type'].rpartition('.')[2]}"
            source = Path(scratch) / entry["path"]
            if source.is_dir():
                shutil.copytree(source, folder / path)
            modules.append(entry | {"idx": number, "name": str(number), "path": path})
    (folder / "modules.json").unlink()  # it may be a link to the encoder's own
    (folder / "modules.json").write_text(json.dumps(modules, indent=2) + "\n", encoding="utf-8")


def load_headed(
    folder: Path, trust_remote_code: bool = False, log: Callable[[str], None] = say
) -> SentenceTransformer | None:
    """A model with a head whose texts are looked up in the store; ``None`` for a folder of a model without one.

    Raises:
        ValueError: it is damaged; the embeddings that the head is on have changed.
    """
    from sentence_transformers.base.modules import Dense

    from kit.train.encoders.heads import on_frozen

    if not (folder / HEAD).is_file():
        return None
    facts = records.read(folder / HEAD, HeadFacts, "train the head again")
    if not facts.n_modules:
        given = GivenEmbeddings(facts.base)
        if given.weights != facts.weights:
            raise ValueError(f"{facts.base} has changed since the head in {folder} was trained on it: train it again")
        import torch

        weight = torch.from_numpy(np.load(folder / MATRIX))
        layer = Dense(weight.shape[1], weight.shape[0], False, torch.nn.Identity(), weight)
        return on_frozen(given, facts.weights, [layer])
    kept = paths.cache() / "bases" / fingerprint(facts.weights)
    base = _loaded(kept if kept.is_dir() else folder, facts.n_modules, trust_remote_code)
    entries = json.loads((folder / "modules.json").read_text(encoding="utf-8"))[facts.n_modules : -1]
    layers = [Dense.load(str(folder), subfolder=entry["path"], local_files_only=True) for entry in entries]
    model = on_frozen(StoredEncoder(base, facts.weights, facts.base, log), facts.weights, layers)
    model.prompts = dict(base.prompts)
    return model


@lru_cache(maxsize=1)
def _loaded(folder: Path, n_modules: int, trust_remote_code: bool) -> SentenceTransformer:
    """The encoder below a head; a process judges one head after the other, so the last one stays."""
    from sentence_transformers import SentenceTransformer

    model = load_encoder(str(folder), trust_remote_code)
    base = SentenceTransformer(modules=list(model)[:n_modules], device=str(model.device))
    base.prompts = dict(model.prompts)
    return base
