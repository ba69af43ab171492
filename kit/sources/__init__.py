"""Where data comes from: one small module a place, and one call for all of them.

A source is named by a text, ``kind[:path][?option=value[&option=value]]``: ``atlas`` (built in), ``lareqa:<folder>``,
``squad:<file>?language=en``, ``tydiqa:<folder>``, ``beir:<folder>``, ``medquad:<file>``, ``tldr:<file>``,
``sentences:<file>`` (parallel sentences) and ``jsonl:<file or folder>`` (the kit's own tables). A relative path starts
at the project's folder, whatever folder a notebook or a command runs in.
"""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from kit.config import data_checksum, versions
from kit.paths import root

if TYPE_CHECKING:
    from kit.corpus import ParallelCorpus, RetrievalTask

# Kind -> (function of the corpus, function of the task), resolved when it is called, so that importing this is instant.
# A function takes a path if its first parameter is called path or folder; its other parameters are the options.
KINDS: dict[str, tuple[str, str]] = {
    "atlas": ("kit.sources.atlas:corpus", "kit.sources.atlas:task"),
    "lareqa": ("kit.sources.lareqa:corpus", "kit.sources.lareqa:task"),
    "squad": ("kit.sources.squad:corpus", "kit.sources.squad:task"),
    "tydiqa": ("kit.sources.tydiqa:corpus", "kit.sources.tydiqa:task"),
    "beir": ("kit.sources.beir:corpus", "kit.sources.beir:task"),
    "medquad": ("kit.sources.medquad:corpus", "kit.sources.medquad:task"),
    "tldr": ("kit.sources.tldr:corpus", "kit.sources.tldr:task"),
    "sentences": ("kit.sources.sentences:corpus", ""),
    "jsonl": ("kit.corpus:ParallelCorpus.read", "kit.corpus:RetrievalTask.read"),
}

_LISTS = ("languages", "domains")
"""Options that are lists, written ``a,b``."""


def load_corpus(spec: str, **options) -> ParallelCorpus:
    """Load training data from any source.

    Args:
        spec: ``kind[:path][?option=value[&…]]``; the kinds are the keys of ``KINDS``.
        options: passed to the source, such as ``language="en"`` for ``squad``.

    Raises:
        ValueError: an unknown kind or option, a path or an option that is missing, or whatever the source refuses.

    >>> load_corpus("squad:dev.json", language="en")  # doctest: +SKIP
    """
    return _load(spec, 0, options)


def load_task(spec: str, **options) -> RetrievalTask:
    """Load an evaluation task from any source; arguments and errors as in ``load_corpus``.

    >>> load_task("lareqa:xquad-r", languages=["en", "de"])  # doctest: +SKIP
    """
    return _load(spec, 1, options)


def _load(spec: str, which: int, options: dict):
    kind, path, written = _parts(spec)
    options = {**written, **options}
    if not KINDS[kind][which]:
        raise ValueError(f"source {spec!r}: {kind} is no {('corpus', 'task')[which]}: choose another kind")
    function = pkgutil.resolve_name(KINDS[kind][which])
    parameters = inspect.signature(function).parameters
    arguments = _path_argument(spec, path, parameters)
    known = [name for name in parameters if name not in arguments]
    _check_options(spec, options, known, parameters)
    return function(**arguments, **options)


def _parts(spec: str) -> tuple[str, str, dict[str, str | list[str]]]:
    """Kind, path and options of a source's name."""
    place, _, query = spec.partition("?")
    kind, _, path = place.partition(":")
    if kind not in KINDS:
        raise ValueError(f"source {spec!r}: unknown kind {kind!r}: choose from {', '.join(KINDS)} (kind:path)")
    pairs = [part.partition("=") for part in query.split("&") if part]
    malformed = [name for name, equals, value in pairs if not (name and equals and value)]
    if malformed:
        raise ValueError(f"source {spec!r}: option {malformed[0]!r} has no value: write ?option=value")
    return kind, path, {name: value.split(",") if name in _LISTS else value for name, _, value in pairs}


def checksums(specs: Iterable[str]) -> dict[str, str]:
    """SHA-256 of the files behind some sources, by source; for a built-in one, the version of its library."""
    found = {}
    for spec in specs:
        _, path, _ = _parts(spec)
        found[spec] = data_checksum(_resolved(path)) if path else f"babel {versions()['babel']}"
    return found


def _resolved(path: str) -> Path:
    return root() / Path(path).expanduser()


def _path_argument(spec: str, path: str, parameters: Mapping[str, inspect.Parameter]) -> dict[str, Path]:
    first = next(iter(parameters), "")
    if first not in ("path", "folder"):
        if path:
            raise ValueError(f"source {spec!r}: this kind takes no path: write {spec.partition(':')[0]!r}")
        return {}
    if not path:
        raise ValueError(f"source {spec!r}: the path is missing: write '{spec.partition(':')[0]}:<{first}>'")
    found = _resolved(path)
    if not found.exists():
        raise ValueError(f"source {spec!r}: {found} does not exist: give the {first} that holds the data")
    return {first: found}


def _check_options(spec: str, options: dict, known: list[str], parameters: Mapping[str, inspect.Parameter]) -> None:
    choices = f"choose from {', '.join(known)}" if known else "this kind takes none"
    unknown = [name for name in options if name not in known]
    if unknown:
        raise ValueError(f"source {spec!r}: unknown option {unknown[0]!r}: {choices}")
    missing = [name for name in known if name not in options and parameters[name].default is inspect.Parameter.empty]
    if missing:
        raise ValueError(f"source {spec!r}: option {missing[0]!r} is missing: give it; {choices}")
