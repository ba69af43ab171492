"""Tatoeba as LASER distributes it: two files a language pair, line by line translations of each other."""

from __future__ import annotations

from pathlib import Path

from kit.core.languages import language_tag
from kit.data.bitext import SIDES, BitextTask
from kit.data.lines import line_of, listed_pair, text_lines


def bitext(folder: str | Path, pair: str) -> BitextTask:
    """Read one pair of Tatoeba (Artetxe and Schwenk 2019, arXiv 1812.10464) in the layout of LASER; no distractors.

    The files are ``tatoeba.<pair>.<code>``, one sentence a line; line n of one is the translation of line n of the other.
    The id of a sentence is ``<code>-<n>``, from 1.

    Args:
        folder: holds the files.
        pair: such as ``afr-eng``, as the files have it, or as tags or English names; the first language is the source.

    Raises:
        ValueError: no such folder or pair, files of different lengths, or what ``BitextTask`` refuses.
    """
    codes = listed_pair(folder, pair, "tatoeba.*-*.*")
    pair = "-".join(codes)
    files = {side: Path(folder) / f"tatoeba.{pair}.{code}" for side, code in zip(SIDES, codes)}
    rows = {
        side: [{"sentence_id": f"{code}-{number}", "text": text} for number, text in enumerate(text_lines(files[side]), 1)]
        for side, code in zip(SIDES, codes)
    }
    n_source, n_target = len(rows["source"]), len(rows["target"])
    if n_source != n_target:
        raise ValueError(
            f"{files['source']} has {n_source} lines and {files['target'].name} {n_target}: line n of one has to be the "
            "translation of line n of the other: download them again"
        )
    gold = [{f"{side}_id": f"{code}-{n}" for side, code in zip(SIDES, codes)} for n in range(1, n_source + 1)]
    places = {side: line_of(path) for side, path in files.items()} | {"gold": line_of(files["source"])}
    source, target = (language_tag(code) for code in codes)
    return BitextTask.from_rows(f"tatoeba {pair}", source, target, rows["source"], rows["target"], gold, places)
