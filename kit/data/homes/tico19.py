"""TICO-19: one translation memory (TMX) a language, each of the same English sentences, packed as .zip or not."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

from kit.data.homes.layout import parsed_xml

CODES = {code: code for code in "ar bn es-LA fa fr ha hi id km ms pt-BR ru sw ta tl ur zh".split()}
CODES |= {"es-LA": "es", "pt-BR": "pt"}
"""Languages that the kit's studies read, beside English: how the files call each, and its tag."""

_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"


def file_of(code: str) -> str:
    """The file of a language."""
    return f"data/TM/all.en-{code}.tmx.zip"


def convert(folder: Path) -> Iterator[dict]:
    """Rows of ``tico19.jsonl.gz``: one for each sentence that all languages of ``CODES`` have, in the order of the first.

    Args:
        folder: holds ``data/TM/all.en-ar.tmx.zip`` and so on.

    Raises:
        ValueError: a file that is no memory, a sentence twice in one.
    """
    english: dict[str, str] = {}
    texts = {}
    for code, tag in CODES.items():
        found = _sentences(folder / file_of(code))
        english = {key: pair[0] for key, pair in found.items()} | english
        texts[tag] = {key: pair[1] for key, pair in found.items()}
    for key, sentence in english.items():
        if all(key in one for one in texts.values()):
            languages = {"en": sentence} | {tag: one[key] for tag, one in texts.items()}
            yield {"id": key, "domain": "medical", "source": "tico19", "texts": dict(sorted(languages.items()))}


def _sentences(path: Path) -> dict[str, tuple[str, str]]:
    """English and translation of each sentence, by its id."""
    found: dict[str, tuple[str, str]] = {}
    for unit in parsed_xml(_content(path), path).iter("tu"):
        key, texts = unit.get("tuid", ""), {}
        for variant in unit.iter("tuv"):
            text = "".join(part for segment in variant.iter("seg") for part in segment.itertext())
            texts[variant.get(_LANGUAGE, "").split("-")[0] == "en"] = text.strip()
        if key in found or len(texts) < 2:
            raise ValueError(f"{path}: sentence {key!r} stands there twice, or not in English and one other language")
        found[key] = texts[True], texts[False]
    return found


def _content(path: Path) -> bytes:
    try:
        with zipfile.ZipFile(path) as archive:
            (name,) = (name for name in archive.namelist() if name.endswith(".tmx") and not name.startswith("__MACOSX"))
            return archive.read(name)
    except (zipfile.BadZipFile, ValueError) as error:
        raise ValueError(f"{path}: not a .zip with one .tmx in it ({error}): download it again") from None
