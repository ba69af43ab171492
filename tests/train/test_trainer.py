"""Fine-tuning: what is learned, saved, resumed, stopped early; what reaches the loss."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Router
from sentence_transformers.sentence_transformer.modules import Dense

from kit.data.corpus import ParallelCorpus
from kit.train.config import EncoderConfig, TrainingConfig
from kit.train.encoders.making import make_encoder
from kit.train.history import History
from kit.train.losses import InfoNCE
from kit.train.pairs import pair_dataset
from kit.train.samplers import PairBatchSampler, Sampling
from kit.train.trainer import fine_tune

LANGUAGES = ("de", "en", "fr")
N_GROUPS = 10
CONFIG = TrainingConfig(updates=12, batch_size=4, evaluations=4, learning_rate=1e-3)
HYBRID, SEED = Sampling.parse("Hybrid"), 3


def made_rows(languages=LANGUAGES, n_groups=N_GROUPS, **more):
    """Each text is one letter of its own, Chinese or Korean, so that nothing is known before it is learned."""
    keys = [(group, language) for group in range(n_groups) for language in languages]
    return [
        {"group_id": f"g{group}", "language": language, "query": chr(0x4E00 + n), "passage": chr(0xAC00 + n), **more}
        for n, (group, language) in enumerate(keys)
    ]


def made_corpus(name="made", **options):
    return ParallelCorpus.from_rows(made_rows(**options), name)


CORPUS = made_corpus()


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """More threads only wait for each other on matrices of this size."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


def encoder(name="static", seed=0):
    texts = [row[part] for row in made_rows() for part in ("query", "passage") for _ in range(2)]
    return make_encoder(EncoderConfig(name=name, dimension=32, vocabulary_size=300, max_tokens=16), texts, seed)


def weights(model):
    return {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}


def assert_same_weights(one, other):
    assert one.keys() == other.keys()
    for name in one:
        torch.testing.assert_close(one[name], other[name], rtol=0, atol=1e-6, msg=f"{name} differs")


def accuracy(model):
    """Share of queries whose own passage is the nearest of their language."""
    right = []
    for language in LANGUAGES:
        rows = [row for row in CORPUS.table.to_pylist() if row["language"] == language]
        queries = model.encode_query([row["query"] for row in rows])
        passages = model.encode_document([row["passage"] for row in rows])
        right.extend((queries @ passages.T).argmax(axis=1) == np.arange(len(rows)))
    return {"score": float(np.mean(right)), "n": len(right)}


def train(folder, model=None, config=CONFIG, corpora=(CORPUS,), sampling=HYBRID, validation=None, log=lambda line: None):
    model = model or encoder()
    return model, fine_tune(model, list(corpora), sampling, config, folder, SEED, validation, log)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run long enough to learn the corpus: folder, model, history, lines of progress."""
    folder, lines = tmp_path_factory.mktemp("trained"), []
    config = CONFIG.changed(updates=150, batch_size=8, evaluations=3, learning_rate=3e-2)
    model, history = train(folder, config=config, validation=accuracy, log=lines.append)
    return folder, model, history, lines


class TestSides:
    def test_prompts_are_applied_whatever_a_model_calls_them(self, tmp_path):
        trained = []
        for name in ("document", "passage"):
            model = encoder()
            model.prompts = {"query": "一", "document": "", name: "가"}
            trained.append(weights(train(tmp_path / name, model)[0]))
        plain = encoder()
        plain.prompts = {"query": "一", "document": ""}
        assert_same_weights(*trained)
        assert any(
            not torch.equal(value, trained[0][name]) for name, value in weights(train(tmp_path / "no", plain)[0]).items()
        )

    def test_each_side_of_a_router_learns(self, tmp_path):
        router = Router.for_query_document([encoder(seed=0)[0]], [encoder(seed=1)[0]])
        model = SentenceTransformer(modules=[router], device="cpu")
        before = weights(model)
        train(tmp_path, model)
        changed = {name.split(".")[2] for name, value in weights(model).items() if not torch.equal(value, before[name])}
        assert changed == {"query", "document"}


class TestRun:
    def test_it_learns_and_keeps_its_history(self, trained):
        folder, _, history, _ = trained
        assert [update for update, _ in history.loss] == [update for update, _ in history.scores] == [50, 100, 150]
        assert history.loss[-1][1] < 0.5 * history.loss[0][1]
        assert accuracy(encoder())["score"] < 0.3 < 0.9 < history.scores[-1][1]["score"]
        assert history.scores[-1][1]["n"] == 30
        assert History.read(folder / "history.json") == history

    def test_the_saved_model_is_the_trained_model_for_any_tool(self, trained):
        folder, model, _, _ = trained
        loaded = SentenceTransformer(str(folder / "model"), device="cpu")
        assert loaded.prompts == {"query": "Query: ", "document": "Passage: "}
        assert_same_weights(weights(loaded), weights(model))
        np.testing.assert_allclose(loaded.encode_query(["一"]), model.encode_query(["一"]), atol=1e-6)

    def test_the_model_card_says_how_it_was_trained(self, trained):
        card = (trained[0] / "model" / "README.md").read_text(encoding="utf-8")
        assert "Retriever fine-tuned with Hybrid batches" in card
        assert "hybrid-batch-training" in card and "InfoNCE" in card

    def test_nothing_but_model_history_and_cost_is_left(self, trained):
        assert {path.name for path in trained[0].iterdir()} - {"eval"} == {
            "model",
            "cost.json",
            "history.json",
            "history.json.checksum",
        }

    def test_a_line_of_progress_at_each_evaluation_and_one_for_the_cost(self, trained):
        *lines, cost = trained[3]
        assert "s an update" in cost
        heads = [line.split("loss")[0].split() for line in lines]
        assert heads == [["Hybrid", "update", f"{n}/150"] for n in (50, 100, 150)]
        assert all("score" in line for line in lines)

    @pytest.mark.parametrize("name", ["static", "tiny"])
    def test_only_log_gets_lines(self, tmp_path, capfd, name):
        lines, config = [], CONFIG.changed(updates=4, evaluations=4, patience=4)
        train(tmp_path, encoder(name), config, validation=lambda model: {"score": 0.5}, log=lines.append)
        assert len(lines) == 4 + 1
        assert capfd.readouterr() == ("", "")

    def test_evaluations_that_do_not_divide_the_updates_end_with_the_last(self, tmp_path):
        lines, config = [], CONFIG.changed(updates=7, evaluations=3)
        _, history = train(tmp_path / "with", config=config, validation=lambda model: {"score": 0.5}, log=lines.append)
        assert [update for update, _ in history.loss] == [update for update, _ in history.scores] == [3, 6, 7]
        assert len(lines) == 3 + 1
        _, history = train(tmp_path / "without", config=config, log=lines.append)
        assert [update for update, _ in history.loss] == [3, 6, 7]
        assert history.scores == [] and len(lines) == 6 + 2

    def test_training_again_in_the_same_folder_replaces_the_model(self, tmp_path):
        config = CONFIG.changed(updates=2, evaluations=1)
        train(tmp_path, encoder(seed=0), config)
        model, _ = train(tmp_path, encoder(seed=1), config)
        assert_same_weights(weights(SentenceTransformer(str(tmp_path / "model"), device="cpu")), weights(model))


class TestPrecision:
    @pytest.mark.parametrize("name", ["static", "tiny"])
    def test_a_transformer_computes_in_bf16_where_the_device_is_fast_in_it(self, tmp_path, monkeypatch, name):
        made = set()
        for fast in (True, False):
            monkeypatch.setattr("torch.cpu.get_capabilities", lambda fast=fast: {"avx512_bf16": fast})
            model, history = train(tmp_path / str(fast), encoder(name))
            made.add(str(history.loss))
            assert {weight.dtype for weight in model.state_dict().values() if weight.is_floating_point()} == {torch.float32}
            loaded = SentenceTransformer(str(tmp_path / str(fast) / "model"), device="cpu")
            np.testing.assert_array_equal(loaded.encode(["一"]), model.encode(["一"]))
        assert len(made) == (2 if name == "tiny" else 1)


class Interrupted(Exception):
    pass


@pytest.fixture
def batches(monkeypatch):
    """What the loss was given: (labels, token ids of every column) of each batch; raises where ``stop_at`` says."""

    class Seen(list):
        stop_at = None

    seen, forward = Seen(), InfoNCE.forward

    def recording(self, sentence_features, labels):
        features = list(sentence_features)
        if len(seen) == seen.stop_at:
            raise Interrupted
        seen.append((labels.tolist(), [column["input_ids"].tolist() for column in features]))
        return forward(self, features, labels)

    monkeypatch.setattr(InfoNCE, "forward", recording)
    return seen


def scripted(scores, stop_at=None, weights_at=None):
    """A validation whose n-th call returns the n-th score; raises at call ``stop_at``; keeps the weights it was shown."""
    calls = iter(range(len(scores)))

    def validation(model):
        call = next(calls)
        if call == stop_at:
            raise Interrupted
        if weights_at is not None:
            weights_at.append(weights(model))
        return {"score": scores[call]}

    return validation


def weighed(stop_at=None):
    """A validation that is a function of the model, its names not sorted; raises at call ``stop_at``."""
    interrupting = scripted([0.0] * 99, stop_at)
    norm = lambda model: sum(value.double().square().sum().item() for value in weights(model).values())
    return lambda model: {**interrupting(model), "score": norm(model), "n": 1.0}


def dense(seed=0):
    """A static encoder with a trained layer after the embeddings, which has to be kept and restored as well."""
    embed, normalize = encoder(seed=seed)
    model = SentenceTransformer(modules=[embed, Dense(32, 8), normalize], device="cpu")
    model.prompts = encoder().prompts
    return model


MODELS = {"static": encoder, "tiny": partial(encoder, "tiny"), "dense": dense}


class TestResume:
    @pytest.mark.parametrize("where", ["validation", "update"])
    @pytest.mark.parametrize("name", MODELS)
    def test_a_resumed_run_equals_an_uninterrupted_one(self, name, where, tmp_path, batches):
        """12 updates in epochs of 2 batches, a checkpoint every 3; the interruption lies in the fifth epoch."""
        whole, history = train(tmp_path / "whole", MODELS[name](), validation=weighed())
        uninterrupted = list(batches)
        batches.clear()
        batches.stop_at = 8 if where == "update" else None
        with pytest.raises(Interrupted):
            train(tmp_path / "parts", MODELS[name](), validation=weighed(stop_at=2 if where == "validation" else None))
        assert batches == uninterrupted[: 9 if where == "validation" else 8]
        assert not (tmp_path / "parts" / "model").exists()
        batches.clear()
        batches.stop_at = None
        resumed, again = train(tmp_path / "parts", MODELS[name](), validation=weighed())
        assert batches == uninterrupted[6:]
        assert str(again) == str(history)  # keys are in the same order, too
        assert_same_weights(weights(resumed), weights(whole))
        assert_same_weights(weights(SentenceTransformer(str(tmp_path / "parts" / "model"), device="cpu")), weights(whole))

    def test_the_steps_without_a_better_score_are_counted_on(self, tmp_path, batches):
        config = CONFIG.changed(evaluations=6, patience=3)
        scores = [0.5, 0.4, 0.3, 0.2, 0.1, 0.0]
        whole, history = train(tmp_path / "whole", config=config, validation=scripted(scores))
        assert [update for update, _ in history.scores] == [2, 4, 6, 8]
        with pytest.raises(Interrupted):
            train(tmp_path / "parts", config=config, validation=scripted(scores, stop_at=2))
        resumed, again = train(tmp_path / "parts", config=config, validation=scripted(scores[2:]))
        assert again == history
        assert_same_weights(weights(resumed), weights(whole))

    @pytest.mark.parametrize("scores", [[0.5, 0.4, 0.3, 0.2], [0, 1, 2, 3, 4, 5]], ids=["stopped", "ended"])
    def test_a_run_that_was_over_but_not_saved_is_saved(self, tmp_path, monkeypatch, scores):
        config = CONFIG.changed(evaluations=6, patience=3)
        whole, history = train(tmp_path / "whole", config=config, validation=scripted(scores))
        with monkeypatch.context() as broken:
            broken.setattr("kit.train.trainer._history", lambda state: (_ for _ in ()).throw(Interrupted))
            with pytest.raises(Interrupted):
                train(tmp_path / "parts", config=config, validation=scripted(scores))
        resumed, again = train(tmp_path / "parts", config=config, validation=scripted([]))
        assert again == history
        assert_same_weights(weights(resumed), weights(whole))


class TestEarlyStopping:
    @pytest.mark.parametrize("name", MODELS)
    def test_it_stops_after_patience_and_keeps_the_best(self, tmp_path, name):
        shown, config = [], CONFIG.changed(evaluations=6, patience=2)
        validation = scripted([0.1, 0.9, 0.2, 0.9, 1.0, 1.0], weights_at=shown)
        model, history = train(tmp_path, MODELS[name](), config, validation=validation)
        assert [scores["score"] for _, scores in history.scores] == [0.1, 0.9, 0.2, 0.9]  # a tie is not better
        assert_same_weights(weights(model), shown[1])
        assert any(not torch.equal(shown[1][part], shown[3][part]) for part in shown[1])
        assert_same_weights(weights(SentenceTransformer(str(tmp_path / "model"), device="cpu")), shown[1])

    def test_without_patience_the_last_model_is_kept(self, tmp_path):
        shown = []
        model, history = train(tmp_path, validation=scripted([0.9, 0.1, 0.1, 0.1], weights_at=shown))
        assert len(history.scores) == 4
        assert_same_weights(weights(model), shown[-1])

    def test_patience_without_validation_is_refused(self, tmp_path):
        with pytest.raises(ValueError, match="patience is 2, but there is no validation task"):
            train(tmp_path, config=CONFIG.changed(patience=2))


class TestBatches:
    def test_columns_prompts_and_labels(self, tmp_path, batches):
        rows = made_rows()
        for row in rows:  # the first hard negative is the next group's passage, the second is of no group
            row["negatives"] = [rows[(rows.index(row) + len(LANGUAGES)) % len(rows)]["passage"], "一一"]
        model, config = encoder("tiny"), CONFIG.changed(updates=3, evaluations=1, hard_negatives=2)
        train(tmp_path, model, config, [ParallelCorpus.from_rows(rows, "made")])
        tokens = lambda text: [token for token in model.tokenizer(text)["input_ids"] if token > 2]  # all but <s> <pad> </s>
        read = {
            str(tokens(prompt + row[part])): int(row["group_id"][1:])
            for row in rows
            for prompt, part in (("Query: ", "query"), ("Passage: ", "passage"))
        }
        read[str(tokens("Passage: 一一"))] = -1
        for labels, columns in batches:
            groups = [[read[str([token for token in ids if token > 2])] for ids in column] for column in columns]
            assert groups[0] == groups[1]  # the group of each query and of its passage
            assert groups[2] == [(group + 1) % N_GROUPS for group in groups[0]]
            assert labels == [list(row) for row in zip(*groups[1:])]
            assert {row[-1] for row in labels} == {-1}

    def test_a_column_is_as_wide_as_its_longest_text(self, tmp_path, monkeypatch):
        widths, forward = [], InfoNCE.forward

        def recording(self, sentence_features, labels):
            features = list(sentence_features)
            masks = [column["attention_mask"] for column in features]
            widths.append([(mask.shape[1], int(mask.sum(dim=1).max())) for mask in masks])
            return forward(self, features, labels)

        monkeypatch.setattr(InfoNCE, "forward", recording)
        model = encoder("tiny")
        model.prompts = {"query": "", "document": "가 나 다 라 "}
        train(tmp_path, model, CONFIG.changed(updates=2, evaluations=1))
        assert all(query[0] < passage[0] for query, passage in widths)
        assert all(longest <= width <= -(-longest // 8) * 8 for batch in widths for width, longest in batch)

    def test_small_passes_train_the_same_model(self, tmp_path, monkeypatch):
        monkeypatch.setattr("kit.train.trainer._fast_in_bf16", lambda model: False)
        trained = []
        for mini_batch in (0, 3):
            model = encoder("tiny")
            for part in model.modules():
                part.p = 0.0 if isinstance(part, torch.nn.Dropout) else None
            model[0].auto_model.config.attention_probs_dropout_prob = 0.0
            trained.append(weights(train(tmp_path / str(mini_batch), model, CONFIG.changed(mini_batch=mini_batch))[0]))
        for name, weight in trained[0].items():
            torch.testing.assert_close(trained[1][name], weight, rtol=0, atol=1e-4, msg=name)

    def test_batches_are_those_of_the_sampler(self, tmp_path, batches):
        train(tmp_path, sampling=Sampling.parse("X-Y"))
        sampler = PairBatchSampler([CORPUS], Sampling.parse("X-Y"), CONFIG.batch_size, SEED)
        drawn = [sampler.batch(*divmod(step, len(sampler))).passage_rows // len(LANGUAGES) for step in range(CONFIG.updates)]
        assert [np.ravel(labels).tolist() for labels, _ in batches] == [groups.tolist() for groups in drawn]


class TestPairDataset:
    def test_query_and_passage_come_from_their_own_rows_of_all_corpora(self):
        parts = [CORPUS, made_corpus("other", languages=("en", "zh"), n_groups=4)]
        rows = [row for part in parts for row in part.table.to_pylist()]
        pairs = [(0, 2), (29, 27), (30, 31), (37, 36)]  # 30 rows, then 8
        items = pair_dataset(parts, 0).__getitems__(pairs)
        assert [list(item) for item in items] == [["query", "passage", "label"]] * 4
        texts = [(rows[query]["query"], rows[passage]["passage"]) for query, passage in pairs]
        assert [(item["query"], item["passage"]) for item in items] == texts

    def test_labels_are_clusters_and_never_meet_across_corpora(self):
        parts = [CORPUS, made_corpus("other")]  # the same group and cluster ids, and the same texts
        labels = [item["label"][0] for item in pair_dataset(parts, 0).__getitems__([(row, row) for row in range(60)])]
        assert labels == [row // 3 for row in range(60)]

    def test_negatives_follow_in_order_with_the_passage_row(self):
        rows = made_rows(n_groups=2)
        for number, row in enumerate(rows):
            row["negatives"] = [f"a{number}", f"b{number}", f"c{number}"]
        (item,) = pair_dataset([ParallelCorpus.from_rows(rows, "made")], 2).__getitems__([(3, 5)])
        assert list(item) == ["query", "passage", "negative_1", "negative_2", "label"]
        assert (item["negative_1"], item["negative_2"], item["label"]) == ("a5", "b5", [1, -1, -1])

    def test_a_negative_is_looked_up_in_its_own_language_and_corpus(self):
        # "1912" answers group a in German, group b in English, and another question in another corpus.
        facts = [("a", "de", "1912"), ("a", "en", "in 1912"), ("b", "de", "im 20."), ("b", "en", "1912"), ("c", "en", "no")]
        rows = [
            {"group_id": group, "language": language, "query": group, "passage": passage, "negatives": ["1912"]}
            for group, language, passage in facts
        ]
        other = [{"group_id": "x", "language": "en", "query": "q", "passage": "1912", "negatives": ["no"]}]
        parts = [ParallelCorpus.from_rows(rows, "facts"), ParallelCorpus.from_rows(other, "other")]
        labels = [item["label"] for item in pair_dataset(parts, 1).__getitems__([(row, row) for row in range(6)])]
        assert labels == [[0, 0], [0, 1], [1, 0], [1, 1], [2, 1], [3, -1]]

    def test_a_negative_that_answers_the_question_elsewhere_is_left_out(self):
        # The question of groups a and b is one; "two" is a wrong answer to that of c only.
        rows = [
            {"group_id": group, "language": "en", "query": query, "passage": passage, "negatives": ["two"]}
            for group, query, passage in [("a", "Who?", "one"), ("b", "who", "two"), ("c", "Why?", "three")]
        ]
        items = pair_dataset([ParallelCorpus.from_rows(rows, "made")], 1).__getitems__([(row, row) for row in range(3)])
        assert [item["label"] for item in items] == [[0, 0, 1], [1, 1, 0], [2, 1, -1]]

    def test_too_few_negatives_name_the_group(self, tmp_path):
        rows = made_rows(negatives=["one", "two"])
        rows[4]["negatives"] = ["one"]
        with pytest.raises(ValueError, match="group 'g1' in 'en' has 1 negatives, fewer than hard_negatives 2: mine"):
            train(tmp_path, config=CONFIG.changed(hard_negatives=2), corpora=[ParallelCorpus.from_rows(rows, "made")])


class TestConfig:
    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"updates": 0}, "updates is 0: it lies between 1 and"),
            ({"batch_size": 1}, "batch_size is 1: it lies between 2 and"),
            ({"evaluations": 0}, "evaluations is 0: it lies between 1 and"),
            ({"patience": -1}, "patience is -1: it lies between 0 and"),
            ({"hard_negatives": -1}, "hard_negatives is -1"),
            ({"updates": 8, "evaluations": 9}, "evaluations 9 exceeds"),
        ],
    )
    def test_values_out_of_range_are_refused(self, settings, message):
        with pytest.raises(ValueError, match=message):
            TrainingConfig(**settings)
