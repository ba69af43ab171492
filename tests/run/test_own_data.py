"""Every notebook on a small corpus and task of a user's own: it runs, or its first cell says in one line what it needs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from kit.data.corpus import ParallelCorpus, RetrievalTask
from kit.run import pipeline, profiles

HERE = Path(__file__).resolve().parents[2]

SAID = {
    "de": ("Wo liegt der Ort Nummer {}?", "Der Ort Nummer {} liegt in einem Land am Meer."),
    "en": ("Where is the place number {}?", "The place number {} lies in a country by the sea."),
    "es": ("¿Dónde está el lugar número {}?", "El lugar número {} está en un país junto al mar."),
}


def rows(groups: range, *languages: str) -> list[dict[str, str]]:
    return [
        {
            "group_id": str(group),
            "language": tag,
            "query": SAID[tag][0].format(group),
            "passage": SAID[tag][1].format(group),
        }
        for group in groups
        for tag in languages
    ]


def corpus(name: str, groups: range, *languages: str) -> str:
    ParallelCorpus.from_rows(rows(groups, *languages), name).write(f"data/{name}.jsonl")
    return f"jsonl:data/{name}.jsonl"


def task(name: str, groups: range, *languages: str) -> str:
    RetrievalTask.from_corpus(ParallelCorpus.from_rows(rows(groups, *languages), name), name).write(f"data/{name}")
    return f"jsonl:data/{name}"


def one_question(name: str) -> str:
    """A task of two languages with a question in the second of them alone, among the answers of a dozen."""
    spec, folder = task(name, range(900, 912), "de", "es"), Path("data", name)
    for file in ("queries.jsonl", "relevance.jsonl"):
        lines = (folder / file).read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in lines if json.loads(line)["query_id"] == "905@es"]
        (folder / file).write_text("".join(kept), encoding="utf-8")
    return spec


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A project with a user's data, the parameters for them by name, and one cache; nothing is done in other processes."""
    home = tmp_path_factory.mktemp("home")
    (home / "notebooks").symlink_to(HERE / "notebooks")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KIT_HOME", str(home))
        patch.chdir(home)
        patch.setattr(pipeline, "in_processes", lambda function, jobs, log, *_: [function(job, log) for job in jobs])
        (home / "data").mkdir()
        sentences = [{"id": row["group_id"], "texts": {}} for row in rows(range(700, 740), "de")]
        for sentence in sentences:
            sentence["texts"] = {tag: SAID[tag][1].format(sentence["id"]) for tag in SAID}
        text = "".join(json.dumps(sentence) + "\n" for sentence in sentences)
        (home / "data" / "sentences.jsonl").write_text(text, encoding="utf-8")
        two, three = ("de", "es"), ("de", "en", "es")
        yield {
            "two": corpus("two", range(60), *two),
            "three": corpus("three", range(60), *three),
            "law": corpus("law", range(100, 160), *three),
            "sport": corpus("sport", range(200, 260), *three),
            "text": corpus("text", range(300, 420), *three),
            "one question": one_question("one"),
            "a dozen": task("dozen", range(900, 906), *two),
            "all three": task("all-three", range(900, 906), *three),
            "law test": task("law-test", range(910, 916), *three),
            "sport test": task("sport-test", range(920, 926), *three),
            "English": task("english", range(900, 906), "en"),
            "mined": "sentences:data/sentences.jsonl?source=de&target=es",
        }


@pytest.fixture
def run(run_cells):
    """Executes a notebook by its number, with the parameters that it knows."""
    return lambda number, **parameters: run_cells(profiles.notebook(number), parameters)


SMALL = {"run": "mine", "updates": 4, "batch_size": 8, "dimension": 16, "vocabulary_size": 500, "evaluations": 1}


@pytest.mark.parametrize("number", ["00", "01", "02", "03", "04", "05", "12"])
@pytest.mark.parametrize("test", ["one question", "a dozen"])
def test_the_story(own, run, number, test):
    run(number, **SMALL, train=[own["two"]], test=own[test])


def test_a_study_of_the_ratio(own, run):
    few = {"alphas": [0.0, 0.5, 1.0], "batch_sizes": [4], "seeds": [0]}
    run("06", **SMALL, **few, train=[own["two"]], test=own["a dozen"])


def test_a_study_of_domains(own, run):
    domains, tests = [own["law"], own["sport"]], [own["law test"], own["sport test"]]
    run("07", **SMALL, train=[own["three"]], test=own["all three"], domains=domains, tests=tests)


def test_a_study_of_synthetic_data(own, run):
    run("08", **SMALL, train=[own["three"]], parallel=[own["text"]], tests=[own["all three"], own["English"]])


def test_a_study_of_mining_without_english(own, run):
    run("09", **SMALL, train=[own["two"]], bitexts=[own["mined"]], samplings=["X-X-mono", "X-Y", "Hybrid"])


@pytest.mark.parametrize(
    ("number", "parameters", "message"),
    [
        ("07", {"train": ["two"]}, "jsonl:data/two.jsonl has de, es and not en: study 07 adds English pairs"),
        ("07", {"domains": ["law", "two"]}, "jsonl:data/two.jsonl has de, es and not en: study 07 adds English pairs"),
        ("07", {"tests": ["law test", "a dozen"]}, "jsonl:data/dozen has de, es and not en: study 07"),
        ("07", {"tests": ["law test"]}, "domains are three, law, sport, with 2 tests: give each domain"),
        ("07", {"domains": ["three"]}, "domains are three, three, with 2 tests: give each domain another name"),
        ("07", {"samplings": ["X-Y"]}, "samplings lack X-X-mono, Hybrid: give X-X-mono, X-Y, Hybrid"),
        ("08", {"train": ["two"]}, "jsonl:data/two.jsonl has de, es and not en: study 08 translates from English"),
        ("08", {"parallel": ["two"]}, "parallel has de, es and not en: study 08 translates from English"),
        ("08", {"tests": ["all three"]}, "tests is jsonl:data/all-three: give two"),
        ("08", {"tests": ["English", "all three"]}, "jsonl:data/english has en only: study 08"),
        ("09", {}, "train has de, es and not en: En-En batches need it: leave En-En out"),
        ("09", {"train": ["two", "atlas?languages=en,es"]}, "atlas?languages=en,es has en, es and not de"),
        ("09", {"bitexts": ["atlas?pair=de-es&distractors=0"]}, "no distractors in atlas?pair=de-es&distractors=0: give"),
        ("09", {"bitexts": ["mined", "atlas?pair=en-ru"]}, "no language stands in all of"),
    ],
)
def test_says_what_it_needs_before_anything_is_made(own, run, number, parameters, message, monkeypatch):
    fitting = {
        "07": {"train": ["three"], "domains": ["law", "sport"], "tests": ["law test", "sport test"]},
        "08": {"train": ["three"], "parallel": ["text"], "tests": ["all three", "English"]},
        "09": {"train": ["two"], "bitexts": ["mined"]},
    }
    asked = {name: [own.get(value, value) for value in values] for name, values in (fitting[number] | parameters).items()}
    monkeypatch.setattr("kit.run.pipeline.keep_corpus", None)
    with pytest.raises(ValueError, match="^" + re.escape(message)):
        run(number, **SMALL, **asked, test=own["all three"])
