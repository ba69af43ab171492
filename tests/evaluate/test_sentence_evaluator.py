"""The evaluator for trainers of sentence-transformers: its numbers, its files, what a trainer makes of it."""

from __future__ import annotations

import csv
import json
import os
import socket
import subprocess
import sys
import traceback
from pathlib import Path
from types import SimpleNamespace

import datasets
import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.base.evaluation import SequentialEvaluator
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

from kit.data.corpus import RetrievalTask
from kit.evaluate.evaluator import evaluate
from kit.evaluate.sentence_evaluator import RetrievalBiasEvaluator
from kit.train.config import EncoderConfig
from kit.train.encoders.making import make_encoder

LANGUAGES = ("de", "en", "fr")


class Mock:
    """Stands for a model: a text is its embedding, written out; keeps what evaluators store in its card."""

    def __init__(self):
        self.model_card_data, self.stored = self, []

    def encode_query(self, texts, **arguments):
        return np.array([json.loads(text) for text in texts], np.float32)

    encode_document = encode_query

    def set_evaluation_metrics(self, evaluator, metrics, epoch, step):
        self.stored.append((evaluator, metrics, epoch, step))


def made_task(languages=("de", "en"), flipped=("fr",), name="made") -> RetrievalTask:
    """Three questions in every language; all texts are unit vectors, so that every answer is found.

    Those that ask in a language that is ``flipped`` find the answer to the next question before their own.
    """
    eye = np.eye(3)
    keys = [(number, language) for number in range(3) for language in languages]
    ask = lambda number, language: eye[number] + (2 * eye[(number + 1) % 3] if language in flipped else 0)
    text = lambda vector: json.dumps(vector.tolist())
    return RetrievalTask.from_rows(
        name,
        [{"query_id": f"q{n}{tag}", "group_id": str(n), "language": tag, "text": text(ask(n, tag))} for n, tag in keys],
        [{"candidate_id": f"c{n}{tag}", "language": tag, "text": text(eye[n])} for n, tag in keys],
        [{"query_id": f"q{n}{tag}", "candidate_id": f"c{n}{other}"} for n, tag in keys for other in languages],
    )


class TestNumbers:
    def test_language_by_language_by_hand(self):
        # German and English find their answers first. French finds them behind the other answer: rank 2 of 3 in each
        # language, ranks 4 to 6 of 9 in the pool, where its mAP is (1/4 + 2/5 + 3/6) / 3.
        found = RetrievalBiasEvaluator(made_task(LANGUAGES))(Mock())
        in_pool = (1 / 4 + 2 / 5 + 3 / 6) / 3
        expected = {
            "monolingual": {"de": 1, "en": 1, "fr": 1 / 2},
            "cross-lingual": {"de": 1, "en": 1, "fr": 1 / 2},
            "multilingual": {"de": 1, "en": 1, "fr": in_pool},
        }
        for setting, by_language in expected.items():
            for language, value in by_language.items():
                assert found[f"{setting}_average_precision_{language}"] == pytest.approx(value)
            assert found[f"{setting}_average_precision_weakest"] == pytest.approx(by_language["fr"])
            assert found[f"{setting}_average_precision"] == pytest.approx(np.mean(list(by_language.values())))
        assert found["score"] == pytest.approx(np.mean([5 / 6, 5 / 6, (2 + in_pool) / 3]))
        assert found["multilingual_rank_distance"] == 2

    def test_settings_and_panel_are_those_of_evaluate(self):
        random = np.random.default_rng(0)
        task, model = made_task(LANGUAGES), Mock()
        vectors = random.normal(size=(len(task.queries) + len(task.candidates), 4)).astype(np.float32)
        draw = iter(vectors)
        model.encode_query = model.encode_document = lambda texts, **arguments: np.array([next(draw) for _ in texts])
        found = RetrievalBiasEvaluator(task)(model)
        draw = iter(vectors)
        summary = evaluate(model, task).summary()
        for setting, scores in summary.items():
            for measure, value in scores.items():
                assert found.get(f"{setting}_{measure}", np.nan) == pytest.approx(value, nan_ok=True)
        assert all(type(value) is float for value in found.values())

    def test_what_is_not_defined_has_no_key(self):
        found = RetrievalBiasEvaluator(made_task(["en"]))(Mock())
        assert not [key for key in found if key.startswith("cross-lingual") or "rank_distance" in key]
        assert found["score"] == found["monolingual_average_precision"] == found["multilingual_average_precision_en"] == 1

    def test_agreement_is_measured_on_as_many_groups_as_are_asked_for(self):
        none = RetrievalBiasEvaluator(made_task(), n_agreement_groups=0)
        assert "multilingual_list_agreement" not in none(Mock())
        assert "multilingual_list_agreement" in RetrievalBiasEvaluator(made_task())(Mock())
        assert (none.get_config_dict(), RetrievalBiasEvaluator(made_task()).get_config_dict()) == (
            {"n_agreement_groups": 0},
            {},
        )


class TestConventions:
    """What users of the library's own evaluators expect."""

    def test_name_primary_metric_and_card(self):
        model, evaluator = Mock(), RetrievalBiasEvaluator(made_task(), name="dev")
        found = evaluator(model, epoch=1.5, steps=30)
        assert all(key.startswith("dev_") for key in found)
        assert evaluator.primary_metric == "dev_score" and evaluator.greater_is_better
        assert model.stored == [(evaluator, found, 1.5, 30)]
        assert evaluator.description == "Retrieval Bias"

    def test_without_a_name_keys_have_no_prefix(self):
        evaluator = RetrievalBiasEvaluator(made_task())
        assert evaluator(Mock())[evaluator.primary_metric] == 1
        assert evaluator.primary_metric == "score"

    def test_several_run_one_after_the_other(self):
        both = SequentialEvaluator([RetrievalBiasEvaluator(made_task(), name=name) for name in ("one", "two")])
        found = both(Mock())
        assert found["one_score"] == found["two_score"] == found["sequential_score"] == 1

    def test_each_call_adds_a_row(self, tmp_path):
        evaluator = RetrievalBiasEvaluator(made_task(["en"]), name="dev")
        calls = [evaluator(Mock(), str(tmp_path / "eval"), epoch, 10 * epoch) for epoch in (1, 2)]
        text = (tmp_path / "eval" / "Retrieval-Bias_evaluation_dev_results.csv").read_text(encoding="utf-8")
        rows = list(csv.DictReader(text.splitlines()))
        assert [(row["epoch"], row["steps"]) for row in rows] == [("1", "10"), ("2", "20")]
        for row, call in zip(rows, calls):
            assert {f"dev_{key}": float(value) for key, value in list(row.items())[2:] if value} == call
            assert row["cross-lingual_average_precision"] == ""

    def test_no_file_where_none_is_wanted(self, tmp_path):
        RetrievalBiasEvaluator(made_task(), write_csv=False)(Mock(), str(tmp_path))
        RetrievalBiasEvaluator(made_task())(Mock())
        assert not list(tmp_path.iterdir())

    def test_a_file_of_another_task_is_left_alone(self, tmp_path):
        RetrievalBiasEvaluator(made_task())(Mock(), str(tmp_path))
        (file,) = tmp_path.iterdir()
        before = file.read_text(encoding="utf-8")
        with pytest.raises(ValueError, match="has other columns than this task gives: choose another name"):
            RetrievalBiasEvaluator(made_task(LANGUAGES))(Mock(), str(tmp_path))
        assert file.read_text(encoding="utf-8") == before


class Cutting(Mock, list):
    """One that reads two words of a text, and has a prompt for passages by another name."""

    def __init__(self):
        Mock.__init__(self)
        words = lambda texts, **options: {"input_ids": [text.split() for text in texts]}
        list.__init__(self, [SimpleNamespace(tokenizer=words, max_seq_length=2)])
        self.prompts, self.got = {"query": "", "document": "", "passage": "P: "}, []

    def encode_query(self, texts, **arguments):
        self.got.append(arguments["prompt"])
        return super().encode_query(texts, **arguments)

    encode_document = encode_query


class TestInputs:
    def test_texts_that_are_cut_are_told_once(self):
        evaluator, model = RetrievalBiasEvaluator(made_task()), Cutting()
        with pytest.warns(UserWarning, match="made: 100 % of 6 .* are longer than 2 tokens and cut") as told:
            first = evaluator(model)
        assert len(told) == 2  # queries and passages
        assert evaluator(model) == first

    def test_evaluate_tells_it_too(self):
        with pytest.warns(UserWarning, match="called on made: 100 % of 6 .* are longer than 2 tokens and cut"):
            evaluate(Cutting(), made_task(), "called")

    def test_a_prompt_for_passages_by_another_name_is_used(self):
        model = Cutting()
        with pytest.warns(UserWarning, match="and cut"):
            RetrievalBiasEvaluator(made_task())(model)
        assert model.got == ["", "P: "]


def training(folder: Path) -> tuple[SentenceTransformer, SentenceTransformerTrainer]:
    """A model that learns eight words in two languages, and a stock trainer that evaluates it after each epoch."""
    words = [(chr(0x4E00 + number), chr(0xAC00 + number)) for number in range(8)]
    texts = [text for pair in words for text in pair] * 2
    model = make_encoder(EncoderConfig(dimension=16, vocabulary_size=300), texts, seed=0)
    model.prompts = {}
    task = RetrievalTask.from_rows(
        "words",
        [{"query_id": f"q{n}", "language": "zh", "text": words[n][0]} for n in range(8)],
        [
            {"candidate_id": f"c{n}{side}", "language": ("zh", "ko")[side], "text": words[n][side]}
            for n in range(8)
            for side in (0, 1)
        ],
        [{"query_id": f"q{n}", "candidate_id": f"c{n}{side}"} for n in range(8) for side in (0, 1)],
    )
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(folder),
        num_train_epochs=3,
        per_device_train_batch_size=4,
        learning_rate=0.1,
        eval_strategy="epoch",
        save_strategy="epoch",
        load_best_model_at_end=True,
        metric_for_best_model="words_score",
        use_cpu=True,
        dataloader_pin_memory=False,
        disable_tqdm=True,
        report_to="none",
    )
    trainer = SentenceTransformerTrainer(
        model,
        arguments,
        datasets.Dataset.from_dict({"query": [zh for zh, _ in words], "passage": [ko for _, ko in words]}),
        loss=MultipleNegativesRankingLoss(model),
        evaluator=RetrievalBiasEvaluator(task, name="words"),
    )
    return model, trainer


def test_a_trainer_keeps_the_best_model_and_writes_the_card(tmp_path, capsys):
    model, trainer = training(tmp_path)
    trainer.train()
    scores = [entry["eval_words_score"] for entry in trainer.state.log_history if "eval_words_score" in entry]
    assert len(scores) == 3 and trainer.state.best_metric == max(scores)
    assert trainer.evaluator(model)["words_score"] == pytest.approx(max(scores))
    assert len((tmp_path / "eval" / trainer.evaluator.csv_file).read_text(encoding="utf-8").splitlines()) == 4
    model.save_pretrained(str(tmp_path / "model"))
    card = (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    assert "Retrieval Bias" in card and "| **score**" in card and "monolingual_average_precision_zh" in card


def test_all_of_several_processes_get_the_same_numbers(tmp_path):
    """Under a trainer they share the encoding; called in each of them, the evaluator needs nobody else."""
    done = subprocess.run([sys.executable, __file__, str(tmp_path)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text(encoding="utf-8")) for rank in (0, 1))
    assert first["alone"] == second["alone"]
    assert first["trainer"] == second["trainer"] and len(first["trainer"]) == 3
    assert first["best"] == max(first["trainer"])
    assert first["alone"]["words_score"] == pytest.approx(first["best"])
    file = tmp_path / "run" / "eval" / "Retrieval-Bias_evaluation_words_results.csv"
    assert len(file.read_text(encoding="utf-8").splitlines()) == 1 + 3  # written once, not by each process


def _process(rank: int, port: int, folder: Path) -> None:
    """One of two processes that train together: write what its trainer says, and what the evaluator says to it alone."""
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "MASTER_PORT": str(port)}
    model, trainer = training(folder / "run")
    trainer.train()
    scores = [entry["eval_words_score"] for entry in trainer.state.log_history if "eval_words_score" in entry]
    found = {"trainer": scores, "best": trainer.state.best_metric, "alone": trainer.evaluator(model)}
    (folder / f"{rank}.json").write_text(json.dumps(found), encoding="utf-8")
    torch.distributed.destroy_process_group()


def _two_processes(folder: Path) -> bool:
    """Whether two processes have trained; they are forked, so that the libraries are imported once."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    children = []
    for rank in (0, 1):
        child = os.fork()
        if not child:
            try:
                _process(rank, port, folder)
                os._exit(0)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
        children.append(child)
    return not any([os.waitpid(child, 0)[1] for child in children])


if __name__ == "__main__":
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "OMP_NUM_THREADS": "1"}
    sys.exit(not _two_processes(Path(sys.argv[1])))
