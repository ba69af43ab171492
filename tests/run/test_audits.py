"""Any model on any task: labels, what is refused before work begins, the cache, prompts, and the report at the end."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Router

from kit.compare.results import Results
from kit.core import fingerprints
from kit.data.corpus import RetrievalTask
from kit.evaluate import evaluator
from kit.evaluate.evaluator import evaluate
from kit.run import audits
from kit.run.cli import commands
from kit.show import report
from kit.train.config import EncoderConfig
from kit.train.encoders.loading import load_encoder
from kit.train.encoders.making import make_encoder

PROJECT = Path(__file__).resolve().parents[2]
WORDS = {"de": ("Hauptstadt von Land", "Die Hauptstadt ist"), "en": ("Capital of country", "The capital is")}
TEXTS = [f"{text} {number}" for texts in WORDS.values() for text in texts for number in range(9)]


def made_task(name: str = "capitals", n_groups: int = 8, twice: bool = False) -> RetrievalTask:
    """Parallel questions; ``twice``: the first is asked in German in two ways."""
    keys = [(group, tag) for group in range(n_groups) for tag in WORDS]
    queries = [
        {"query_id": f"q{group}{tag}", "group_id": f"g{group}", "language": tag, "text": f"{WORDS[tag][0]} {group}?"}
        for group, tag in keys
    ]
    if twice:
        queries.append({**queries[0], "query_id": "again"})
    return RetrievalTask.from_rows(
        name,
        queries,
        [{"candidate_id": f"c{group}{tag}", "language": tag, "text": f"{WORDS[tag][1]} {group}."} for group, tag in keys],
        [
            {"query_id": query["query_id"], "candidate_id": f"c{query['group_id'][1:]}{tag}"}
            for query in queries
            for tag in WORDS
        ],
    )


def save_encoder(folder: Path, seed: int, **prompts: str) -> None:
    model = make_encoder(EncoderConfig(dimension=16, vocabulary_size=120), TEXTS, seed)
    if prompts:
        model.prompts = prompts
    model.save(str(folder), create_model_card=False)


@pytest.fixture(scope="module")
def encoders(tmp_path_factory) -> Path:
    """Folder with two encoders, and the first with other prompts."""
    folder = tmp_path_factory.mktemp("encoders")
    save_encoder(folder / "one", seed=1)
    save_encoder(folder / "two", seed=2)
    save_encoder(folder / "prompted", seed=1, query="The capital is ", document="Land ")
    return folder


@pytest.fixture
def home(tmp_path, monkeypatch, encoders) -> Path:
    """A project with a task and the encoders, in which the command stands; reports are kept in memory, not drawn."""
    home = tmp_path / "home"
    (home / "notebooks").mkdir(parents=True)
    made_task().write(home / "data" / "capitals")
    shutil.copytree(encoders, home / "models")
    monkeypatch.setenv("KIT_HOME", str(home))
    monkeypatch.chdir(home)
    return home


class Written(list):
    """What was handed to the report: (about, results) of each."""

    def write_run(self, about: dict, results: Results) -> Path:
        self.append((about, results))
        return Path("reports") / about["run"]


@pytest.fixture
def written(home, monkeypatch) -> Written:
    written = Written()
    monkeypatch.setattr(audits.report, "write_run", written.write_run)
    return written


@pytest.fixture
def encoded(monkeypatch) -> list[str]:
    """Names of the tasks that were encoded, in order."""
    names = []

    def encode(model, task, *options, **more):
        names.append(task.name)
        return original(model, task, *options, **more)

    original = evaluator.encode_task
    monkeypatch.setattr(audits, "encode_task", encode)
    return names


def leave(about: dict, results: Results) -> Path:
    """Stands in for a report: its numbers alone."""
    folder = Path("reports") / about["run"]
    results.write(folder, {name: told for name, told in about.items() if name != "questions"})
    return folder


TASK = ("jsonl:data/capitals",)


def run(*models: str, tasks: tuple[str, ...] = TASK, **options) -> list[str]:
    """Audit and return the lines that were logged."""
    lines = []
    audits.audit(models or ("models/one",), tasks, log=lines.append, **options)
    return lines


class TestLabels:
    def _labels(self, *models: str) -> list[str]:
        return [candidate.label for candidate in audits.audited_models(models)]

    def test_a_name_on_the_hub_stays(self):
        assert self._labels("org/name", "LaBSE") == ["org/name", "LaBSE"]

    def test_a_folder_is_called_by_its_last_part(self, home):
        assert self._labels("models/one", str(home / "models" / "two") + "/") == ["one", "two"]

    def test_a_label_that_is_given(self, home):
        candidates = audits.audited_models(["mine=models/one", "hub=org/name", "a=b=c"])
        assert [(candidate.label, candidate.name) for candidate in candidates] == [
            ("mine", "models/one"),
            ("hub", "org/name"),
            ("a", "b=c"),
        ]

    def test_an_empty_label_is_none(self, home):
        assert self._labels("=models/one") == ["one"]

    def test_a_folder_with_an_equals_sign_in_its_name(self, home):
        (home / "models" / "one").rename(home / "models" / "rate=0.1")
        assert self._labels("models/rate=0.1") == ["rate=0.1"]

    def test_a_model_that_the_kit_trained(self, home):
        (home / "models" / "0123abcd").mkdir()
        (home / "models" / "one").rename(home / "models" / "0123abcd" / "model")
        (home / "models" / "0123abcd" / "settings.json").write_text('{"sampling": "Hybrid(0.3)", "seed": 7, "settings": {}}')
        assert self._labels("models/0123abcd/model", "models/two") == ["Hybrid(0.3), seed 7", "two"]

    @pytest.mark.parametrize("content", ['{"theme": "dark"}', "[]"])
    def test_settings_of_another_program_are_not_read(self, home, content):
        (home / "models" / "settings.json").write_text(content)
        assert self._labels("models/one") == ["one"]

    @pytest.mark.parametrize("models", [("models/one", "models/one"), ("a=models/one", "a=models/two"), ("org/x", "org/x")])
    def test_two_of_one_label_are_refused_with_the_way_out(self, home, models):
        with pytest.raises(ValueError, match=r"two models are called '(one|a|org/x)': write LABEL=MODEL, such as first="):
            run(*models)

    def test_labels_tell_two_of_one_name_apart(self, written):
        run("models/one", "again=models/one")
        ((_, results),) = written
        assert results.models == ("one", "again")
        assert [results.evaluations[model][0].model_name for model in results.models] == ["one", "again"]


class TestRefusesBeforeWork:
    @pytest.fixture(autouse=True)
    def no_work(self, home, monkeypatch):
        monkeypatch.setattr(audits, "load_prompted", None)

    def test_an_unknown_model(self):
        with pytest.raises(ValueError, match=r"there is no such folder.*did you mean 'models/two'\?"):
            run("models/one", "./models/tow")

    @pytest.mark.parametrize("name", ["static", "first=tiny"])
    def test_one_that_a_training_makes(self, name):
        with pytest.raises(ValueError, match="is what a training makes: give a folder of one, or a name on the hub"):
            run("models/one", name)

    def test_half_a_model(self, home):
        next((home / "models" / "two").rglob("*.safetensors")).write_bytes(b"half")
        with pytest.raises(ValueError, match=r"model\.safetensors is broken or cut off"):
            run("models/one", "models/two")

    def test_an_unknown_task(self):
        with pytest.raises(ValueError, match="data/absent does not exist"):
            run(tasks=(*TASK, "jsonl:data/absent"))

    def test_an_unknown_kind_of_task(self):
        with pytest.raises(ValueError, match="unknown kind 'xquad'"):
            run(tasks=("xquad",))

    def test_two_queries_of_a_group_in_a_language(self, home):
        made_task("doubled", twice=True).write(home / "data" / "doubled")
        with pytest.raises(ValueError, match="doubled: group g0 has 2 queries in de: give each a group of its own"):
            run(tasks=(*TASK, "jsonl:data/doubled"))

    def test_two_tasks_of_one_name(self, home):
        made_task(n_groups=4).write(home / "data" / "other")
        with pytest.raises(ValueError, match="tasks jsonl:data/capitals, jsonl:data/other would share a folder"):
            run(tasks=(*TASK, "jsonl:data/other"))


def test_an_unknown_model_is_one_clear_error(home, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ValueError, match="encoder 'nobody/no-such-model' cannot be loaded"):
        run("nobody/no-such-model")


class TestMeasures:
    def test_the_evaluation_is_that_of_the_model(self, written, home):
        run("models/one", "models/two")
        ((about, results),) = written
        assert results.models == ("one", "two") and about["test"] == "capitals"
        for model in results.models:
            expected = evaluate(load_encoder(f"models/{model}"), made_task(), model)
            np.testing.assert_equal(results.evaluations[model][0].per_query.to_pydict(), expected.per_query.to_pydict())
        assert results.evaluations["one"][0].summary() != results.evaluations["two"][0].summary()

    def test_a_report_for_each_task(self, written, home, encoded):
        made_task("Länder & more", n_groups=5).write(home / "data" / "other")
        folders = audits.audit(["models/one"], [*TASK, "jsonl:data/other"], "mine", log=lambda line: None)
        assert [folder.name for folder in folders] == ["mine-capitals", "mine-Länder-more"]
        assert [about["run"] for about, _ in written] == ["mine-capitals", "mine-Länder-more"]
        assert [results.evaluations["one"][0].task_name for _, results in written] == ["capitals", "Länder & more"]
        assert encoded == ["capitals", "Länder & more"]

    def test_an_audit_of_another_model_stands_beside_the_first(self, home, monkeypatch):
        monkeypatch.setattr(report, "write_run", leave)
        first, second = run("models/one"), run("models/two")
        assert "reports/audit-capitals-2; side by side: python -m kit report audit-capitals audit-capitals-2" in second[-1]
        assert not any("stays" in line for line in first + run("models/one") + run("models/two"))
        found = sorted(path.name for path in (home / "reports").iterdir())
        assert found == ["audit-capitals", "audit-capitals-2"]

    @pytest.mark.parametrize(
        ("name", "folder"),
        [("audit", "audit-mini-capitals"), ("mini", "mini-capitals"), ("b-mini-capitals", "b-mini-capitals")],
    )
    def test_a_name_does_not_stutter(self, written, home, name, folder):
        made_task("mini-capitals").write(home / "data" / "mini")
        run(tasks=("jsonl:data/mini",), run=name)
        ((about, _),) = written
        assert about["run"] == folder and shlex.split(about["command"])[-1] == name

    def test_prompts_are_the_models_own(self, written):
        run("models/one", "models/prompted")
        ((about, results),) = written
        plain, prompted = (results.evaluations[model][0] for model in ("one", "prompted"))
        assert plain.per_query.column("worst_rank").to_pylist() != prompted.per_query.column("worst_rank").to_pylist()
        assert about["models"]["prompted"]["prompts"] == "query: 'The capital is ', document: 'Land '"
        assert about["models"]["one"]["prompts"] == "query: 'Query: ', document: 'Passage: '"

    def test_a_prompt_for_passages_by_another_name(self, written, home):
        config = home / "models" / "prompted" / "config_sentence_transformers.json"
        shutil.copytree(home / "models" / "prompted", home / "models" / "passage")
        other = config.read_text(encoding="utf-8").replace('"document"', '"passage"')
        (home / "models" / "passage" / config.name).write_text(other, encoding="utf-8")
        run("models/prompted", "models/passage")
        ((about, results),) = written
        document, passage = (results.evaluations[model][0].per_query for model in ("prompted", "passage"))
        np.testing.assert_equal(passage.to_pydict(), document.to_pydict())
        assert about["models"]["passage"]["prompts"] == about["models"]["prompted"]["prompts"]

    def test_prompts_for_models_that_bring_none(self, written, home):
        save_encoder(home / "models" / "bare", seed=1, query="", document="")
        given = {"query_prompt": "The capital is ", "passage_prompt": "Land "}
        run("models/bare", "models/one", "models/prompted", **given)
        ((about, results),) = written
        ranks = {model: found[0].per_query.column("worst_rank").to_pylist() for model, found in results.evaluations.items()}
        assert ranks["bare"] == ranks["prompted"] != ranks["one"]
        told = {model: facts["prompts"] for model, facts in about["models"].items()}
        assert told["bare"] == told["prompted"] and told["one"] == "query: 'Query: ', document: 'Passage: '"
        parsed = commands.parser("python -m kit").parse_args(shlex.split(about["command"])[3:])
        assert {"query_prompt": parsed.query_prompt, "passage_prompt": parsed.passage_prompt} == given

    def test_prompts_that_nothing_uses_are_named(self, written, home):
        save_encoder(home / "models" / "other", seed=1, query="Q: ", Clustering="C: ")
        with pytest.warns(UserWarning, match="prompts that retrieval does not use: Clustering"):
            run("models/other")
        assert written[0][0]["models"]["other"]["prompts"] == "query: 'Q: ' (not used: Clustering)"

    def test_texts_that_are_cut_are_told_before_and_in_the_report(self, written, home):
        model = make_encoder(EncoderConfig(name="tiny", dimension=16, vocabulary_size=120, max_tokens=6), TEXTS, 0)
        model.save(str(home / "models" / "short"), create_model_card=False)
        told = run("models/short")
        (facts,) = (about["models"]["short"] for about, _ in written)
        assert "100 % of 16 passages are longer than 6 tokens and cut" in facts["not read"]
        assert [line for line in told if "6 tokens and cut" in line] and facts["longest input"] == "6 tokens"

    def test_a_router_has_a_way_for_each_side(self, written, home):
        one, two = (load_encoder(f"models/{name}") for name in ("one", "two"))
        model = SentenceTransformer(modules=[Router.for_query_document([one[0]], [two[0]])], device="cpu")
        model.save(str(home / "models" / "router"), create_model_card=False)
        run("models/router")
        ((_, results),) = written
        task = made_task()
        embeddings = (
            found.encode(table.column("text").to_pylist(), normalize_embeddings=True)
            for found, table in ((one, task.queries), (two, task.candidates))
        )
        expected = evaluator.evaluate_embeddings(*embeddings, task, "router")
        np.testing.assert_equal(results.evaluations["router"][0].per_query.to_pydict(), expected.per_query.to_pydict())

    def test_what_is_told_of_a_model(self, written):
        run("mine=models/one")
        facts = written[0][0]["models"]["mine"]
        assert list(facts) == [
            *(
                "model",
                "weights",
                "dimensions",
                "parameters",
                "size",
                "longest input",
                "prompts",
                "computed in",
                "judged by",
                "not read",
                "speed",
            )
        ]
        assert (facts["model"], facts["dimensions"], facts["longest input"]) == ("models/one", "16", "no limit")
        assert facts["weights"] == f"sha256 {fingerprints.data_checksum('models/one')}"
        assert facts["judged by"] == "cosine" and facts["speed"].endswith(" texts a second")

    def test_the_command_makes_it_again(self, written):
        run("mine=models/one", "models/two", run="a run")
        words = shlex.split(written[0][0]["command"])
        assert words[:3] == ["python", "-m", "kit"]
        parsed = commands.parser("python -m kit").parse_args(words[3:])
        assert (parsed.models, parsed.tasks, parsed.run) == (["mine=models/one", "two=models/two"], list(TASK), "a run")


class TestCache:
    def _summaries(self, written: Written) -> list[dict]:
        return [results.evaluations["one"][0].summary() for _, results in written]

    def test_the_second_time_nothing_is_encoded(self, written, encoded):
        first, second = run(), run()
        assert encoded == ["capitals"]
        assert any("texts a second, " in line for line in first)
        assert second == ["model 1 of 1: one", "  capitals: evaluated before"]
        before, after = self._summaries(written)
        assert after == before
        assert written[0][0]["models"] == written[1][0]["models"]

    def test_a_second_task_leaves_the_first_as_it_is(self, written, encoded, home):
        made_task("other").write(home / "data" / "other")
        run()
        run(tasks=(*TASK, "jsonl:data/other"))
        assert encoded == ["capitals", "other"]

    def test_other_weights_in_the_folder(self, written, encoded, home):
        run()
        shutil.rmtree(home / "models" / "one")
        shutil.copytree(home / "models" / "two", home / "models" / "one")
        run()
        assert encoded == ["capitals"] * 2
        before, after = self._summaries(written)
        assert after != before

    def test_other_data(self, written, encoded, home):
        run()
        made_task(n_groups=9).write(home / "data" / "capitals")
        run()
        assert encoded == ["capitals"] * 2
        assert [about["n_queries"] for about, _ in written] == [16, 18]

    @pytest.mark.parametrize(("name", "value"), [("code_fingerprint", "other code"), ("versions", {"torch": "0.1"})])
    def test_other_code_or_libraries(self, written, encoded, monkeypatch, name, value):
        run()
        monkeypatch.setattr(audits.fingerprints, name, lambda *modules: value)
        run()
        assert encoded == ["capitals"] * 2

    @pytest.mark.parametrize("ending", [".parquet", ".txt"])
    @pytest.mark.parametrize("damage", [b"\xff cut off", None])
    def test_a_damaged_or_absent_file(self, written, encoded, home, ending, damage):
        run()
        (path,) = (home / "data" / "cache" / "audit").glob(f"*{ending}")
        if damage is None:
            path.unlink()
        else:
            path.write_bytes(damage)
        lines = run()
        assert encoded == ["capitals"] * 2
        assert any("evaluated again" in line for line in lines) is (damage is not None)
        before, after = self._summaries(written)
        assert after == before
        assert run()[-1] == "  capitals: evaluated before"

    def test_a_new_label_is_not_encoded_again(self, written, encoded):
        run()
        run("new=models/one")
        assert encoded == ["capitals"]
        assert written[1][1].evaluations["new"][0].model_name == "new"


def test_the_whole_way_from_the_command_line(home, capsys):
    assert commands.main(["audit", "models/one", "second=models/two", "--task", TASK[0], "--run", "mine"]) == 0
    folder = home / "reports" / "mine-capitals"
    printed = capsys.readouterr().out
    assert "language bias" in printed and f"{folder / 'index.html'}" in printed
    assert Results.read(folder).models == ("one", "second")
    about = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["about"]
    assert (about["kind"], about["n_queries"]) == ("audit", 16)
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert "second" in page and "capitals" in page
    assert report.write_pages(folder) == folder / "index.html"


def test_a_problem_is_one_line_and_a_status(home, capsys):
    assert commands.main(["audit", "models/one", "--task", "jsonl:data/absent"]) == 1
    assert "data/absent does not exist" in capsys.readouterr().err


def test_a_model_from_the_hub_that_lies_in_its_cache(home, encoders, tmp_path):
    """In a process of its own: the hub's client reads its environment when it is imported."""
    revision = "0123456789abcdef0123456789abcdef01234567"
    repository = tmp_path / "hub" / "hub" / "models--nobody--small"
    shutil.copytree(encoders / "one", repository / "snapshots" / revision)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(revision)
    code = (
        "import json\n"
        "from pathlib import Path\n"
        "from kit.run import audits as audit\n"
        "def write_run(about, results):\n"
        "    print(json.dumps([results.models, about['models']]))\n"
        "    return Path('.')\n"
        "audit.report.write_run = write_run\n"
        "audit.audit(['nobody/small'], ['jsonl:data/capitals'], log=lambda line: None)\n"
    )
    environment = {**os.environ, "HF_HOME": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(PROJECT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=home)
    assert done.returncode == 0, done.stderr
    models, facts = json.loads(done.stdout.splitlines()[-1])
    assert models == ["nobody/small"]
    assert facts["nobody/small"]["weights"] == f"revision {revision}"
