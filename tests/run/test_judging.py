"""Judging from the command line: the table, run files that others read, what goes on after an interruption."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from test_judged import miracl_folder  # tests/data

from kit.compare.published import scores
from kit.core.paths import root
from kit.data.judged.qrels import by_query, read_qrels
from kit.evaluate.shards.trec import read_run, run_scores
from kit.run.cli import commands
from kit.run.judging import judge as judging
from kit.run.studies import reproduction
from kit.train.config import EncoderConfig
from kit.train.encoders.making import make_encoder

TEXTS = ["Nairobi ni mji mkuu wa Kenya", "Una watu milioni nne", "Dodoma ni mji mkuu", "Nani Haijaamuliwa Uganda"]

PAPER = root() / "data" / "paper.json"

LANGUAGES = ("sw", "yo", "mean")


def two_questions(home: Path, code: str) -> None:
    """Judge two questions of a language, one of them with a passage that is not there."""
    qrels = "10#0\tQ0\t1#0\t1\n3\tQ0\t1#1\t0\n3\tQ0\t10#0\t1\n3\tQ0\tgone\t1\n"
    path = home / f"data/miracl/miracl-v1.0-{code}/qrels/qrels.miracl-v1.0-{code}-dev.tsv"
    path.write_text(qrels, encoding="utf-8")


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    (tmp_path / "notebooks").mkdir()
    for code in ("sw", "yo"):
        miracl_folder(tmp_path / "data" / "miracl", code)
    two_questions(tmp_path, "yo")
    for seed in (0, 1):
        model = make_encoder(EncoderConfig(dimension=16, vocabulary_size=80), TEXTS, seed)
        model.save_pretrained(str(tmp_path / f"model {seed}"), create_model_card=False)
    monkeypatch.setenv("KIT_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_table_the_files_and_the_second_time(home, capsys, monkeypatch):
    typed = ["judge", "model 0", "other=model 1", "--task", "miracl:data/miracl", "--run", "mine"]
    assert not commands.main(typed)
    told, folder = capsys.readouterr().out, home / "reports" / "mine"
    lines = told.splitlines()
    head = next(number for number, line in enumerate(lines) if "questions  passages  nDCG@10" in line)
    shown = [line.split()[:3] for line in lines[head + 1 : head + 7]]
    assert shown == [["model", "0", tag] for tag in LANGUAGES] + [["other", tag, n] for tag, n in zip(LANGUAGES, "123")]
    assert "miracl-sw-dev: 1 of 2 judged questions have no relevant passage: left out" in told
    content = json.loads((folder / "judged.json").read_text(encoding="utf-8"))
    assert [(one["name"], one["n_queries"], one["n_passages"]) for one in content["about"]["collections"]] == [
        ("miracl-sw-dev", 1, 3),
        ("miracl-yo-dev", 2, 3),
    ]
    assert sorted(path.name for path in (folder / "runs").iterdir()) == [
        f"{model}.miracl-{tag}-dev.trec" for model in ("model-0", "other") for tag in ("sw", "yo")
    ]
    for row in content["scores"]:
        if row["language"] != "mean":
            slug = row["model"].replace(" ", "-")
            run = read_run(folder / "runs" / f"{slug}.{row['collection']}.trec")
            grades = by_query(read_qrels(folder / "qrels" / f"{row['collection']}.qrels"))
            for name, values in run_scores(run, grades).items():
                assert row[name]["estimate"] == pytest.approx(values.mean())
        else:
            own = [one for one in content["scores"] if one["model"] == row["model"] and one["language"] != "mean"]
            assert row["R@100"]["estimate"] == pytest.approx(np.mean([one["R@100"]["estimate"] for one in own]))
    assert "not read of miracl-sw-dev" not in content["about"]["models"]["other"]
    assert content["scores"][1]["R@100"]["estimate"] == 0.75  # of two passages that answer question 3 one is not there

    shutil.rmtree(home / "data" / "cache" / "passages")  # lists are kept, too: nothing is encoded
    monkeypatch.setattr(judging, "judge_collection", None)
    before = (folder / "table.md").read_text(encoding="utf-8")
    assert not commands.main(typed)
    assert capsys.readouterr().out.count("searched before") == 4
    assert (folder / "table.md").read_text(encoding="utf-8") == before and before.count("\n| ") == 6


def test_scores_of_models_that_the_kit_trained_are_left_for_the_papers_tables(home, capsys):
    """Two seeds, one beside its facts and one exported, are one score; a model of others has none."""
    facts = {"sampling": "Hybrid", "seed": 0, "encoder": {"name": "FacebookAI/xlm-roberta-base"}}
    shutil.copy(PAPER, home / "data")
    (home / "model 0").rename(home / "model")
    (home / "settings.json").write_text(json.dumps(facts), encoding="utf-8")
    exported = shutil.copytree(home / "model 1", home / "out" / "exported")
    (exported / "training.json").write_text(json.dumps(facts | {"seed": 1}), encoding="utf-8")
    foreign = shutil.copytree(home / "model 1", home / "out" / "foreign")
    assert not commands.main(["judge", "model", str(exported), str(foreign), "--task", "miracl:data/miracl"])
    read = json.loads((home / "reports" / "judge" / "judged.json").read_text(encoding="utf-8"))["scores"]
    left = scores.kept(home / "reports")["judge"]
    assert {(one.encoder, one.data, one.sampling, one.setting) for one in left} == {
        ("XLM-R", "MIRACL", "Hybrid", "monolingual")
    }
    by_place = {(one.measure, one.language): one.value for one in left}
    of_yo = [row["nDCG@10"]["estimate"] for row in read if row["language"] == "yo"][:2]
    assert by_place["ndcg_at_10", "yo"] == pytest.approx(np.mean(of_yo), abs=1e-6)
    assert {*by_place} == {(measure, tag) for measure in ("ndcg_at_10", "recall_at_100") for tag in LANGUAGES}
    tables = reproduction.all_tables({"judge": left})
    told = tables[9].told[0]
    assert told.startswith("XLM-R on MIRACL: run judge, 1 of 15 languages: scores within these only; no mean without ar, ")
    assert told.endswith(", zh; without languages that the paper has not: yo")
    assert tables[10].told == [f"missing: LaBSE on MIRACL (`{reproduction.judge_command()}`)"]


def test_of_all_of_miracl_the_languages_of_the_papers_tables_make_its_mean(home):
    """The same as of a run in these alone, and as ``judge`` prints for it."""
    shutil.copy(PAPER, home / "data")
    facts = {"sampling": "Hybrid", "seed": 0, "encoder": {"name": "FacebookAI/xlm-roberta-base"}}
    (home / "model 0" / "training.json").write_text(json.dumps(facts), encoding="utf-8")
    fifteen = reproduction.paper().languages("MIRACL")
    for code in sorted({*fifteen, "de", "en"} - {"sw"}):
        miracl_folder(home / "data" / "miracl", code)
        two_questions(home, code)
    for run, asked in {"all": "", "fifteen": f"?languages={','.join(fifteen)}"}.items():
        assert not commands.main(["judge", "model 0", "--task", f"miracl:data/miracl{asked}", "--run", run])
    left = scores.kept(home / "reports")
    mean, same = (next(one for one in left[run] if one.language == "mean") for run in ("all", "fifteen"))
    printed = json.loads((home / "reports" / "fifteen" / "judged.json").read_text(encoding="utf-8"))["scores"][-1]["nDCG@10"]
    assert mean == same and mean.low < mean.high
    assert (mean.value, mean.low) == pytest.approx((printed["estimate"], printed["low"]), abs=1e-6)
    (told,) = reproduction.all_tables({"all": left["all"]})[9].told
    assert told == "XLM-R on MIRACL: run all, without languages that the paper has not: de, en, yo"


def test_a_damaged_list_is_searched_again(home, capsys):
    typed = ["judge", "model 0", "--task", "miracl:data/miracl?languages=sw"]
    assert not commands.main(typed)
    (kept,) = (home / "data" / "cache" / "judged").glob("*.parquet")
    kept.write_bytes(kept.read_bytes()[:-4])
    capsys.readouterr()
    assert not commands.main([*typed, "--float16"])  # another precision is another list
    assert "searched again" not in capsys.readouterr().out
    assert not commands.main(typed)
    told = capsys.readouterr().out
    assert "searched again: " in told and "encoded" not in told and "mean" not in told


def test_what_a_model_cannot_read_is_told(home, capsys, monkeypatch):
    """Each time, though nothing is encoded then."""
    monkeypatch.setattr(judging, "load_audited", lambda *options: short)
    short = make_encoder(EncoderConfig(name="tiny", dimension=256, vocabulary_size=80, max_tokens=8), TEXTS, 0)
    for _ in range(2):
        assert not commands.main(["judge", "model 0", "--task", "miracl:data/miracl?languages=sw"])
        told = capsys.readouterr().out
        assert "miracl-sw-dev: 100 % of 1 queries are longer than 8 tokens and cut" in told
        assert "; at the head of the corpus, 100 % of 3 passages are longer than 8 tokens" in told
    content = json.loads((home / "reports" / "judge" / "judged.json").read_text(encoding="utf-8"))
    assert "longer than 8 tokens" in content["about"]["models"]["model 0"]["not read of miracl-sw-dev"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["model 0", "--task", "miracl:data/miracl", "--task", "miracl:data/miracl"],
            "two collections are called 'miracl-sw",
        ),
        (["a b=model 0", "a-b=model 1", "--task", "miracl:data/miracl"], "two models are called 'a-b'"),
        (["no model", "--task", "miracl:data/miracl"], "no model"),
        (["model 0", "--task", "lareqa:data/miracl"], "lareqa is no judged collection: choose from beir, hub, miracl"),
        (["model 0", "--task", "miracl:data/miracl", "--run", "../x"], "run is '../x'"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_encoded(home, capsys, words, message):
    assert commands.main(["judge", *words])
    assert message in capsys.readouterr().err
    assert not (home / "data" / "cache").exists() and not (home / "reports").exists()
