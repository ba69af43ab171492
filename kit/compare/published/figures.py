"""The tables of arXiv 2408.10536 as figures (``data/paper.json``), each known by what it is of."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Self

from pydantic import model_validator

from kit.core import paths, records
from kit.core.records import Record

MEAN = "mean"
"""Stands for the language where a figure is the mean over languages."""

TRAINING = "training"
"""The setting of figures that count what was trained on."""

SAMPLINGS = ("X-X-mono", "X-Y", "Hybrid")
ENCODERS = {"XLM-R": r"xlm-roberta-(base|large)", "LaBSE": r"LaBSE"}
"""The paper's names, and the pattern of the last part of the name or folder of a model that is meant."""

_PUBLIC = {"natural-questions": "Google NQ", "yahoo-answers": "Yahoo QA", "miracl-dev": "MIRACL"}
"""Names of public sets (``data/hub.yaml``) that the paper calls otherwise."""


class Place(Record):
    """What a figure is of; empty where it does not matter.

    encoder, sampling: the model.  data: a test, or a training set.  language: of the query, or ``MEAN``.
    setting, measure: as in ``kit.compare.columns``; besides, ``queries`` and ``candidates`` of the setting ``sizes`` count a
        test, and ``rows`` of ``training`` a training set.
    """

    encoder: str = ""
    data: str = ""
    setting: str = ""
    measure: str = ""
    sampling: str = ""
    language: str = ""

    def but(self, **changes: str) -> Place:
        """The same with other parts."""
        return self.model_copy(update=changes)


class PaperTable(Record):
    """One table: a line holds its names in the order of ``row``, then a figure for each of ``columns``.

    of: what all figures have in common.  across: what the columns differ in.  digits: after the point, as printed.

    Raises:
        ValueError: a part that no place has, or a line of another length.
    """

    name: str
    of: dict[str, str]
    row: tuple[str, ...]
    across: str
    columns: tuple[str, ...]
    digits: int
    values: tuple[tuple[str | float | None, ...], ...]

    @model_validator(mode="after")
    def _fits(self) -> Self:
        strange = sorted({*self.of, *self.row, self.across} - set(Place.model_fields))
        lengths = {len(line) for line in self.values}
        if strange or lengths != {len(self.row) + len(self.columns)}:
            raise ValueError(f"{self.name!r} has parts {strange} or lines of other lengths: {sorted(lengths)}")
        return self

    @property
    def lines(self) -> list[tuple[dict[str, str], dict[Place, float]]]:
        """By line, its names by part, and its figures by place; NaN where the paper has none."""
        found = []
        for line in self.values:
            names = dict(zip(self.row, map(str, line)))
            figures = line[len(self.row) :]
            places = [Place(**self.of, **names, **{self.across: column}) for column in self.columns]
            found.append((names, dict(zip(places, map(_number, figures)))))
        return found


class Paper(Record):
    """All tables, in their order, with what to cite."""

    source: str
    citation: str
    tables: tuple[PaperTable, ...]

    @property
    def figures(self) -> dict[Place, float]:
        """Every figure by its place; of a figure that two tables have, the one with more digits."""
        ordered = sorted(self.tables, key=lambda table: table.digits)
        return {place: figure for table in ordered for _, line in table.lines for place, figure in line.items()}

    def languages(self, data: str) -> tuple[str, ...]:
        """The languages that a set has in the tables, in their order; none of a set that the paper has not."""
        return tuple(dict.fromkeys(at.language for at in self.figures if at.data == data and at.language != MEAN))

    def sizes(self, data: str) -> dict[str, tuple[float, float]]:
        """Queries and candidates of a test by language; nothing for what the paper does not count."""
        counted = {place: figure for place, figure in self.figures.items() if (place.data, place.setting) == (data, "sizes")}
        queries = [place for place in counted if place.measure == "queries"]
        return {place.language: (counted[place], counted[place.but(measure="candidates")]) for place in queries}


def _number(value: str | float | None) -> float:
    return float("nan") if value is None else float(value)


def paper() -> Paper:
    """What ``data/paper.json`` holds.

    Raises:
        ValueError: no such file, or one of another shape.
    """
    return _read(paths.root() / "data" / "paper.json")


@lru_cache(maxsize=2)
def _read(path: Path) -> Paper:
    return records.read(path, Paper, "take the file of the checkout (git checkout data/paper.json)")


def encoder_of(name: str) -> str:
    """The paper's name of an encoder that it has, by the name or folder of the model; any other name as it is.

    >>> encoder_of("FacebookAI/xlm-roberta-base"), encoder_of("head:sentence-transformers/LaBSE")
    ('XLM-R', 'head:sentence-transformers/LaBSE')
    """
    last = "" if ":" in name else name.rstrip("/").rpartition("/")[2]
    return next((known for known, pattern in ENCODERS.items() if re.fullmatch(pattern, last, re.I)), name)


def data_of(name: str) -> str:
    """The paper's name of a set, by the name that the kit or its home gives it; any other name as it is.

    Marks and case do not count, nor that it is the part to train on.

    >>> data_of("mlqa-r"), data_of("natural-questions"), data_of("wikiqa-train"), data_of("wikiqa-test")
    ('MLQA-R', 'Google NQ', 'WikiQA', 'wikiqa-test')
    """
    known = {_plain(place.data): place.data for place in paper().figures}
    known |= {_plain(public): printed for public, printed in _PUBLIC.items()}
    return known.get(_plain(re.sub("(-train)+$", "", name)), name)


def _plain(name: str) -> str:
    return re.sub(r"\W|_", "", name).casefold()
