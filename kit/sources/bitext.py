"""Bitext mining tasks: BUCC and Tatoeba as they are distributed, and tasks made from sets of parallel sentences.

A task is named by a text as in ``kit.sources``, ``kind:path?option=value[&option=value]``:
``bucc:<folder>?pair=de-en&part=train``, ``tatoeba:<folder>?pair=afr-eng``, ``ntrex:<file>?source=de&target=en`` and
``tico19:<file>?source=en&target=sw``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from itertools import combinations
from pathlib import Path

from kit import tables
from kit.bitext import SIDES, BitextTask
from kit.config import data_checksum, versions
from kit.languages import language_tag
from kit.paths import root
from kit.seeding import stable_fraction
from kit.sources import _check_options, _path_argument
from kit.sources.sentences import parallel_rows

BUCC_PARTS = {"train": "training", "sample": "sample", "test": "test"}
"""Part of BUCC -> how its files call it."""

_NUMBERS = {"distractors": float, "seed": int}


def load_bitext(spec: str, **options) -> BitextTask:
    """Load a task from any source; a relative path starts at the project's folder.

    Args:
        spec: ``kind:path?option=value[&…]``; the kinds are the keys of ``KINDS``, the options those of its function.
        options: the same, passed by name; they go before those of the text.

    Raises:
        ValueError: an unknown kind or option, a path or an option that is missing, or whatever the source refuses.

    >>> load_bitext("tatoeba:shared/tatoeba?pair=afr-eng").n_gold  # doctest: +SKIP
    1000
    """
    place, _, query = spec.partition("?")
    kind, _, path = place.partition(":")
    if kind not in KINDS:
        raise ValueError(f"source {spec!r}: unknown kind {kind!r}: choose from {', '.join(KINDS)} (kind:path)")
    written = {}
    for part in query.split("&") if query else []:
        name, _, value = part.partition("=")
        if not (name and value):
            raise ValueError(f"source {spec!r}: option {name!r} has no value: write ?option=value")
        written[name] = _number(spec, name, value)
    parameters = inspect.signature(KINDS[kind]).parameters
    arguments = _path_argument(spec, path, parameters)
    known = [name for name in parameters if name not in arguments]
    _check_options(spec, written | options, known, parameters)
    return KINDS[kind](**arguments, **(written | options))


def checksums(specs: Iterable[str]) -> dict[str, str]:
    """SHA-256 of the files behind some tasks, by task; for a built-in one, the version of its library.

    Raises:
        ValueError: an unknown kind, or nothing at the path.
    """
    found = {}
    for spec in specs:
        kind, _, path = spec.partition("?")[0].partition(":")
        if kind not in KINDS:
            raise ValueError(f"source {spec!r}: unknown kind {kind!r}: choose from {', '.join(KINDS)} (kind:path)")
        found[spec] = data_checksum(root() / Path(path).expanduser()) if path else f"babel {versions()['babel']}"
    return found


def bucc(folder: str | Path, pair: str, part: str = "train") -> BitextTask:
    """Read a part of BUCC 2018 (Zweigenbaum, Sharoff and Rapp 2018) in the layout of its archives.

    The files are ``<pair>.training.<language>`` with ``id<TAB>sentence`` a line and ``<pair>.training.gold`` with
    ``id<TAB>id``, in the folder or in its folder ``<pair>``. The organisers keep the gold of the test part, so that who
    reports a score splits the training part (``BitextTask.split``) or says that the threshold was tuned on what it scores.

    Args:
        folder: holds the files of one pair or of several.
        pair: such as ``de-en``; the first language is the source.
        part: ``train``, ``sample`` or ``test``.

    Raises:
        ValueError: no such folder, pair, part or file, a line without a tab, or what ``BitextTask`` refuses.

    >>> bucc("bucc2018", "de-en").n_gold  # doctest: +SKIP
    9580
    """
    if part not in BUCC_PARTS:
        raise ValueError(f"part is {part!r}: choose {', '.join(BUCC_PARTS)}")
    languages = _listed(folder, pair)
    home = Path(folder) / pair if (Path(folder) / pair).is_dir() else Path(folder)
    files = {
        name: home / f"{pair}.{BUCC_PARTS[part]}.{ending}" for name, ending in zip((*SIDES, "gold"), (*languages, "gold"))
    }
    if not files["gold"].is_file() and files["source"].is_file():
        raise ValueError(
            f"{files['gold']}: no such file, so nothing can be scored (the gold of the test part is not public): "
            "use part=train, and split it to tune and to test"
        )
    rows = {
        side: [dict(zip(("sentence_id", "text"), fields)) for fields in _fields(files[side], "id<TAB>sentence")]
        for side in SIDES
    }
    gold = [dict(zip(("source_id", "target_id"), fields)) for fields in _fields(files["gold"], "id<TAB>id")]
    tags = [language_tag(language) for language in languages]
    places = {name: _line_of(path) for name, path in files.items()}
    return BitextTask.from_rows(f"bucc {pair} {part}", *tags, rows["source"], rows["target"], gold, places)


def tatoeba(folder: str | Path, pair: str) -> BitextTask:
    """Read one pair of Tatoeba (Artetxe and Schwenk 2019, arXiv 1812.10464) in the layout of LASER; no distractors.

    The files are ``tatoeba.<pair>.<code>``, one sentence a line; line n of one is the translation of line n of the other.
    The id of a sentence is ``<code>-<n>``, from 1.

    Args:
        folder: holds the files.
        pair: such as ``afr-eng``, in ISO 639-3 codes; the first language is the source.

    Raises:
        ValueError: no such folder or pair, files of different lengths, or what ``BitextTask`` refuses.
    """
    codes = _listed(folder, pair)
    files = {side: Path(folder) / f"tatoeba.{pair}.{code}" for side, code in zip(SIDES, codes)}
    rows = {
        side: [{"sentence_id": f"{code}-{number}", "text": text} for number, text in enumerate(_lines(files[side]), 1)]
        for side, code in zip(SIDES, codes)
    }
    n_source, n_target = len(rows["source"]), len(rows["target"])
    if n_source != n_target:
        raise ValueError(
            f"{files['source']} has {n_source} lines and {files['target'].name} {n_target}: line n of one has to be the "
            "translation of line n of the other: download them again"
        )
    gold = [{f"{side}_id": f"{code}-{n}" for side, code in zip(SIDES, codes)} for n in range(1, n_source + 1)]
    places = {side: _line_of(path) for side, path in files.items()} | {"gold": _line_of(files["source"])}
    tags = [language_tag(code) for code in codes]
    return BitextTask.from_rows(f"tatoeba {pair}", *tags, rows["source"], rows["target"], gold, places)


def parallel(path: str | Path, source: str, target: str, distractors: float = 0.5, seed: int = 0) -> BitextTask:
    """Make a task like BUCC from parallel sentences: some keep only one side, so the others are gold among distractors.

    About ``distractors`` of the sentences keep one side, half of them the source and half the target: 0.5 leaves twice as
    many pairs as distractors on each side. A hash of the sentence's id and the seed decides, so a sentence has one fate in
    all language pairs. Of sentences that share a text in either language the first is kept: what looks wrong
    would be right otherwise. Both sides of a pair were written by translators, and the distractors come from the same
    documents: the task is one of its own, not comparable to BUCC.

    Args:
        path: JSONL with ``id`` and ``texts`` (language: sentence), as NTREX and TICO-19 are kept here; other fields are not
            read. Sentences that lack one of the two languages are no part of the task.
        source, target: the two languages, as tags, ISO 639-3 codes or English names.
        distractors: share of the sentences that keep one side, at least 0 and below 1; 0 keeps all pairs.
        seed: of the hash.

    Raises:
        ValueError: no such file, a row that is not of that form, an id twice, one language for both sides or one that no row
            has, ``distractors`` out of range, or what ``BitextTask`` refuses.

    >>> parallel("ntrex.jsonl.gz", "de", "en").n_gold  # doctest: +SKIP
    1020
    """
    path, tags = Path(path), (language_tag(source), language_tag(target))
    if tags[0] == tags[1]:
        raise ValueError(f"source and target are both {tags[0]!r}: choose two languages")
    return _of_rows(parallel_rows(path), tags, path, distractors, seed)


def _of_rows(
    rows: list[tuple[int, str, dict[str, str]]], tags: tuple[str, str], path: Path, distractors: float, seed: int
) -> BitextTask:
    """A task of parallel rows (line, id, texts by tag), some of which keep one side only."""
    if not 0 <= distractors < 1:
        raise ValueError(f"distractors is {distractors}: choose a share of at least 0 and below 1")
    kept_rows: dict[str, list[dict]] = {side: [] for side in (*SIDES, "gold")}
    lines: dict[str, list[int]] = {side: [] for side in (*SIDES, "gold")}
    for line, sentence_id, texts in _distinct(rows, tags, path):
        fate = stable_fraction(f"distractor {sentence_id}", seed)
        ids = {f"{side}_id": f"{sentence_id}@{tag}" for side, tag in zip(SIDES, tags)}
        kept = ("source",) if fate < distractors / 2 else ("target",) if fate < distractors else (*SIDES, "gold")
        for part in kept:
            sentence = {"sentence_id": ids[f"{part}_id"], "text": texts[tags[SIDES.index(part)]]} if part in SIDES else ids
            kept_rows[part].append(sentence)
            lines[part].append(line)
    where = {part: (lambda index, numbers=lines[part]: f"{path}, line {numbers[index]}") for part in lines}
    return BitextTask.from_rows(f"{path.name.split('.')[0]} {'-'.join(tags)}", *tags, *kept_rows.values(), where)


def atlas(pair: str, distractors: float = 0.5, seed: int = 0) -> BitextTask:
    """Passages of Atlas's test in two languages; a share of them has its translation taken away (``parallel``).

    Args:
        pair: such as ``de-en``; the first language is the source.

    Raises:
        ValueError: a language that Atlas does not have, ``distractors`` out of range.

    >>> atlas("de-en").source_language
    'de'
    """
    from kit.sources import atlas as source

    tags = tuple(pair.split("-"))
    texts: dict[str, dict[str, str]] = {}
    for row in source.corpus("test", languages=tags).table.to_pylist():
        texts.setdefault(row["group_id"], {})[row["language"]] = row["passage"]
    rows = [(line, group_id, by_tag) for line, (group_id, by_tag) in enumerate(texts.items(), 1)]
    return _of_rows(rows, tags, Path("atlas"), distractors, seed)


KINDS: dict[str, Callable[..., BitextTask]] = {
    "atlas": atlas,
    "bucc": bucc,
    "tatoeba": tatoeba,
    "ntrex": parallel,
    "tico19": parallel,
}
"""Kind -> its function; its first parameter is the path, the others are the options."""


def pairs(path: str | Path) -> list[tuple[str, str]]:
    """Language pairs that a folder of BUCC or Tatoeba or a file of parallel sentences holds, sorted.

    A pair is written as the options want it: ``("afr", "eng")`` is ``pair=afr-eng``, and of a file of parallel sentences
    ``("de", "en")`` is ``source=de&target=en``; there, either may be the source, and each pair is listed once.

    Raises:
        ValueError: no such folder or file, or it holds no pair.
    """
    path = Path(path)
    if path.is_dir():
        names = [file.name for pattern in ("tatoeba.*-*.*", "*.gold", "*-*/*.gold") for file in path.glob(pattern)]
        names += [file.name for pattern in ("*.test.*", "*-*/*.test.*") for file in path.glob(pattern)]
        found = {name.removeprefix("tatoeba.").split(".")[0] for name in names}
        listed = sorted({(first, second) for first, dash, second in (name.partition("-") for name in found) if dash})
    else:
        languages = {tag for _, _, texts in parallel_rows(path) for tag in texts}
        listed = list(combinations(sorted(languages), 2))
    if not listed:
        raise ValueError(
            f"{path}: no language pair: give a folder with files such as de-en.training.gold or tatoeba.afr-eng.afr, or a "
            "file of sentences in several languages"
        )
    return listed


def _listed(folder: str | Path, pair: str) -> tuple[str, str]:
    """The two codes of a pair that the folder holds."""
    if not Path(folder).is_dir():
        raise ValueError(f"{folder}: no such folder: give the one that holds the files")
    found = {"-".join(codes): codes for codes in pairs(folder)}
    if pair not in found:
        raise ValueError(f"{folder}: no pair {pair!r}: choose from {tables.some(set(found))}")
    return found[pair]


def _distinct(
    rows: list[tuple[int, str, dict[str, str]]], tags: tuple[str, str], path: Path
) -> list[tuple[int, str, dict[str, str]]]:
    """The rows that have both languages and share neither text with an earlier one."""
    kept, seen = [], set()
    for line, sentence_id, texts in rows:
        keys = {(tag, texts[tag]) for tag in tags if tag in texts}
        if len(keys) == 2 and not keys & seen:
            seen |= keys
            kept.append((line, sentence_id, texts))
    if not kept:
        languages = {tag for _, _, texts in rows for tag in texts}
        raise ValueError(f"{path}: no sentence in both {tags[0]!r} and {tags[1]!r}: choose from {tables.some(languages)}")
    return kept


def _lines(path: Path) -> list[str]:
    """Lines of a text in UTF-8; only a line feed ends one, since a sentence may hold other separators of Unicode."""
    if not path.is_file():
        raise ValueError(f"{path}: no such file: download the data set again, or name another pair or part")
    try:
        lines = path.read_bytes().decode().split("\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not a text in UTF-8 ({error}): download or write it again") from None
    return [line.removesuffix("\r") for line in (lines[:-1] if lines[-1] == "" else lines)]


def _fields(path: Path, form: str) -> list[tuple[str, str]]:
    """The two fields of each line, split at the first tab."""
    fields = []
    for number, line in enumerate(_lines(path), 1):
        first, tab, second = line.partition("\t")
        if not tab:
            raise ValueError(f"{path}, line {number}: no tab in {line[:40]!r}: write {form}")
        fields.append((first, second))
    return fields


def _line_of(path: Path) -> tables.Where:
    return lambda index: f"{path}, line {index + 1}"


def _number(spec: str, name: str, value: str) -> str | float | int:
    """An option's value, as a number where the option is one."""
    if name not in _NUMBERS:
        return value
    try:
        return _NUMBERS[name](value)
    except ValueError:
        kind = "a whole number" if _NUMBERS[name] is int else "a number"
        raise ValueError(f"source {spec!r}: option {name!r} is {value!r}: write {kind}") from None
