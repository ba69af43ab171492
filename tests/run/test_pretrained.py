"""Study 10: the model as it is, remedies and heads on the same questions, and what is claimed of them."""

from __future__ import annotations

import numpy as np
import pytest
from test_pipeline import _corpus

from kit.data.corpus import RetrievalTask
from kit.evaluate.debias.remedies import LanguageCentring, ScoreCalibration, balanced
from kit.evaluate.encoding import encode_task
from kit.evaluate.evaluator import evaluate, evaluate_embeddings
from kit.run import pipeline
from kit.run.evaluating import load_test
from kit.run.mending import NONE
from kit.run.settings import Settings
from kit.run.studies.pretrained import ACROSS, BOTH, WITHIN, base_model, judge_pretrained, run_pretrained
from kit.train.encoders.loading import load_encoder

REMEDIED = ("centring", "removal (LIR)", "calibration", "balanced (RRF)")
ALL, SPANISH = "jsonl:data/test", "jsonl:data/spanish"
SETTINGS = Settings().changed(
    train=("jsonl:data/train.jsonl",),
    tests=(ALL, SPANISH),
    dimension=16,
    vocabulary_size=300,
    samplings=("X-X-mono", "X-Y", "Hybrid"),
    seeds=(0, 1),
    updates=4,
    batch_size=8,
    learning_rate=1e-3,
    evaluations=1,
)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    (home / "notebooks").mkdir()
    _corpus(range(60), "train").select(languages=["de", "en"]).write(home / "data" / "train.jsonl")
    for name, languages in (("test", ["de", "en"]), ("spanish", ["es"])):
        judged = _corpus(range(60, 80), "test").select(languages=languages)
        RetrievalTask.from_corpus(judged, "test").write(home / "data" / name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KIT_HOME", str(home))
        patch.setattr(pipeline, "in_processes", lambda function, jobs, log, *_: [function(job, log) for job in jobs])
        yield home


@pytest.fixture(scope="module")
def model(home):
    return base_model(SETTINGS, lambda line: None)


@pytest.fixture(scope="module")
def results(model):
    return run_pretrained(model, lambda line: None)


def test_a_model_that_is_named_is_taken_and_another_is_made_of_monolingual_batches(home, model):
    assert (home / model.encoder.name / "modules.json").is_file()
    assert base_model(model) is model
    stand_in = SETTINGS.changed(samplings=("X-X-mono",), updates=200, learning_rate=0.4)
    assert home / model.encoder.name == pipeline.model_folder(stand_in, "X-X-mono", 0) / "model"


def test_every_way_is_judged_on_every_test_and_remedies_where_they_know_the_languages(results):
    assert results[ALL].models == (NONE, *REMEDIED, "X-X-mono", "X-Y", "Hybrid", BOTH)
    assert results[SPANISH].models == (NONE, "X-X-mono", "X-Y", "Hybrid")
    assert set(results[ALL].n_seeds.values()) == {2}


def test_what_was_not_trained_is_the_model_and_the_remedy_fitted_on_the_training_texts(home, model, results):
    encoder, task = load_encoder(str(home / model.encoder.name)), load_test(ALL)
    (corpus,) = pipeline.load_data(model.changed(test=ALL)).corpora  # without the validation questions
    learned = RetrievalTask.from_corpus(corpus, "train")
    sides = [
        [np.array(one.languages)[codes] for codes in (one.query_language, one.candidate_language)] for one in (learned, task)
    ]
    centring, calibration = (
        kind.fit(*encode_task(encoder, learned), *sides[0]) for kind in (LanguageCentring, ScoreCalibration)
    )
    as_it_is = encode_task(encoder, task)
    asked, told = sides[1]
    calibrate = lambda scores, rows, columns: calibration.calibrated(scores, asked[rows], told[columns])
    balance = lambda scores, rows, columns: balanced(scores, asked[rows], told[columns])
    for arm, expected in (
        ("centring", evaluate_embeddings(*centring.apply(*as_it_is, *sides[1]), task, "centring")),
        ("calibration", evaluate_embeddings(*as_it_is, task, "calibration", rescore=calibrate)),
        ("balanced (RRF)", evaluate_embeddings(*as_it_is, task, "balanced", rescore=balance)),
        (NONE, evaluate(encoder, task)),
    ):
        found = results[ALL].evaluations[arm][1].summary()["multilingual"]
        assert found == pytest.approx(expected.summary()["multilingual"], nan_ok=True), arm


def test_a_test_in_other_languages_is_called_so_and_asks_what_it_can(model, results):
    found = judge_pretrained(results, model)
    here = [one for one in found if one.on == "test (de, en)"]
    assert len(here) == 1 + len(WITHIN) + len(ACROSS) - 2  # two are of En-En
    untested = [one for one in found if not one.is_tested]
    assert [one.on for one in untested] == ["no En-En and no X-X in this run", "no En-En in this run"]
    spanish = [one for one in found if one.on == "test (es)"]
    assert len(spanish) == 2 and all(one.claim.endswith(", in languages never trained on") for one in spanish)
    assert not any("never trained on" in one.claim for one in here)


def test_the_model_as_it_is_gets_the_prompts_that_its_heads_get(home, model):
    settings = model.changed(encoder=f"head:{model.encoder.name}", query_prompt="ask: ", passage_prompt="tell: ")
    assert pipeline.below_head(settings).prompts == {"query": "ask: ", "document": "tell: "}
    plain = load_encoder(str(home / model.encoder.name))
    asked = pipeline.below_head(settings).encode_query(["Berlin"])
    np.testing.assert_allclose(asked, plain.encode(["ask: Berlin"], prompt=""), atol=1e-6)
