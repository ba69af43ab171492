"""The paper's profiles run from end to end on small data, and what they trained leaves the cache."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from kit.data.corpus import ParallelCorpus, RetrievalTask
from kit.run import pipeline
from kit.run.cli.commands import main
from kit.run.profiles import settings_of
from kit.train.history import History

HERE = Path(__file__).resolve().parents[2]
LETTERS = {"de": 0x4E00, "en": 0x5E00}
ASKED = ["train=jsonl:data/train.jsonl", "validation=squad:data/shifts.json?language=en", "test=jsonl:data/test"]
SMALL = [*ASKED, "run=paper", "encoder=tiny", "dimension=64", "vocabulary_size=300", "samplings=X-Y,Hybrid", "seeds=3"]
FEW = ["updates=4", "batch_size=8", "evaluations=2", "pass_tokens=64", "learning_rate=0.01"]


def corpus(groups: range) -> ParallelCorpus:
    rows = [
        {"group_id": f"g{group}", "language": tag, "query": chr(first + group), "passage": f"{chr(first + group)} {group}."}
        for group in groups
        for tag, first in LETTERS.items()
    ]
    return ParallelCorpus.from_rows(rows, "made")


def squad(groups: range) -> dict:
    paragraphs = [
        {"context": f"It is {group}.", "qas": [{"id": str(group), "question": f"{group}?", "answers": [{"text": "It"}]}]}
        for group in groups
    ]
    return {"data": [{"title": "made", "paragraphs": paragraphs}]}


@pytest.fixture(scope="module")
def home(run_cells, tmp_path_factory):
    """A project in which the profile ``xlmr`` has run, in this process, as papermill gives parameters to notebooks."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "data").mkdir()
    (folder / "notebooks").symlink_to(HERE / "notebooks")
    corpus(range(40)).write(folder / "data" / "train.jsonl")
    RetrievalTask.from_corpus(corpus(range(40, 60)), "test").write(folder / "data" / "test")
    (folder / "data" / "shifts.json").write_text(json.dumps(squad(range(12))), encoding="utf-8")

    def execute(source, target, parameters, progress, verbose):
        content = json.loads(source.read_text(encoding="utf-8"))
        cell = next(cell for cell in content["cells"] if "parameters" in cell["metadata"].get("tags", []))
        cell["source"] = [*cell["source"], *(f"\n{name} = {value!r}" for name, value in parameters.items())]
        target.write_text(json.dumps(content), encoding="utf-8")
        run_cells(target, {})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kit.run.notebooks._execute", execute)
        patch.setattr("kit.run.pipeline.in_processes", lambda function, jobs, log: [function(job, log) for job in jobs])
        patch.setenv("KIT_HOME", str(folder))
        patch.chdir(folder)
        asked = [word for one in [*SMALL, *FEW] for word in ("-p", one)]
        assert main(["run", "03", "04", "--profile", "xlmr", *asked]) == 0
        yield folder


@pytest.fixture
def settings(home):
    return settings_of("xlmr", dict(one.split("=", 1) for one in [*SMALL, *FEW]))


def test_the_profile_runs_from_end_to_end(home, settings):
    told = json.loads((home / "reports" / "paper" / "metrics.json").read_text(encoding="utf-8"))["about"]
    assert told["n_seeds"] == {"X-Y": 1, "Hybrid": 1}
    assert told["settings"]["weight_decay"] == 0.01 and told["settings"]["patience"] == 3
    assert list(told["checksums"]) == ["jsonl:data/train.jsonl", "squad:data/shifts.json?language=en", "jsonl:data/test"]
    kept = json.loads((pipeline.model_folder(settings, "X-Y", 3) / "settings.json").read_text(encoding="utf-8"))
    assert kept["validation"] == "squad:data/shifts.json?language=en"


def test_a_named_validation_task_in_one_language_is_scored_and_nothing_is_held_out(settings):
    data = pipeline.load_data(settings)
    assert data.validation.languages == ("en",) and len(data.corpora[0].group_ids) == 40
    (_, first), (_, last) = History.read(pipeline.model_folder(settings, "X-Y", 3) / "history.json").scores
    for scores in (first, last):
        assert scores["score"] == scores["mono"] == scores["multi"] and scores["cross"] != scores["cross"]


def test_it_is_part_of_the_key(home, settings):
    shutil.copy(home / "data" / "shifts.json", home / "data" / "same.json")
    (home / "data" / "other.json").write_text(json.dumps(squad(range(11))), encoding="utf-8")
    of = lambda source: pipeline.training_fingerprint(settings.changed(validation=source), "X-Y", 3)
    same, other = (of(f"squad:data/{name}.json?language=en") for name in ("same", "other"))
    assert len({of(settings.data.validation), other, of("")}) == 3 and same != other


def test_remedies_are_fitted_on_texts_in_all_languages(settings):
    tried = pipeline.with_remedies(settings, "X-Y", 3, n_groups=10, n_candidates=40)
    assert tried.languages == ("de", "en") and len(tried.models) > 1
