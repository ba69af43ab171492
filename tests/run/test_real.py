"""The paper's profiles run from end to end on small data, and what they trained leaves the cache."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from huggingface_hub import ModelCard
from sentence_transformers import SentenceTransformer

from kit.data.corpus import ParallelCorpus, RetrievalTask
from kit.run import pipeline
from kit.run.audits import trained_facts
from kit.run.cli import export
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
        patch.setattr("kit.run.pipeline.in_processes", lambda function, jobs, log, *_: [function(job, log) for job in jobs])
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


@pytest.fixture(scope="module")
def folder(home):
    target = home / "out" / "model"
    assert main(["export", "paper", "Hybrid", str(target), "--licence", "cc-by-sa-4.0"]) == 0
    return target


class TestExport:
    def test_it_is_the_trained_model_and_loads_anywhere(self, folder, settings):
        trained = SentenceTransformer(str(pipeline.model_folder(settings, "Hybrid", 3) / "model"), device="cpu")
        texts = ["一", "丁 1."]
        assert (SentenceTransformer(str(folder), device="cpu").encode(texts) == trained.encode(texts)).all()
        assert {"modules.json", "README.md"} <= {path.name for path in folder.iterdir()}
        assert trained_facts(str(folder))["sampling"] == "Hybrid"
        assert not list(folder.rglob("checksums.json"))

    @pytest.mark.parametrize(
        ("spec", "licence", "author"),
        [
            ("lareqa:data/xquad-r?languages=de", "cc-by-sa-4.0", "Roy et al."),
            ("hub:miracl?languages=sw", "apache-2.0", "Zhang et al."),
            ("mmarco:data/hub/mmarco/files", "apache-2.0", "Bonifacio et al."),
            ("atlas?languages=de,en", "Unicode-3.0", "Unicode CLDR"),
            ("jsonl:data/mine.jsonl", "not known to the kit", ""),
        ],
    )
    def test_whose_data_they_are(self, monkeypatch, spec, licence, author):
        monkeypatch.setenv("KIT_HOME", str(HERE))
        told = export._whose(spec)
        assert told[0].startswith(licence) and author in told[1], told

    def test_the_card_says_what_it_was_trained_on_and_what_it_scores(self, folder, home):
        written = ModelCard.load(folder / "README.md")
        metrics = json.loads((home / "reports" / "paper" / "metrics.json").read_text(encoding="utf-8"))
        interval = metrics["models"]["Hybrid"]["intervals"]["multi mAP"]
        own = metrics["models"]["Hybrid"]["by_seed"][0]["multilingual"]["average_precision"]
        row = f"| multi mAP | {own:.3f} | {interval['estimate']:.3f} | {interval['low']:.3f} to {interval['high']:.3f} |"
        for told in (
            row,
            "`jsonl:data/train.jsonl`",
            "shifts.json",
            "Batches of Hybrid from `tiny`",
            "| `weight_decay` | 0.01 |",
        ):
            assert told in written.text
        assert written.data.license == "cc-by-sa-4.0" and written.data.language == ["de", "en"]
        assert {one.metric_name: one.metric_value for one in written.data.eval_results}["multi mAP"] == pytest.approx(own)
        assert written.text.count("arXiv") >= 1 and written.text.count("\n## Citation\n") == 1

    def test_it_goes_to_the_hub_as_it_lies_in_the_folder(self, home, monkeypatch, capsys):
        pushed = []

        def push_to_hub(self, name, local_model_path):
            pushed.append((name, "## Scores on test" in (Path(local_model_path) / "README.md").read_text(encoding="utf-8")))
            return "https://hub/commit"

        monkeypatch.setattr(SentenceTransformer, "push_to_hub", push_to_hub)
        assert main(["export", "paper", "X-Y", "--push", "me/model"]) == 0
        assert pushed == [("me/model", True)] and capsys.readouterr().out.endswith("https://hub/commit\n")

    @pytest.mark.parametrize(
        ("arguments", "refused"),
        [
            (
                ["paper", "Hybird", "other"],
                "paper trained no model 'Hybird': it trained X-Y, Hybrid (did you mean 'Hybrid'?)",
            ),
            (["paper", "Hybrid", "other", "--seed", "7"], "paper trained no Hybrid with seed 7: choose from 3"),
            (["paper", "Hybrid", "out/model"], "out/model is there already: choose another folder, or take it away first"),
            (["paper", "Hybrid"], "export: give a folder to write, or --push NAME for the hub, or both"),
        ],
    )
    def test_refusals(self, folder, arguments, refused, capsys):
        assert main(["export", *arguments]) == 1
        assert refused in capsys.readouterr().err

    def test_of_several_seeds_one_is_chosen(self, home):
        about = {
            "kind": "training",
            "models": {"X-Y": {"seed 4": "data/4", "seed 9": "data/9", "longest input": "8 tokens"}},
        }
        assert export.trained_folder(home / "reports" / "paper", about, "X-Y", 9) == (1, home / "data" / "9")
        with pytest.raises(ValueError, match="paper trained X-Y with seeds 4, 9: choose one with --seed"):
            export.trained_folder(home / "reports" / "paper", about, "X-Y", None)

    def test_what_left_the_cache_is_trained_again(self, folder, home, monkeypatch, capsys):
        monkeypatch.setattr("kit.run.training.is_trained", lambda folder, log: False)
        assert main(["export", "paper", "Hybrid", "other"]) == 1
        assert "python -m kit run --again paper trains it again" in capsys.readouterr().err and not Path("other").exists()
