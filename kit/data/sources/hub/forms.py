"""What a public set is read as; those whose files another source reads are handed to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from kit.core.fingerprints import code_fingerprint
from kit.data.hub import judging, reading
from kit.data.hub.manifest import entry

if TYPE_CHECKING:
    from kit.data.bitext import BitextTask
    from kit.data.corpus import ParallelCorpus, RetrievalTask
    from kit.data.judged.collection import Corpus, JudgedCollection


def corpus(
    set_id: str, languages: Sequence[str] | None = None, language: str | None = None, split: str | None = None
) -> ParallelCorpus:
    """Read a set that is here as training data.

    Args:
        set_id: its name in the manifest.
        languages: of the set; ``None``: all.
        language: one of them, for short.
        split: ``None``: the set's first one.

    Raises:
        ValueError: no such set, language or split; it is no training data; it is not here: names the command that gets it.

    >>> corpus("natural-questions")  # doctest: +SKIP
    """
    if entry(set_id).read_as:
        return _elsewhere("corpus", set_id, languages, language, split)
    return reading.read_corpus(set_id, _both(languages, language), split)


def task(
    set_id: str, languages: Sequence[str] | None = None, language: str | None = None, split: str | None = None
) -> RetrievalTask:
    """Read a set that is here as a task, over all languages that are asked for; arguments and errors as in ``corpus``.

    >>> task("miracl", language="sw").languages  # doctest: +SKIP
    ('sw',)
    """
    if entry(set_id).read_as:
        return _elsewhere("task", set_id, languages, language, split)
    return reading.read_task(set_id, _both(languages, language), split)


def judged(
    set_id: str, languages: Sequence[str] | None = None, language: str | None = None, split: str | None = None
) -> list[JudgedCollection]:
    """Read a set that is here as judged collections, one a language, whose corpora are streams; NeuCLIR's pool is one.

    Arguments and errors as in ``corpus``.

    >>> judged("miracl", language="sw")[0].name  # doctest: +SKIP
    'miracl-sw-dev'
    """
    if entry(set_id).read_as:
        return _elsewhere("judged", set_id, languages, language, split)
    return judging.read_judged(set_id, _both(languages, language), split)


def passages(
    set_id: str, languages: Sequence[str] | None = None, language: str | None = None, split: str | None = None
) -> list[Corpus]:
    """Read the candidates of a set's task as streams, a corpus a language; arguments and errors as in ``corpus``."""
    if entry(set_id).read_as:
        return _elsewhere("passages", set_id, languages, language, split)
    return judging.read_passages(set_id, _both(languages, language), split)


def bitext(set_id: str, pair: str | None = None, split: str | None = None) -> BitextTask:
    """Read a pair of languages of a set that is here, to mine; errors as in ``corpus``.

    >>> bitext("bucc", pair="de-en").target_language  # doctest: +SKIP
    'en'
    """
    if entry(set_id).read_as:
        return _elsewhere("bitext", set_id, None, None, split, **({"pair": pair} if pair else {}))
    return reading.read_bitext(set_id, pair, split)


def content_digest(
    set_id: str,
    languages: Sequence[str] | None = None,
    language: str | None = None,
    pair: str | None = None,
    split: str | None = None,
) -> str:
    """What the texts depend on, for keys of what is made from them; arguments and errors as in ``corpus``."""
    if entry(set_id).read_as:
        from kit.data import registry

        spec = _spec(set_id, split)
        kind = spec.partition(":")[0]
        return f"{registry.checksums([spec])[spec]} {code_fingerprint(f'kit.data.sources.{kind}')}"
    return reading.digest(set_id, [pair] if pair else _both(languages, language), split)


def _both(languages: Sequence[str] | None, language: str | None) -> list[str] | None:
    if languages is not None and language is not None:
        raise ValueError(f"languages {list(languages)} and language {language!r} are both given: give one of the two")
    return [language] if language is not None else None if languages is None else list(languages)


def _spec(set_id: str, split: str | None) -> str:
    """How the source of the kit is named that reads a set."""
    one = entry(set_id)
    return one.read_as.replace("{split}", reading.split_of(one, split))


def _elsewhere(
    form: str, set_id: str, languages: Sequence[str] | None, language: str | None, split: str | None, **options: Any
) -> Any:
    from kit.data import registry  # it finds this file
    from kit.data.judged.corpora import load_passages

    chosen = _both(languages, language)
    forms: dict[str, Callable[..., Any]] = {"corpus": registry.load_corpus, "task": registry.load_task}
    forms |= {"bitext": registry.load_bitext, "judged": registry.load_judged, "passages": load_passages}
    return forms[form](_spec(set_id, split), **options, **({"languages": chosen} if chosen else {}))
