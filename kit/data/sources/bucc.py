"""BUCC 2018, comparable corpora with some translations hidden in them, in the layout of its archives."""

from __future__ import annotations

from pathlib import Path

from kit.core.languages import language_tag
from kit.data.bitext import SIDES, BitextTask
from kit.data.lines import line_of, listed_pair, text_lines

PARTS = {"train": "training", "sample": "sample", "test": "test"}
"""Part of BUCC -> how its files call it."""

PATTERNS = ("*.gold", "*-*/*.gold", "*.test.*", "*-*/*.test.*")
"""Of the files that tell which pairs a folder holds."""


def bitext(folder: str | Path, pair: str, part: str = "train") -> BitextTask:
    """Read a part of BUCC 2018 (Zweigenbaum, Sharoff and Rapp 2018) in the layout of its archives.

    The files are ``<pair>.training.<language>`` with ``id<TAB>sentence`` a line and ``<pair>.training.gold`` with
    ``id<TAB>id``, in the folder or in its folder ``<pair>``. The organisers keep the gold of the test part, so that who
    reports a score splits the training part (``BitextTask.split``) or says that the threshold was tuned on what it scores.

    Args:
        folder: holds the files of one pair or of several.
        pair: such as ``de-en``, as the files have it, or as other codes or English names; the first language is the source.
        part: ``train``, ``sample`` or ``test``.

    Raises:
        ValueError: no such folder, pair, part or file, a line without a tab, or what ``BitextTask`` refuses.

    >>> bitext("bucc2018", "de-en").n_gold  # doctest: +SKIP
    9580
    """
    if part not in PARTS:
        raise ValueError(f"part is {part!r}: choose {', '.join(PARTS)}")
    languages = listed_pair(folder, pair, *PATTERNS)
    pair = "-".join(languages)
    home = Path(folder) / pair if (Path(folder) / pair).is_dir() else Path(folder)
    files = {name: home / f"{pair}.{PARTS[part]}.{ending}" for name, ending in zip((*SIDES, "gold"), (*languages, "gold"))}
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
    source, target = (language_tag(language) for language in languages)
    places = {name: line_of(path) for name, path in files.items()}
    return BitextTask.from_rows(f"bucc {pair} {part}", source, target, rows["source"], rows["target"], gold, places)


def _fields(path: Path, form: str) -> list[tuple[str, str]]:
    """The two fields of each line, split at the first tab."""
    fields = []
    for number, line in enumerate(text_lines(path), 1):
        first, tab, second = line.partition("\t")
        if not tab:
            raise ValueError(f"{path}, line {number}: no tab in {line[:40]!r}: write {form}")
        fields.append((first, second))
    return fields
