"""The panel finds its measures by itself: adding one is adding a file; and what a training's key covers of them."""

from __future__ import annotations

import importlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import kit
from kit.core.fingerprints import code_files
from kit.evaluate.bias import measures
from kit.evaluate.bias.measures import PANEL

MEASURE = '''
"""How many languages the first places hold."""

import numpy as np

from kit.evaluate.metrics import BiasMeasure

MEASURE = BiasMeasure(
    column="languages_on_top",
    label="languages on top",
    order=4,
    fair="high",
    low=1,
    high=np.inf,
    formula="number of languages in the top",
    meaning="How many languages the first places hold.",
    source="made",
    compute=lambda pool: np.array([float(len(set(top))) for top in pool.top_languages.tolist()]),
    chance=lambda pool: np.full(len(pool.query_language), 2.5),
)
'''

READ = """
import sys
from pathlib import Path
import kit.evaluate.bias
kit.evaluate.bias.__path__.append(sys.argv[1])
import numpy as np
from test_search import random_task
from kit.compare.results import Results
from kit.evaluate.bias.panel import chance
from kit.evaluate.evaluation import Evaluation
from kit.evaluate.evaluator import evaluate_embeddings
task = random_task(np.random.default_rng(0), n_groups=9)
n = len(task.candidates)
scores = np.random.default_rng(1).random((len(task.queries), n)).astype(np.float32)
evaluation = evaluate_embeddings(scores, np.eye(n, dtype=np.float32), task, "made")
evaluation.write(sys.argv[1] + "/made.parquet")
again = Evaluation.read(sys.argv[1] + "/made.parquet")
print(list(again.summary()["multilingual"])[5:])
print(again.summary()["multilingual"]["languages_on_top"], again.left_out()["languages_on_top"])
print(chance(task)["languages_on_top"], list(Results({"made": [again]}).bias_table(chance(task))["made"]))
"""


def test_a_measure_in_a_file_of_its_own_is_in_the_panel(tmp_path):
    (tmp_path / "languages_on_top.py").write_text(MEASURE, encoding="utf-8")
    path = [*sys.path, "tests/evaluate"]
    code = f"import sys; sys.path[:] = {path!r}\n{READ}"
    found = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    in_summary, values, in_table = found.stdout.splitlines()
    names = [measure.column for measure in PANEL]
    # Two measures have the place 4 now: the name decides.
    assert in_summary == str([*names[:3], "languages_on_top", *names[3:]])
    assert values == "3.0 0"
    assert in_table.startswith("2.5 ") and "languages on top" in in_table


def test_the_panel_holds_what_its_files_declare_by_place_then_by_name(monkeypatch):
    for name in ("peer_at_20", "list_agreement"):
        module = importlib.import_module(f"kit.evaluate.bias.{name}")
        monkeypatch.setattr(module, "MEASURE", replace(module.MEASURE, order=0))
    assert [measure.column for measure in measures._declared()] == [
        "list_agreement",
        "peer_at_20",
        "rank_distance",
        "cover_rank",
        "complete_at_20",
        "own_language_first",
        "awrf_at_20",
    ]


def test_neither_itself_nor_what_reads_the_panel_is_imported_for_it(monkeypatch):
    """The panel of a task imports what is made here: whoever imports this file first would run in a circle."""
    asked, load = [], importlib.import_module
    monkeypatch.setattr(importlib, "import_module", lambda name: (asked.append(name), load(name))[1])
    measures._declared()
    assert "kit.evaluate.bias.rank_distance" in asked
    assert not {"kit.evaluate.bias.measures", "kit.evaluate.bias.panel"} & set(asked)


def test_places_and_columns_are_distinct():
    assert len({measure.order for measure in PANEL}) == len({measure.column for measure in PANEL}) == len(PANEL)


def test_a_training_depends_on_the_one_measure_that_it_watches():
    package = Path(kit.__file__).parent
    files = {file.relative_to(package).as_posix() for file in code_files("kit.run.training")}
    assert {file for file in files if file.startswith("evaluate/bias/")} == {"evaluate/bias/rank_distance.py"}
    assert not {"evaluate/evaluator.py", "evaluate/evaluation.py"} & files
