"""Where data comes from: one file a source in ``kit/data/sources``, and one call for all of them.

A source is named by a text, ``kind[:path][?option=value[&option=value]]``: ``atlas`` (built in), ``lareqa:<folder>``,
``squad:<file>?language=en``, ``tatoeba:<folder>?pair=afr-eng``. The kind is the name of the file in ``sources``; a relative
path starts at the project's folder, whatever folder a notebook or a command runs in.

A file there offers some of these functions, and needs no entry anywhere else:

    corpus(path, …) -> ParallelCorpus    what one can train on; a TripleCorpus where memory could not hold it
    task(path, …) -> RetrievalTask       what retrieval is judged on
    bitext(path, …) -> BitextTask        what mining is judged on
    judged(path, …) -> list[JudgedCollection]    retrieval of any size, a collection a language
    passages(path, …) -> list[Corpus]    its candidates as streams, a corpus a language, by the ids of the task
    checksum() -> str                    for a source without a path: what its content depends on
    content_digest(path, …) -> str       the same of files too large to be read at every start; without it, their SHA-256

A first parameter called ``path`` or ``folder`` takes the path, one called ``set_id`` a name in its place (``hub:miracl``);
the other parameters are the options, those with a default optional, in the default's type (a whole number, a number, a
text). Options called ``languages`` or ``domains`` are lists.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

from kit.core.fingerprints import code_fingerprint, data_checksum
from kit.core.paths import root
from kit.core.printing import near

if TYPE_CHECKING:
    from kit.data.bitext import BitextTask
    from kit.data.corpus import ParallelCorpus, RetrievalTask
    from kit.data.judged.collection import Corpus, JudgedCollection
    from kit.data.triples.corpus import TripleCorpus

_PACKAGE = "kit.data.sources"

_LISTS = ("languages", "domains")
"""Options that are lists, written ``a,b``."""


def kinds(form: str | None = None) -> list[str]:
    """Kinds of source there are, sorted; those that offer a form, such as ``task`` or ``judged``; ``None``: all.

    >>> kinds("bitext")
    ['atlas', 'bucc', 'hub', 'ntrex', 'sentences', 'tatoeba', 'tico19']
    """
    folder = importlib.import_module(_PACKAGE).__path__
    names = sorted(module.name for module in pkgutil.iter_modules(folder))
    return [name for name in names if form is None or hasattr(importlib.import_module(f"{_PACKAGE}.{name}"), form)]


def load_corpus(spec: str, **options: Any) -> ParallelCorpus:
    """Load training data from any source.

    Args:
        spec: ``kind[:path][?option=value[&…]]``.
        options: passed to the source, such as ``language="en"`` for ``squad``; they go before those of the text.

    Raises:
        ValueError: an unknown kind or option, a path or an option that is missing, or whatever the source refuses; a source
            that is larger than memory, of which a sample has to be asked for.

    >>> load_corpus("squad:dev.json", language="en")  # doctest: +SKIP
    """
    found = load_training(spec, **options)
    if not hasattr(found, "table"):
        raise ValueError(
            f"source {spec!r}: {len(found):,} rows, more than a table holds: they can be trained on; to look at some, add "
            f"{'&' if '?' in spec else '?'}sample=10000"
        )
    return cast("ParallelCorpus", found)


def load_training(spec: str, **options: Any) -> ParallelCorpus | TripleCorpus:
    """Load what one trains on: as ``load_corpus``, but what is larger than memory comes as a ``TripleCorpus``."""
    return _load(spec, "corpus", options)


def load_task(spec: str, **options: Any) -> RetrievalTask:
    """Load an evaluation task from any source; arguments and errors as in ``load_corpus``.

    >>> load_task("lareqa:xquad-r", languages=["en", "de"])  # doctest: +SKIP
    """
    return _load(spec, "task", options)


def load_bitext(spec: str, **options: Any) -> BitextTask:
    """Load a mining task from any source; arguments and errors as in ``load_corpus``.

    >>> load_bitext("atlas?pair=de-en").source_language
    'de'
    """
    return _load(spec, "bitext", options)


def load_judged(spec: str, **options: Any) -> list[JudgedCollection]:
    """Load judged collections, whose corpora are read as streams; arguments and errors as in ``load_corpus``.

    >>> load_judged("miracl:data/miracl", languages=["sw", "yo"])  # doctest: +SKIP
    """
    return _load(spec, "judged", options)


def load_corpora(spec: str, **options: Any) -> list[Corpus]:
    """Load what a source offers as ``passages``; of any source ``kit.data.judged.corpora`` makes the same.

    Arguments and errors as in ``load_corpus``.
    """
    return _load(spec, "passages", options)


def checksums(specs: Iterable[str]) -> dict[str, str]:
    """What the content of some sources depends on, by source: SHA-256 of the files, or what the source itself says."""
    found = {}
    for spec in specs:
        kind, path, _ = _parts(spec)
        if hasattr(_source(kind), "content_digest"):
            found[spec] = _load(spec, "content_digest", {})
        else:
            found[spec] = data_checksum(_existing(spec, path)) if path else _source(kind).checksum()
    return found


def source_fingerprints(specs: Iterable[str]) -> dict[str, str]:
    """Content of some sources and the code that reads each: changes whenever one of them could give other texts."""
    sums = checksums(specs)
    return {spec: f"{content} {code_fingerprint(f'{_PACKAGE}.{_parts(spec)[0]}')}" for spec, content in sums.items()}


def _load(spec: str, form: str, options: dict[str, Any]) -> Any:
    kind, path, written = _parts(spec)
    function = getattr(_source(kind), form, None)
    if function is None:
        what = "judged collection" if form == "judged" else form
        raise ValueError(f"source {spec!r}: {kind} is no {what}: choose from {', '.join(kinds(form))}")
    parameters = inspect.signature(function).parameters
    arguments = _path_argument(spec, path, parameters)
    known = [name for name in parameters if name not in arguments]
    typed = {name: _typed(spec, name, value, parameters) for name, value in written.items()}
    _check_options(spec, typed | options, known, parameters)
    try:
        return function(**arguments, **(typed | options))
    except ValueError as error:
        if any(str(place) in str(error) for place in arguments.values()):
            raise
        raise ValueError(f"source {spec!r}: {error}") from None


def _source(kind: str) -> ModuleType:
    return importlib.import_module(f"{_PACKAGE}.{kind}")


def _parts(spec: str) -> tuple[str, str, dict[str, str]]:
    """Kind, path and options of a source's name."""
    place, _, query = spec.partition("?")
    kind, _, path = place.partition(":")
    if kind not in kinds():
        known = f"{', '.join(kinds())} (kind:path){near(kind, kinds())}"
        raise ValueError(
            f"source {spec!r}: unknown kind {kind!r}: choose from {known}; where a comma is part of a source, write a list "
            '["…?languages=de,en"]'
        )
    options = {}
    for part in query.split("&") if query else []:
        name, _, value = part.partition("=")
        if not (name and value):
            raise ValueError(f"source {spec!r}: option {name!r} has no value: write ?option=value")
        options[name] = value
    if not path and not hasattr(_source(kind), "checksum"):
        raise ValueError(f"source {spec!r}: the path is missing: write '{kind}:<path>'")
    return kind, path, options


def _resolved(path: str) -> Path:
    return root() / Path(path).expanduser()


def _existing(spec: str, path: str, what: str = "file or folder") -> Path:
    found = _resolved(path)
    if not found.exists():
        beside = [one.name for one in found.parent.iterdir()] if found.parent.is_dir() else []
        remedy = f"give the {what} that holds the data{near(found.name, sorted(beside))}"
        # Found by name, like the sources: what only an error needs is no part of any key.
        if (one := importlib.import_module("kit.data.hub.manifest").at_place(found)) is not None:
            remedy += f", or get it: python -m kit data get {one.id}"
        raise ValueError(f"source {spec!r}: {found} does not exist: {remedy}")
    return found


def _typed(spec: str, name: str, value: str, parameters: Mapping[str, inspect.Parameter]) -> str | float | list[str]:
    """An option's value in the type of its default, where that is a number."""
    if name in _LISTS:
        return value.split(",")
    default = parameters[name].default if name in parameters else None
    if not isinstance(default, (int, float)):
        return value
    try:
        return type(default)(value)
    except ValueError:
        kind = "a whole number" if isinstance(default, int) else "a number"
        raise ValueError(f"source {spec!r}: option {name!r} is {value!r}: write {kind}") from None


def _path_argument(spec: str, path: str, parameters: Mapping[str, inspect.Parameter]) -> dict[str, Path | str]:
    first = next(iter(parameters), "")
    if first == "set_id":
        return {first: path}
    if first not in ("path", "folder"):
        if path:
            raise ValueError(f"source {spec!r}: this kind takes no path: write {spec.partition(':')[0]!r}")
        return {}
    return {first: _existing(spec, path, first)}


def _check_options(
    spec: str, options: Mapping[str, Any], known: list[str], parameters: Mapping[str, inspect.Parameter]
) -> None:
    choices = f"choose from {', '.join(known)}" if known else "this kind takes none"
    unknown = [name for name in options if name not in known]
    if unknown:
        raise ValueError(f"source {spec!r}: unknown option {unknown[0]!r}: {choices}{near(unknown[0], known)}")
    missing = [name for name in known if name not in options and parameters[name].default is inspect.Parameter.empty]
    if missing:
        raise ValueError(f"source {spec!r}: option {missing[0]!r} is missing: give it; {choices}")
