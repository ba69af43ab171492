"""The files of a run's folder, damaged one field at a time: a line says which file and what to do."""

from __future__ import annotations

import copy
import html
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_report import HISTORIES, _about, _results

from kit.compare.paper import check_claims
from kit.evaluate.evaluation import SCHEMA
from kit.show import report


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A training run of one seed."""
    results = _results({"X-X-mono": "own first", "X-Y": "right", "Hybrid": "right"})
    folder = tmp_path_factory.mktemp("reports") / "mine"
    return report.write_run(_about("training", "mine", results), results, check_claims(results), HISTORIES, folder)


@pytest.fixture
def folder(run, tmp_path) -> Path:
    return shutil.copytree(run, tmp_path / "mine")


FREE = {"settings", "by_seed", "versions", "checksums", "machine", "pool_counts", "chance"}
"""Objects whose names no file has to have."""


def _places(content: object, place: tuple = ()) -> Iterator[tuple]:
    """Where the fields of a JSON value stand; of a list its first entry."""
    entries = content.items() if isinstance(content, dict) else enumerate(content[:1]) if isinstance(content, list) else ()
    for name, value in entries:
        yield (*place, name)
        if name not in FREE:
            yield from _places(value, (*place, name))


def _damaged(content: object, place: tuple, remove: bool) -> object:
    content = copy.deepcopy(content)
    inner = content
    for part in place[:-1]:
        inner = inner[part]
    if remove:
        del inner[place[-1]]
    else:
        inner[place[-1]] = {"another": ["shape"]} if not isinstance(inner[place[-1]], dict) else "another shape"
    return content


def _refused(folder: Path, file: str) -> bool:
    """Whether the page cannot be made again, since the file is damaged; it is made where nobody needs what was changed."""
    try:
        report.again(folder)
    except ValueError as error:
        assert file in str(error) and ": " in str(error) and str(error).count("\n") == 0
        return True
    return False


@pytest.mark.parametrize("file", ["metrics.json", "claims.json", "training.json"])
def test_each_field_of_another_kind_is_refused(folder, file):
    path = folder / file
    content = json.loads(path.read_text(encoding="utf-8"))
    for place in _places(content):
        path.write_text(json.dumps(_damaged(content, place, remove=False)), encoding="utf-8")
        assert _refused(folder, file), place


@pytest.mark.parametrize("place", [("about",), ("headline",), ("bias",), ("left_out",), ("differences",), ("models",)])
def test_a_part_that_is_missing_from_the_metrics_is_refused(folder, place):
    _without(folder / "metrics.json", place)
    assert _refused(folder, "metrics.json")


METRICS = [
    *(("about", name) for name in ("run", "kind", "test", "languages", "n_queries", "n_candidates", "pool_counts")),
    *(("about", name) for name in ("n_seeds", "chance", "command", "settings", "versions", "checksums", "machine")),
    *(("about", name) for name in ("overlap", "models")),
    *(("headline", "X-Y"), ("headline", "X-Y", "mono mAP"), ("bias", "X-Y", "rank distance"), ("models", "X-Y")),
    *(("models", "X-Y", "intervals", "mono mAP"), ("models", "X-Y", "intervals"), ("left_out", "rank_distance")),
    *(("differences", 0, name) for name in ("first", "second", "column", "compared", "adjusted_p")),
    *(("differences", 0, "compared", "overall", "low"), ("about", "n_seeds", "X-Y"), ("about", "languages", 0)),
    ("about", "pool_counts", "de"),
]


@pytest.mark.parametrize("place", METRICS, ids=lambda place: ".".join(map(str, place)))
def test_a_field_that_is_missing_from_the_metrics_is_refused(folder, place):
    _without(folder / "metrics.json", place)
    assert _refused(folder, "metrics.json")


@pytest.mark.parametrize(
    ("file", "place"),
    [
        *(("claims.json", (0, name)) for name in ("claim", "study")),
        *(("training.json", (0, name)) for name in ("model", "seed", "loss", "scores")),
        *(("training.json", (0, "scores", 0)), ("training.json", (0, "scores", 0, 1, "multi"))),
    ],
)
def test_a_field_that_is_missing_elsewhere_is_refused(folder, file, place):
    _without(folder / file, place)
    assert _refused(folder, file)


def _without(path: Path, place: tuple) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(_damaged(content, place, remove=True)), encoding="utf-8")


@pytest.mark.parametrize("file", ["metrics.json", "claims.json", "training.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"null", b'"text"', b"[3]", b"\xff", b"[" * 100_000])
def test_another_file_is_refused(folder, file, content):
    (folder / file).write_bytes(content)
    assert _refused(folder, file)


@pytest.mark.parametrize("column", ["model", "seed_number", *SCHEMA.names[:-1]])  # the last, the lists, may be missing
@pytest.mark.parametrize("damage", ["missing", "another kind", "empty"])
def test_each_column_of_the_scores_is_needed(folder, column, damage):
    path = folder / "per_query.parquet"
    table = pq.read_table(path)
    place, field = table.column_names.index(column), table.schema.field(column)
    if damage == "missing":
        table = table.drop_columns([column])
    elif damage == "another kind":
        table = table.set_column(place, column, pa.array([True] * len(table)))
    else:
        table = table.set_column(place, field, pa.nulls(len(table), field.type))
    pq.write_table(table, path)
    assert _refused(folder, "per_query.parquet")


@pytest.mark.parametrize("name", ["task_name", "languages", "models"])
@pytest.mark.parametrize("value", [None, 3, [], {}, ["xx"], {"X-Y": [["X-Y", "0"]]}], ids=str)
def test_each_fact_of_the_scores_is_needed(folder, name, value):
    path = folder / "per_query.parquet"
    table = pq.read_table(path)
    facts = json.loads(table.schema.metadata[b"results"])
    facts[name] = value
    pq.write_table(table.replace_schema_metadata({"results": json.dumps(facts)}), path)
    assert _refused(folder, "per_query.parquet")


def test_no_figure_of_the_page_can_be_sent_to_a_server(run):
    written = (run / "index.html").read_text(encoding="utf-8")
    settings = json.loads(html.unescape(re.search('id="figure-data" data-settings="([^"]*)"', written)[1]))
    assert (settings["showSendToCloud"], settings["plotlyServerURL"]) == (False, "")
    assert written.count("Plotly.newPlot(plot, {") == written.count("config: settings,") == 1


def test_scores_and_metrics_of_two_runs_are_refused(folder):
    other = _results({"X-X-mono": "own first", "another": "right"})
    other.write(folder / "other", _about("audit", "other", other))
    shutil.copy(folder / "other" / "per_query.parquet", folder)
    assert _refused(folder, "metrics.json")


@pytest.mark.parametrize("content", ["", "[]", '{"data": 3, "layout": {}}', '{"layout": {}}'])
def test_a_figure_of_another_shape_is_refused(folder, content):
    (folder / "figures" / "pairs.json").write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=r"pairs\.json: .*: draw it again"):
        report.write_pages(folder)
