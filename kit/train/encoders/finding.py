"""Whether there is a model under a name, and whether a folder holds a whole one: known before anything heavy is imported."""

from __future__ import annotations

import difflib
import json
import os
from pathlib import Path

from kit.data.embeddings.given import given_folder

MADE = ("static", "tiny")
"""Encoders made from scratch; any other name is a sentence-transformers model, by name or folder."""

KINDS = ("static", "head", "embeddings")
"""Encoders that are made of a model, ``<kind>:<model>``: ``static:`` takes its vectors of tokens out, ``head:`` leaves it as
it is below a head that is trained; and a head on a folder of ``embeddings:`` of another service."""

_PATIENCE_S = 5
"""Seconds that the hub may take to say whether it has a model."""


_NEEDED = {"StaticEmbedding": "tokenizer.json", "Transformer": "config.json"}
"""Files of modules whose absence the libraries answer with another file's name, or none."""


def kind_of(name: str) -> tuple[str, str]:
    """Kind of an encoder that is made of a model, and the model's name; no kind and the name of any other.

    >>> kind_of("static:org/model"), kind_of("org/model")
    (('static', 'org/model'), ('', 'org/model'))
    """
    kind, colon, model = name.partition(":")
    return (kind, model) if colon and kind in KINDS and not Path(name).is_dir() else ("", name)


def is_static(name: str) -> bool:
    """Whether an encoder is a mean of token vectors that is made here, from scratch or out of a model."""
    return "static" in (name, kind_of(name)[0])


def find_model(name: str) -> bool:
    """Look for a model where its name leads, quickly: in a folder, the hub's cache, the hub.

    A folder is looked through: a broken or missing file is named. A name is asked for on the hub once, or, where
    ``HF_HUB_OFFLINE`` is set or the hub does not answer, looked for in the hub's cache.

    Args:
        name: one of ``MADE``, a folder, a name on the hub, or one of the last two after a kind of ``KINDS``.

    Returns:
        Whether the hub is to be asked for the model's files; if not, they are on this machine.

    Raises:
        ValueError: there is no such model, or half of one, or none that this kind of encoder can be made of.
    """
    kind, model = kind_of(name)
    if kind == "embeddings":
        given_folder(name)
        return False
    if kind:
        return _find_source(kind, model)
    folder = Path(name)
    if name in MADE:
        return False
    if folder.is_dir():
        _refuse_half_a_model(folder)
        return False
    if folder.exists() or name.count("/") > 1 or name.startswith((".", "/", "~")) or "\\" in name:
        raise _absent(name, "it is a file" if folder.exists() else "there is no such folder", _beside(folder))
    return _on_the_hub(name)


def has_head(name: str) -> bool:
    """Whether an encoder stays as it is below a head."""
    return kind_of(name)[0] in ("head", "embeddings")


def _find_source(kind: str, name: str) -> bool:
    """The same for the model that an encoder is made of; a static one is taken out of a transformer."""
    if name in ("", *MADE) or kind_of(name)[0]:
        written = f"write {kind}:MODEL, with the folder of a model or its name on the hub"
        raise no_transformer(name) if kind == "static" else ValueError(f"encoder {kind}:{name!r} is on no model: {written}")
    ask_hub, modules = find_model(name), Path(name) / "modules.json"
    if kind == "static" and modules.is_file() and not str(_json(modules)[0].get("type", "")).endswith("Transformer"):
        raise no_transformer(name)
    return ask_hub


def no_transformer(name: str) -> ValueError:
    """The error for a model that a static encoder cannot be taken out of."""
    return ValueError(
        f"encoder 'static:{name}': {name!r} is no transformer with a fast tokenizer, which could be asked for its tokens: "
        "write static:MODEL, with the folder of a pretrained transformer or its name on the hub"
    )


def _on_the_hub(name: str) -> bool:
    """Whether the hub has a model; False for one that lies in the hub's cache while the hub cannot be asked."""
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    cache = Path(os.environ.get("SENTENCE_TRANSFORMERS_HOME") or constants.HF_HUB_CACHE)
    repositories = [name] if "/" in name else [f"sentence-transformers/{name}", name]
    kept = any(any(cache.glob(f"models--{one.replace('/', '--')}/snapshots/*/*.json")) for one in repositories)
    reason = "HF_HUB_OFFLINE is set, and it is not in the hub's cache"
    if not constants.HF_HUB_OFFLINE:
        for repository in repositories:
            try:
                HfApi().model_info(repository, timeout=_PATIENCE_S)
            except HFValidationError as error:
                raise _absent(name, str(error), _known(name, cache)) from None
            except HfHubHTTPError as error:
                reason = "the hub does not have it, or does not show it to you" if _is_absent(error) else str(error)
            except Exception as error:  # a dozen types of several clients: the hub cannot be reached
                reason = f"it is not in the hub's cache, and the hub cannot be reached: {type(error).__name__}: {error}"
                break
            else:
                return True
    if kept:
        return False
    raise _absent(name, reason, _known(name, cache))


def _is_absent(error: object) -> bool:
    return getattr(getattr(error, "response", None), "status_code", None) in (401, 404)


def _known(name: str, cache: Path) -> list[str]:
    """What a mistyped name may have meant: what is made here, what lies in the hub's cache."""
    kept = [path.name.removeprefix("models--").replace("--", "/") for path in cache.glob("models--*")]
    return [*MADE, *kept]


def _beside(folder: Path) -> list[str]:
    return [str(path) for path in folder.parent.iterdir() if path.is_dir()] if folder.parent.is_dir() else []


def _absent(name: str, reason: str, known: list[str]) -> ValueError:
    near = difflib.get_close_matches(name, known, n=1)
    meant = f" (did you mean {near[0]!r}?)" if near else ""
    return ValueError(
        f"encoder {name!r} cannot be loaded ({reason}): give the folder of a model, or a name on the hub (which needs a "
        f"network); a training from scratch makes one called {' or '.join(MADE)}{meant}"
    )


def _refuse_half_a_model(folder: Path) -> None:
    """Raise ``ValueError`` for a folder without a model, or with one of which a file is missing or broken."""
    modules = _json(folder / "modules.json") if (folder / "modules.json").is_file() else []
    if not modules and not (folder / "config.json").is_file():
        inner = next(iter(sorted(path.parent for path in folder.glob("*/modules.json"))), None)
        raise ValueError(
            f"{folder} holds no model, neither modules.json nor config.json: give the folder that a model was saved to"
            + (f", such as {inner}" if inner else "")
        )
    parts = [folder]
    for module in modules:
        part, kind = folder / module.get("path", ""), str(module.get("type", "")).rpartition(".")[2]
        if not part.is_dir() and kind not in ("Normalize", "Dropout"):  # these may have no file, and so no folder on the hub
            raise ValueError(f"{folder} holds half a model: its {kind} is missing, {part}: save or download the model again")
        if kind in _NEEDED and not (part / _NEEDED[kind]).is_file():
            raise ValueError(f"{part / _NEEDED[kind]} is missing: save or download the model again")
        parts.append(part)
    for part in dict.fromkeys(parts):
        for file in sorted(part.glob("*.json")):
            _json(file)
        for file in sorted(part.glob("*.safetensors")):
            _refuse_half_a_file(file)


def _json(file: Path) -> list | dict:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:  # of the text or of its encoding
        raise ValueError(f"{file} is broken ({error}): save or download the model again") from None


def _refuse_half_a_file(file: Path) -> None:
    """Raise ``ValueError`` for weights that are cut off, or only named: a pointer of Git LFS.

    A safetensors file has eight bytes that count its header, the header, JSON with where each tensor ends, and the tensors.
    """
    with file.open("rb") as stream:
        n_header = int.from_bytes(stream.read(8), "little")
        n_bytes = file.stat().st_size - 8 - n_header
        header = stream.read(n_header) if n_bytes >= 0 else b""
    try:
        ends = [tensor["data_offsets"][1] for name, tensor in json.loads(header).items() if name != "__metadata__"]
        whole = n_bytes == max(ends, default=0)
    except (ValueError, TypeError, KeyError):
        whole = False
    if not whole:
        raise ValueError(f"{file} is broken or cut off: save or download the model again")
