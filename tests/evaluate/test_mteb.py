"""mteb runs the kit's models and tasks as they are, and its scores are the kit's."""

from __future__ import annotations

import random
import socket
from operator import itemgetter

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer

from kit.data.bitext import BitextTask
from kit.data.corpus import RetrievalTask
from kit.data.registry import load_bitext, load_corpus, load_task
from kit.evaluate.evaluation import POOL
from kit.evaluate.evaluator import evaluate
from kit.evaluate.mining.neighbours import encode_bitext
from kit.evaluate.mining.scores import tatoeba
from kit.evaluate.mteb import mteb_bitext, mteb_retrieval
from kit.run.evaluating import load_trained
from kit.train.config import EncoderConfig
from kit.train.encoders.making import PROMPTS, make_encoder
from kit.train.samplers import Sampling
from kit.train.trainer import TrainingConfig, fine_tune

# mteb 2.26 calls its own default deprecated, a method by its former name, and torch.tensor with a tensor.
pytestmark = [
    pytest.mark.filterwarnings("ignore:The fill_missing parameter is deprecated:DeprecationWarning:mteb"),
    pytest.mark.filterwarnings("ignore:The `get_sentence_embedding_dimension` method:FutureWarning:mteb"),
    pytest.mark.filterwarnings("ignore:To copy construct from a tensor:UserWarning:mteb"),
]
MEASURES = (  # as mteb calls them for a query and for a subset, and as the kit does
    ("ndcg_cut_10", "ndcg_at_10", "ndcg_at_10"),
    ("map_cut_1000", "map_at_1000", "average_precision"),
    ("recall_1", "recall_at_1", "recall_at_1"),
    ("recall_10", "recall_at_10", "recall_at_10"),
)
SETTINGS = ("monolingual", "cross-lingual", "multilingual")
TOLERANCE = 1e-6


@pytest.fixture(scope="module")
def mteb(tmp_path_factory):
    """mteb, whose import makes a folder for its cache; generators are as before, since the import seeds them."""
    folder, states = tmp_path_factory.mktemp("cache"), (random.getstate(), np.random.get_state(), torch.get_rng_state())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MTEB_CACHE", str(folder))
        yield pytest.importorskip("mteb", reason="mteb is not installed: pip install -e '.[mteb]'")
    assert list(folder.iterdir()) == []
    for restore, state in zip((random.setstate, np.random.set_state, torch.set_rng_state), states):
        restore(state)


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    """A connection fails the test, whoever asks for it and whatever catches errors on the way."""
    monkeypatch.setattr(socket.socket, "connect", lambda *arguments: pytest.fail(f"connects to {arguments[1:]}"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A static encoder, trained a little on Atlas and saved."""
    corpus = load_corpus("atlas", languages=["de", "en"])
    corpus = corpus.select(group_ids=corpus.group_ids[:400])
    texts = [text for part in ("query", "passage") for text in corpus.table.column(part).to_pylist()]
    model = make_encoder(EncoderConfig(dimension=64, vocabulary_size=2000), texts, seed=0)
    config = TrainingConfig(updates=40, batch_size=32, evaluations=1, learning_rate=0.1)
    home = tmp_path_factory.mktemp("trained")
    fine_tune(model, [corpus], Sampling.parse("Hybrid"), config, home, log=lambda line: None)
    return home / "model"


@pytest.fixture
def model(folder) -> SentenceTransformer:
    """The trained model as anybody loads it.

    mteb needs no more than this. It wraps the object in its SentenceTransformerEncoderWrapper, makes the metadata from the
    object, and looks for a prompt under the name of the task, its type and, with queries and documents, these two words,
    which are the kit's keys. It passes the prompt to ``encode_query`` and ``encode_document``, the methods that the kit
    calls. Sentences of bitext mining are neither, so that they get a prompt called ``BitextMining`` or none.
    """
    return SentenceTransformer(str(folder), device="cpu")


@pytest.fixture(scope="module")
def atlas() -> RetrievalTask:
    """German and English questions; not above 1,000 candidates, so that mteb, which cuts there, keeps the whole list."""
    return load_task("atlas", languages=["de", "en"]).sample(100, 600)


@pytest.fixture(scope="module")
def passages() -> dict[str, dict[str, str]]:
    """Parallel passages of Atlas: group, language, text."""
    passages: dict[str, dict[str, str]] = {}
    for row in load_corpus("atlas", split="test", languages=["de", "en"]).table.to_pylist():
        passages.setdefault(row["group_id"], {})[row["language"]] = row["passage"]
    return passages


def run(mteb, model, task):
    return mteb.evaluate(model, task, cache=None, co2_tracker=False, show_progress_bar=False)[0]


def assert_same_retrieval(mteb, model, task: RetrievalTask, setting: str) -> dict[str, float]:
    """mteb's scores are the kit's: of each query, as macro means, and as mteb reports them; returns the kit's."""
    assert len(task.candidates) <= 1000
    theirs, of_subset = mteb_retrieval(task, setting), {}
    # mteb hands the scores of each query to this method of a task, before it rounds their mean.
    theirs.task_specific_scores = lambda scores, *_, hf_subset, **__: of_subset.update({hf_subset: scores}) or {}
    result = run(mteb, model, theirs)
    ours = evaluate(model, task)
    n_rows = 0
    for row in ours.per_query.to_pylist():
        asking, asked = row["query_language"], row["candidate_language"]
        if setting != ("multilingual" if asked == POOL else "monolingual" if asked == asking else "cross-lingual"):
            continue
        scores = of_subset[f"{asking}-{asked}" if setting == "cross-lingual" else asking][row["query_id"]]
        for name, _, measure in MEASURES:
            assert scores[name] == pytest.approx(row[measure], abs=TOLERANCE), (row["query_id"], name)
        n_rows += 1
    assert n_rows == sum(map(len, of_subset.values()))
    summary = ours.summary()[setting]
    for name, mean_name, measure in MEASURES:
        mean = np.mean([np.mean([scores[name] for scores in subset.values()]) for subset in of_subset.values()])
        assert mean == pytest.approx(summary[measure], abs=TOLERANCE)
        reported = result.get_score(getter=itemgetter(mean_name))
        assert reported == pytest.approx(summary[measure], abs=5e-6 + TOLERANCE)  # of rounded means
    reported = result.get_score(getter=itemgetter("mrr_at_1000"))  # the one that mteb does not round
    assert reported == pytest.approx(summary["reciprocal_rank"], abs=TOLERANCE)
    return summary


def assert_same_bitext(mteb, model, task: BitextTask) -> dict[str, float]:
    """mteb's scores are the kit's, from source to target; returns the kit's."""
    (scores,) = run(mteb, model, mteb_bitext(task)).scores["test"]
    summary = tatoeba(task, *encode_bitext(model, task)).summary()
    for name in ("f1", "accuracy"):
        assert scores[name] == pytest.approx(summary[f"{name}_forward"], abs=TOLERANCE)
    assert scores["main_score"] == scores["f1"]
    return summary


class TestRetrieval:
    @pytest.mark.parametrize("setting", SETTINGS)
    def test_scores_are_equal(self, mteb, model, atlas, setting):
        assert 0.1 < assert_same_retrieval(mteb, model, atlas, setting)["ndcg_at_10"] < 0.9

    def test_scores_of_a_head_are_equal_as_it_is_read_here_and_by_any_library(self, mteb, atlas, tmp_path, monkeypatch):
        """A head over a transformer: the kit looks its encoder's embeddings up, mteb computes all of the plain model."""
        monkeypatch.setenv("KIT_PRECISION", "float32")
        (tmp_path / "notebooks").mkdir()
        monkeypatch.setenv("KIT_HOME", str(tmp_path))
        task, corpus = atlas.sample(20, 100), load_corpus("atlas", languages=["de", "en"])
        corpus = corpus.select(group_ids=corpus.group_ids[:60])
        shape = EncoderConfig(name="tiny", dimension=64, vocabulary_size=2000, max_tokens=96)
        make_encoder(shape, corpus.table.column("passage").to_pylist(), seed=0).save_pretrained(str(tmp_path / "base"))
        model = make_encoder(EncoderConfig(name=f"head:{tmp_path / 'base'}"), (), seed=0)
        config = TrainingConfig(updates=8, batch_size=16, evaluations=1, learning_rate=3e-2)
        fine_tune(model, [corpus], Sampling.parse("Hybrid"), config, tmp_path / "run", log=lambda line: None)
        plain = SentenceTransformer(str(tmp_path / "run" / "model"), device="cpu")
        scores = assert_same_retrieval(mteb, plain, task, "multilingual")
        ours = evaluate(load_trained(tmp_path / "run"), task).summary()["multilingual"]
        # Texts stand in other batches, so that the last bit of an embedding may differ, and two near scores change places.
        assert ours.pop("list_agreement") == pytest.approx(scores.pop("list_agreement"), abs=1e-4)
        assert ours == pytest.approx(scores, abs=TOLERANCE, nan_ok=True)
        untrained = evaluate(SentenceTransformer(str(tmp_path / "base")), task).summary()["multilingual"]
        assert abs(untrained["average_precision"] - scores["average_precision"]) > 1e-3

    def test_scores_are_equal_on_scifact(self, mteb, model, shared_data):
        task = load_task(f"beir:{shared_data / 'scifact'}")
        sample = task.sample(len(task.queries), 1000)  # all 300 queries; to encode all 5,183 documents twice takes too long
        assert len(sample.queries) == 300
        assert 0.1 < assert_same_retrieval(mteb, model, sample, "monolingual")["ndcg_at_10"] < 0.9

    @pytest.mark.parametrize("setting", SETTINGS)
    def test_scores_are_equal_where_queries_are_candidates(self, mteb, model, atlas, setting):
        """Some with their text, some with their id alone."""
        task = atlas.sample(40, 300)
        rows = task.queries.select(["query_id", "language", "text"]).to_pylist()
        added = [
            {"candidate_id": row["query_id"], "language": row["language"], "text": row["text"] if number % 3 else "Berlin"}
            for number, row in enumerate(rows[::2])
        ]
        other_ids = [row | {"candidate_id": f"{row['candidate_id']} (it)"} for row in task.candidates.to_pylist()]
        relevance = [row | {"candidate_id": f"{row['candidate_id']} (it)"} for row in task.relevance.to_pylist()]
        asked = RetrievalTask.from_rows("made", task.queries.to_pylist(), other_ids + added, relevance)
        assert 0 < (asked.own_candidate >= 0).sum() < len(added)
        scores = assert_same_retrieval(mteb, model, asked, setting)
        if setting != "cross-lingual":  # where no query is a candidate
            theirs = mteb_retrieval(asked, setting)
            theirs.ignore_identical_ids = False
            assert run(mteb, model, theirs).get_score() < scores["ndcg_at_10"] - 0.01

    def test_other_prompts_give_other_scores_in_both(self, mteb, model, atlas):
        assert model.prompts == PROMPTS
        task, found = atlas.sample(40, 300), []
        for prompts in (PROMPTS, {"query": "", "document": ""}, {"query": "Berlin ", "document": "Berlin "}):
            model.prompts = prompts
            found.append(assert_same_retrieval(mteb, model, task, "monolingual")["average_precision"])
        assert len(set(found)) == 3

    def test_a_cell_holds_the_queries_that_have_an_answer_in_it(self, mteb):
        rows = [("g1", "de"), ("g1", "en"), ("g2", "de"), ("g3", "en")]
        task = RetrievalTask.from_rows(
            "made",
            [{"query_id": f"{group}?{tag}", "language": tag, "text": f"{group} {tag}?"} for group, tag in rows],
            [{"candidate_id": f"{group}!{tag}", "language": tag, "text": f"{group} {tag}"} for group, tag in rows],
            [
                {"query_id": f"{group}?{tag}", "candidate_id": f"{group}!{other}", "grade": 1 + (tag != other)}
                for group, tag in rows
                for same, other in rows
                if same == group
            ],
        )
        made = mteb_retrieval(task, "cross-lingual")
        assert made.metadata.name == "made-cross-lingual" and sorted(made.hf_subsets) == ["de-en", "en-de"]
        split = made.dataset["de-en"]["test"]
        assert split["relevant_docs"] == {"g1?de": {"g1!en": 2}}
        assert split["queries"].to_list() == [{"id": "g1?de", "text": "g1 de?"}]
        assert split["corpus"].to_list() == [{"id": "g1!en", "text": "g1 en"}, {"id": "g3!en", "text": "g3 en"}]

    def test_languages_are_codes_of_mteb(self, mteb):
        tags = {
            "de": "deu-Latn",
            "zh": "zho-Hans",
            "zh-TW": "zho-Hant",
            "pt-BR": "por-Latn",
            "sr-Latn": "srp-Latn",
            "el": "ell-Grek",
            "yue": "yue-Hant",
            "xx": "xx",
        }
        rows = [{"query_id": tag, "candidate_id": tag, "language": tag, "text": tag} for tag in tags]
        pick = lambda *keys: [{key: row[key] for key in keys} for row in rows]
        task = RetrievalTask.from_rows(
            "made",
            pick("query_id", "language", "text"),
            pick("candidate_id", "language", "text"),
            pick("query_id", "candidate_id"),
        )
        assert mteb_retrieval(task).metadata.eval_langs == {tag: [code] for tag, code in tags.items()}
        assert mteb_retrieval(task).filter_languages(["zho"]).hf_subsets == ["zh", "zh-TW"]

    def test_what_cannot_be_made_is_refused(self, mteb, atlas):
        with pytest.raises(ValueError, match="setting 'bilingual' is not known: choose from monolingual, cross-lingual"):
            mteb_retrieval(atlas, "bilingual")
        single = RetrievalTask.from_rows(
            "single",
            [{"query_id": "q", "language": "de", "text": "a"}],
            [{"candidate_id": "c", "language": "de", "text": "b"}],
            [{"query_id": "q", "candidate_id": "c"}],
        )
        with pytest.raises(ValueError, match="single: no query has a relevant candidate in setting 'cross-lingual'"):
            mteb_retrieval(single, "cross-lingual")


class TestBitext:
    @staticmethod
    def made(passages: dict[str, dict[str, str]], gold: list[tuple[str, str]]) -> BitextTask:
        sides = [[{"sentence_id": key, "text": texts[tag]} for key, texts in passages.items()] for tag in ("de", "en")]
        return BitextTask.from_rows("passages", "de", "en", *sides, [{"source_id": a, "target_id": b} for a, b in gold])

    @pytest.mark.parametrize("every", [1, 2], ids=["all have gold", "half are distractors"])
    def test_scores_are_equal(self, mteb, model, passages, every):
        task = self.made(passages, [(key, key) for key in [*passages][::every]])
        assert 0.1 < assert_same_bitext(mteb, model, task)["f1_forward"] < 0.9

    def test_a_prompt_for_the_type_of_task_reaches_both(self, mteb, model, passages):
        task = self.made(passages, [(key, key) for key in passages])
        found = []
        for prompts in (PROMPTS, PROMPTS | {"BitextMining": "Berlin "}):
            model.prompts = prompts
            found.append(assert_same_bitext(mteb, model, task)["f1_forward"])
        assert found[0] != found[1]

    def test_scores_are_equal_on_tatoeba(self, mteb, model, shared_data):
        task = load_bitext(f"tatoeba:{shared_data / 'tatoeba'}?pair=deu-eng")
        assert 0.01 < assert_same_bitext(mteb, model, task)["f1_forward"] < 0.9
        assert mteb_bitext(task).metadata.eval_langs == {"de-en": ["deu-Latn", "eng-Latn"]}

    def test_several_partners_are_refused(self, mteb, passages):
        one, other, *_ = passages
        with pytest.raises(ValueError, match="passages: a source sentence has several partners: keep one, or use mine"):
            mteb_bitext(self.made(passages, [(one, one), (one, other)]))
