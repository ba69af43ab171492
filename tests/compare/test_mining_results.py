"""Several models on several mining tasks: what a sentence adds to a score, by hand and against the scores themselves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from test_mining import made_task, random_embeddings, unit

from kit.compare.mining import MiningResults
from kit.compare.stats import confidence_interval
from kit.core.seeding import stable_hash
from kit.data.bitext import BitextTask
from kit.evaluate.mining.margins import MinedPairs, mine
from kit.evaluate.mining.mined import ACCURACY, MEASURES, NEAREST, WAYS, Mined, contributions, mine_task
from kit.evaluate.mining.scores import best_threshold, score, tatoeba

RATIO = ("ratio", "f1")


def noisy(task: BitextTask, noise: float, seed: int = 0, dim: int = 16) -> list[np.ndarray]:
    """Sentences of one number on both sides lie near one point; the smaller the noise, the nearer."""
    random = np.random.default_rng(seed)
    points = random.normal(size=(max(len(task.source), len(task.target)), dim)) + 1.0
    return [unit(points[: len(side)] + noise * random.normal(size=(len(side), dim))) for side in (task.source, task.target)]


class TestContributions:
    # Mined above the threshold: 0-0 (right), 1-2 (wrong); below it: 2-1. Gold: 0-0, 1-1.
    TASK = made_task(3, 3, [(0, 0), (1, 1)])
    MINED = MinedPairs(np.array([0, 1, 2]), np.array([0, 2, 1]), np.array([1.5, 1.2, 0.9]))

    def test_by_hand(self):
        found = contributions(self.TASK, self.MINED, 1.0, "source")
        # F1 = 2 * 1 / (2 + 2). By source sentence: twice the correct 2, 0, 0; mined plus gold 2, 2, 0, in the mean 4/3.
        assert found["f1"].tolist() == pytest.approx([0.5 + 1 / (4 / 3), 0.5 - 1 / (4 / 3), 0.5])
        # Precision = 1 / 2: correct 1, 0, 0; mined 1, 1, 0, in the mean 2/3.
        assert found["precision"].tolist() == pytest.approx([0.5 + 0.5 / (2 / 3), 0.5 - 0.5 / (2 / 3), 0.5])
        # The target sentences: correct 1, 0, 0; gold 1, 1, 0.
        found = contributions(self.TASK, self.MINED, 1.0, "target")
        assert found["recall"].tolist() == pytest.approx([1.25, -0.25, 0.5])

    def test_nothing_mined_scores_nothing(self):
        found = contributions(self.TASK, self.MINED, np.inf, "source")
        assert {measure: values.tolist() for measure, values in found.items()} == dict.fromkeys(MEASURES, [0.0] * 3)

    @settings(max_examples=30, deadline=None, database=None)
    @given(st.integers(0, 10_000), st.sampled_from(["source", "target"]), st.sampled_from(["forward", "backward", "max"]))
    def test_the_mean_is_the_score(self, seed, side, direction):
        random = np.random.default_rng(seed)
        task = made_task(14, 11, [(n, (3 * n) % 11) for n in range(8)])
        mined = mine(task, *random_embeddings(random, 14, 11), direction=direction, k=3)
        threshold = float(random.choice(mined.score))
        expected = score(mined, task.gold_pairs, threshold)
        found = contributions(task, mined, threshold, side)
        assert {name: values.mean() for name, values in found.items()} == pytest.approx(
            {"precision": expected.precision, "recall": expected.recall, "f1": expected.f1}
        )

    def test_their_interval_is_that_of_resampled_pairs_or_nearly(self):
        task = made_task(900, 900, [(n, n) for n in range(500)])
        mined = mine(task, *noisy(task, 1.2))
        threshold = best_threshold(mined, task.gold_pairs)
        taken = mined.score >= threshold
        n_mined, n_gold = np.bincount(mined.source[taken], minlength=900), np.bincount(task.gold_pairs[:, 0], minlength=900)
        n_correct = np.bincount(mined.source[taken & (mined.source == mined.target) & (mined.source < 500)], minlength=900)
        drawn = np.random.default_rng(0).integers(900, size=(4000, 900))  # source sentences with their pairs
        correct, of_mined, of_gold = (counts[drawn].sum(axis=1) for counts in (n_correct, n_mined, n_gold))
        expected = {
            "precision": correct / of_mined,
            "recall": correct / of_gold,
            "f1": 2 * correct / (of_mined + of_gold),
        }
        for measure, values in contributions(task, mined, threshold, "source").items():
            found, (low, high) = confidence_interval(values[:, None]), np.quantile(expected[measure], [0.025, 0.975])
            assert high - low > 0.02
            assert found.low == pytest.approx(low, abs=0.15 * (high - low))
            assert found.high == pytest.approx(high, abs=0.15 * (high - low))


class TestMineTask:
    TASK = made_task(120, 120, [(n, n) for n in range(70)])

    @pytest.mark.parametrize("side", ["source", "target"])
    def test_the_threshold_is_tuned_on_one_half_and_the_other_is_scored(self, side):
        embeddings = noisy(self.TASK, 0.8)
        found = mine_task(self.TASK, *embeddings, side)
        parts, pairs = self.TASK.split(0.5), {}
        for part in parts:
            rows = [[int(name[1:]) for name in part.sentence_ids(of)] for of in ("source", "target")]
            chosen = [sentences[row] for sentences, row in zip(embeddings, rows)]
            pairs[part.name] = {way: mine(part, *chosen, *choice) for way, choice in WAYS.items()}
        train, test = parts
        for way in WAYS:
            threshold = best_threshold(pairs[train.name][way], train.gold_pairs) if way != NEAREST else -np.inf
            expected = score(pairs[test.name][way], test.gold_pairs, threshold)
            means = [found.values[way, measure].mean() for measure in MEASURES]
            assert means == pytest.approx([expected.precision, expected.recall, expected.f1])
        assert len(found.sentences) == len(test.texts(side)) == len(found.values[RATIO])

    def test_margins_beat_nearest_neighbours_where_there_are_distractors(self):
        found = mine_task(self.TASK, *noisy(self.TASK, 0.4), "source")
        scores = {way: found.values[way, "f1"].mean() for way in WAYS}
        assert scores["ratio"] > scores[NEAREST] and scores["distance"] > scores[NEAREST]

    def test_without_distractors_it_is_tatoeba(self):
        task = made_task(30, 30)
        embeddings = noisy(task, 1.0)
        found = mine_task(task, *embeddings, "target")
        assert list(found.values) == [ACCURACY]
        assert found.values[ACCURACY].mean() == tatoeba(task, *embeddings).summary()["accuracy"]

    @pytest.mark.parametrize("seed", range(3, 7))
    def test_the_seed_is_that_of_halves_and_ties(self, seed):
        # All embeddings are equal, so every source has the target that is first in the order of ties.
        constant = np.repeat(unit([[1.0, 1.0]]), 120, axis=0)
        found = mine_task(self.TASK, constant, constant, "source", seed=seed)
        _, test = self.TASK.split(0.5, seed=seed)
        n_source, n_target = len(test.source), len(test.target)
        mined = mine(test, constant[:n_source], constant[:n_target], *WAYS[NEAREST], seed=seed)
        assert found.sentences.tolist() == [stable_hash(f"0 {text}") for text in test.texts("source")]
        for measure, values in contributions(test, mined, -np.inf, "source").items():
            assert found.values[NEAREST, measure].tolist() == values.tolist()

    def test_without_distractors_the_seed_is_that_of_ties(self):
        task, constant = made_task(30, 30), np.repeat(unit([[1.0, 1.0]]), 30, axis=0)
        found = mine_task(task, constant, constant, "source", seed=3).values[ACCURACY]
        assert found.tolist() == tatoeba(task, constant, constant, seed=3).correct.mean(axis=1).tolist()

    def test_pairs_without_a_ratio_are_not_mined_by_it(self):
        source, target = noisy(self.TASK, 0.1)
        found = mine_task(self.TASK, source, -target, "source")
        assert not any(found.values["ratio", measure].any() for measure in MEASURES)
        assert len(found.values) == len(WAYS) * len(MEASURES)

    def test_an_unknown_side(self):
        with pytest.raises(ValueError, match="side is 'left': choose source or target"):
            mine_task(self.TASK, *noisy(self.TASK, 0.1), "left")

    def test_a_text_has_one_number_in_all_tasks_and_another_one_when_it_stands_again(self):
        rows = [{"sentence_id": str(n), "text": text} for n, text in enumerate(["same", "other", "same", "same"])]
        other = [{"sentence_id": str(n), "text": str(n)} for n in range(4)]
        gold = [{"source_id": str(n), "target_id": str(n)} for n in range(4)]
        first = BitextTask.from_rows("first", "en", "de", rows, other, gold)
        second = BitextTask.from_rows("second", "ru", "en", other, rows, gold)
        of_first = mine_task(first, *noisy(first, 0.1), "source").sentences
        of_second = mine_task(second, *noisy(second, 0.1), "target").sentences
        assert len(set(of_first)) == 4 and of_first.tolist() == of_second.tolist()

    def test_numbers_are_of_one_type_however_small(self):
        small = next(text for text in "abcdefgh" if stable_hash(f"0 {text}") < 2**63)  # int64 would hold it, too
        rows = [{"sentence_id": "0", "text": small}]
        task = BitextTask.from_rows("small", "en", "de", rows, rows, [{"source_id": "0", "target_id": "0"}])
        assert mine_task(task, *noisy(task, 0.1), "source").sentences.dtype == np.uint64


class TestMined:
    MADE = Mined(np.array([3, 2**64 - 1], np.uint64), {RATIO: np.array([0.5, 1.0]), ACCURACY: np.array([0.0, 1.0])})

    def test_a_file_gives_back_what_was_written(self, tmp_path):
        self.MADE.write(tmp_path / "a" / "mined.npz")
        read = Mined.read(tmp_path / "a" / "mined.npz")
        assert read.sentences.tolist() == [3, 2**64 - 1]
        assert {place: values.tolist() for place, values in read.values.items()} == {RATIO: [0.5, 1.0], ACCURACY: [0.0, 1.0]}

    @pytest.mark.parametrize("content", [b"", b"no archive", None])
    def test_a_damaged_file_is_named(self, tmp_path, content):
        path = tmp_path / "mined.npz"
        self.MADE.write(path)
        path.write_bytes(path.read_bytes()[:-40] if content is None else content)
        with pytest.raises(ValueError, match=r"mined\.npz: damaged"):
            Mined.read(path)


def made(numbers: list[int], values: list[float]) -> Mined:
    return Mined(np.array(numbers, np.uint64), {RATIO: np.array(values)})


class TestResults:
    # Sentence 7 stands in both tasks, 5 and 9 in one each.
    RESULTS = MiningResults(
        {
            "x": {"a": [made([7, 5], [1.0, 0.0]), made([7, 5], [1.0, 1.0])], "b": [made([7, 5], [0.0, 0.0])] * 2},
            "y": {"a": [made([9, 7], [0.5, 0.5])] * 2, "b": [made([9, 7], [1.0, 0.0])] * 2},
        }
    )

    def test_a_sentence_is_one_row_in_all_tasks(self):
        first, second = self.RESULTS.values("a", RATIO, ["x", "y"])
        np.testing.assert_array_equal(first, [[0.0, np.nan], [1.0, 0.5], [np.nan, 0.5]])  # sentences 5, 7, 9
        np.testing.assert_array_equal(second, [[1.0, np.nan], [1.0, 0.5], [np.nan, 0.5]])

    def test_scores_are_means_over_tasks_and_seeds(self):
        assert self.RESULTS.by_seed("a", RATIO, ["x", "y"]) == [0.5, 0.75]
        assert self.RESULTS.interval("a", RATIO, ["x", "y"]).estimate == 0.625
        assert self.RESULTS.interval("b", RATIO, ["y"]).estimate == 0.5
        assert (self.RESULTS.tasks, self.RESULTS.models) == (("x", "y"), ("a", "b"))

    @pytest.mark.parametrize(
        ("mined", "error"),
        [
            ({}, "same models and seeds"),
            ({"x": {}}, "same models and seeds"),
            ({"x": {"a": []}}, "same models and seeds"),
            ({"x": {"a": [made([1], [0.0])]}, "y": {"b": [made([1], [0.0])]}}, "same models and seeds"),
            ({"x": {"a": [made([1], [0.0])]}, "y": {"a": [made([1], [0.0])] * 2}}, "same models and seeds"),
            ({"x": {"a": [made([1], [0.0])], "b": [made([2], [0.0])]}}, "'x': models were judged on different sentences"),
        ],
    )
    def test_what_cannot_be_compared_is_refused(self, mined, error):
        with pytest.raises(ValueError, match=error):
            MiningResults(mined)

    def test_no_task(self):
        with pytest.raises(ValueError, match="tasks is empty"):
            self.RESULTS.values("a", RATIO, [])
