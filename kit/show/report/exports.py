"""A run's numbers for other programs: tables as CSV and as LaTeX, lists as runs in TREC's form."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from kit.compare.columns import BIAS_COLUMNS, HEADLINE
from kit.compare.results import Results
from kit.core.files import whole_file
from kit.core.printing import MISSING, visible
from kit.evaluate.shards.trec import Run, write_run
from kit.show.report import grids
from kit.show.report.grids import Cell, Grid

_SPECIAL = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
_SPECIAL |= {sign: f"\\{sign}" for sign in "&%$#_{}"} | {"−": "$-$", "±": r"$\pm$", "†": r"$\dagger$", "→": r"$\to$"}


def write_tables(metrics: Mapping, results: Results, folder: Path) -> list[str]:
    """Write the tables of a report: ``scores.csv``, a line a model and column, and the others as they stand on the page.

    ``tables.tex`` has quality, bias panel and differences as they are printed, for LaTeX with the package booktabs.

    Args:
        metrics: what ``metrics.json`` holds; results: what ``per_query.parquet`` holds.
        folder: that they are written into; a table that the task does not have is left out.

    Returns:
        Names of the files.
    """
    differences = grids.differences_grid(metrics)
    told = {"headline": grids.headline_grid(metrics), "bias panel": grids.bias_grid(metrics), "differences": differences}
    pages = {"by-language": grids.language_grid(results), "by-pair": grids.pair_grid(results)}
    lines = {"scores.csv": _scores(metrics), "differences.csv": _differences(metrics)}
    lines |= {f"{name}.csv": _lines(grid) for name, grid in pages.items()}
    written = []
    for name, rows in lines.items():
        if len(rows) > 1:
            written.append(name)
            with whole_file(folder / name) as partial, partial.open("w", encoding="utf-8", newline="") as file:
                csv.writer(file, lineterminator="\n").writerows(rows)
    with whole_file(folder / "tables.tex") as partial:
        tables = [_latex(name, grid) for name, grid in told.items() if grid.rows]
        partial.write_text("% \\usepackage{booktabs}\n" + "\n".join(tables), encoding="utf-8", newline="\n")
    written.append("tables.tex")
    for other in folder.iterdir():
        if other.name not in written:  # of an earlier run
            other.unlink()
    return written


def write_lists(results: Results, folder: Path) -> list[Path]:
    """Write the first candidates of every query of the pool as runs in TREC's form, a file a model and seed.

    The score is not the model's: it is the number of places that a list has from there on, so that it gives the order. White
    space in an id, which that form does not know, is written as in an address: ``%20`` (and ``%`` as ``%25``).

    Returns:
        The files.

    Raises:
        ValueError: a version that did not keep its lists made the results; two models have files of one name.
    """
    files = []
    for model, runs in results.evaluations.items():
        for number, run in enumerate(runs):
            found = {_word(query): [_word(one) for one in ids] for query, ids in run.top_candidates().items()}
            if not found:
                raise ValueError(f"results of {model!r} have no lists, as an earlier version left them: make the run again")
            scores = {query: np.arange(len(ids), 0, -1, dtype=np.float32) for query, ids in found.items()}
            tag = re.sub(r"[^\w.-]+", "-", model).strip("-.") or "model"
            files.append(folder / f"{tag}-seed-{number}.trec" if len(runs) > 1 else folder / f"{tag}.trec")
            if files[-1] in files[:-1]:
                raise ValueError(f"two models would be written to {files[-1].name}: give them labels that differ in letters")
            write_run(files[-1], Run(found, scores), tag)
    return files


def _word(text: str) -> str:
    """An id as one word.

    >>> _word("BY@ar (distractor)")
    'BY@ar%20(distractor)'
    """
    return re.sub(r"[\s%]", lambda found: f"%{ord(found[0]):02X}", text)


def _scores(metrics: Mapping) -> list[Sequence]:
    rows: list[Sequence] = [("model", "measure", "mean", "deviation_over_seeds", "low", "high")]
    for model, told in metrics["models"].items():
        for column in HEADLINE | BIAS_COLUMNS:
            mean, deviation = metrics["headline" if column in HEADLINE else "bias"][model][column]
            rows.append(
                (model, column, mean, deviation, told["intervals"][column]["low"], told["intervals"][column]["high"])
            )
    return rows


def _differences(metrics: Mapping) -> list[Sequence]:
    rows: list[Sequence] = [("model", "reference", "measure", "difference", "low", "high", "p", "p_holm")]
    for one in metrics["differences"]:
        overall = [one["compared"]["overall"][name] for name in ("difference", "low", "high", "p_value")]
        rows.append((one["first"], one["second"], one["column"], *overall, one["adjusted_p"]))
    return rows


def _lines(grid: Grid) -> list[Sequence]:
    """A table as it stands on the page, numbers in full, languages by their tags."""
    heads = [" ".join(filter(None, [column.group, column.label])) for column in grid.columns]
    return [heads, *([_plain(cell, column.is_number) for cell, column in zip(row, grid.columns)] for row in grid.rows)]


def _plain(cell: Cell, is_number: bool) -> object:
    return cell.value if is_number else cell.note or cell.text


def _latex(name: str, grid: Grid) -> str:
    """A table as it is printed, the best in bold, with its foot."""
    columns = "".join("r" if column.is_number else "l" for column in grid.columns)
    parts = [f"% {name}", f"\\begin{{tabular}}{{{columns}}}", "\\toprule", _row(column.label for column in grid.columns)]
    parts += ["\\midrule", *(_row((cell.text for cell in row), [cell.is_best for cell in row]) for row in grid.rows)]
    parts += ["\\midrule", *(_row(cell.text for cell in row) for row in grid.foot)] if grid.foot else []
    return "\n".join([*parts, "\\bottomrule", "\\end{tabular}", ""])


def _row(texts: Iterable[str], is_best: Sequence[bool] = ()) -> str:
    cells = [escaped(text) for text in texts]
    cells = [f"\\textbf{{{cell}}}" if best else cell for cell, best in zip(cells, is_best)] if is_best else cells
    return " & ".join(cells) + r" \\"


def escaped(text: str) -> str:
    r"""A text that LaTeX prints as it is, on one line.

    >>> print(escaped("50 % of a_b"))
    50 \% of a\_b
    """
    return "".join(_SPECIAL.get(sign, sign) for sign in " ".join(visible(text).replace(MISSING, "--").split()))
