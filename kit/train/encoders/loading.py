"""Loading an encoder by name or folder: whole, with its prompts, or refused in a sentence that says why."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from kit.core.files import CHECKSUMS, refuse_damaged
from kit.core.fingerprints import data_checksum
from kit.data.inputs import prompts_of, reader
from kit.train.encoders.finding import MADE, find_model

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_WORDS = 5
"""A tokenizer of fewer tokens that are not special has no vocabulary."""


def load_encoder(name: str, trust_remote_code: bool = False) -> SentenceTransformer:
    """Load a sentence-transformers or transformers model by name or folder, with whatever prompts it brings.

    The prompts of queries and passages, whatever it calls them, are then called ``query`` and ``document``
    (``kit.data.inputs.prompts_of``); others are warned of.

    Args:
        trust_remote_code: whether code that the model brings may run; it can do all that you can do on this machine.

    Raises:
        ValueError: nothing can be loaded under that name, or half a model, or one that is not as ``fine_tune`` saved it, or
            one with code of its own that is not trusted.
    """
    ask_hub = find_model(name)
    from sentence_transformers import SentenceTransformer

    if (Path(name) / CHECKSUMS).is_file():
        refuse_damaged(Path(name))
    try:
        with quiet(), _missing_weights() as missing:
            model = SentenceTransformer(
                name, device=device(), trust_remote_code=trust_remote_code, local_files_only=not ask_hub
            )
    except Exception as error:  # the libraries raise a dozen types, which all mean that there is no such model here
        raise _not_loaded(name, error) from error
    if missing:
        raise ValueError(
            f"encoder {name!r}: {len(missing)} of its weights are missing and would be random, such as {missing[0]}: save "
            "or download the model again"
        )
    _refuse_empty_tokenizer(name, model)
    prompts = prompts_of(model)
    if prompts.unused:
        warnings.warn(
            f"encoder {name!r} has prompts that retrieval does not use: {', '.join(prompts.unused)}; queries get "
            f"{prompts.query!r}, passages {prompts.passage!r}",
            stacklevel=2,
        )
    set_prompts(model, prompts.query, prompts.passage)
    return model


@contextmanager
def _missing_weights() -> Iterator[list[str]]:
    """Names of the weights that transformers does not find in a file and makes up; it says so in its log only.

    Those of a pooler do not count: sentence-transformers pools by itself, and most models are saved without one.
    """
    missing: list[str] = []

    def watch(record: logging.LogRecord) -> bool:
        if "LOAD REPORT" in record.getMessage():
            rows = re.findall(r"^(\S+)\s*\|.*MISSING", record.getMessage(), re.M)
            missing.extend(name for name in rows if "pooler" not in name)
        return record.levelno >= logging.ERROR

    logger = logging.getLogger("transformers.modeling_utils")
    level = logger.level
    logger.setLevel(logging.WARNING)
    logger.addFilter(watch)
    try:
        yield missing
    finally:
        logger.removeFilter(watch)
        logger.setLevel(level)


def _not_loaded(name: str, error: Exception) -> ValueError:
    reason = " ".join(str(error).split())
    if "trust_remote_code" in reason:
        where = str(Path(name).absolute()) if Path(name).is_dir() else f"https://hf.co/{name}"
        return ValueError(
            f"encoder {name!r} brings code of its own, which would run on this machine: read it ({where}) and, if you trust "
            f"it, allow it: --trust-remote-code for an audit, -p trust_remote_code=true for a run ({reason})"
        )
    return ValueError(
        f"encoder {name!r} cannot be loaded ({type(error).__name__}: {reason[:1000]}): use {', '.join(MADE)}, the folder of "
        "a whole model, or a name on the hub (which needs a network)"
    )


def _refuse_empty_tokenizer(name: str, model: SentenceTransformer) -> None:
    """Raise ``ValueError`` for a tokenizer that transformers has made up since its files are missing: it knows no words."""
    for side in ("query", "passage"):
        tokenizer = getattr(reader(model, side), "tokenizer", None)
        special = getattr(tokenizer, "all_special_tokens", None)
        if tokenizer is not None and special is not None and len({*tokenizer.get_vocab()} - {*special}) < _WORDS:
            raise ValueError(
                f"encoder {name!r}: the files of its tokenizer are missing, such as tokenizer.json: save or download the "
                "model again, with its tokenizer"
            )


def weights_of(name: str) -> str:
    """What tells two versions of a model apart: the checksum of its folder, or the revision on the hub."""
    if Path(name).is_dir():
        return f"sha256 {data_checksum(name)}"
    from huggingface_hub import snapshot_download

    repository = name if "/" in name else f"sentence-transformers/{name}"
    return f"revision {Path(snapshot_download(repository, local_files_only=True)).name}"


def load_prompted(
    name: str, trust_remote_code: bool, prompts: tuple[str, str], log: Callable[[str], None]
) -> SentenceTransformer:
    """A model of ``load_encoder``; one that brings no prompts gets these before queries and passages, others keep theirs."""
    model = load_encoder(name, trust_remote_code)
    if not any(prompts_of(model)[:2]):
        set_prompts(model, *prompts)
    elif any(prompts):
        log(f"  {name} keeps the prompts that it brings")
    return model


def set_prompts(model: SentenceTransformer, query: str, passage: str) -> None:
    """Let a model put these before queries and passages; they are saved with it, as what sentence-transformers looks for."""
    others = {name: (model.prompts or {})[name] for name in prompts_of(model).unused}
    model.prompts = {"query": query, "document": passage} | others


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


def device() -> str:
    """A GPU where there is one; sentence-transformers would also choose other accelerators that lack operations."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
