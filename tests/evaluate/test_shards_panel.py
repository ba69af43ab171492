"""A task over passages in shards: the whole evaluation as in memory, bit by bit, for any shards, devices and ties."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st

from kit.core.seeding import stable_hash
from kit.data.corpus import RetrievalTask
from kit.data.judged.collection import Passage
from kit.data.pools import pool_counts
from kit.evaluate.bias.list_agreement import spearman
from kit.evaluate.bias.panel import chance
from kit.evaluate.evaluation import POOL
from kit.evaluate.evaluator import evaluate_embeddings
from kit.evaluate.shards import agreement
from kit.evaluate.shards.agreement import spearman_over
from kit.evaluate.shards.panel import Searched, evaluate_pool
from kit.evaluate.shards.pool import Part, Pool
from kit.evaluate.shards.ranks import Standing, _near, _near_on_device
from kit.evaluate.shards.scoring import scan
from kit.evaluate.shards.store import Shards

LANGUAGES = ("de", "en", "th")
CPU_AND_TORCH = pytest.mark.parametrize("device", ["cpu", "cpu:0"])  # "cpu:0" is a torch device: the code that a GPU runs
FEW = settings(max_examples=6, deadline=None, database=None)


def part(folder: Path, language: str, ids: list[str], rows: np.ndarray, n_rows: int) -> Part:
    """Shards of given embeddings; the text of a passage is "text of <id>"."""
    shards = Shards(folder)
    shards.begin({"weights": "made"})
    for number, low in enumerate(range(0, len(ids), n_rows)):
        some = [Passage(one, "", f"text of {one}") for one in ids[low : low + n_rows]]
        shards.add(number, some, rows[low : low + n_rows])
    return Part(language, shards, shards.finish(0).n_passages)


def pool_of(folder: Path, task: RetrievalTask, rows: np.ndarray, n_rows: int) -> Pool:
    """The candidates of a task in shards, a folder a language."""
    ids, parts = task.candidates.column("candidate_id").to_pylist(), []
    for code, language in enumerate(task.languages):
        here = np.flatnonzero(task.candidate_language == code)
        if len(here):
            parts.append(part(folder / language, language, [ids[one] for one in here], rows[here], n_rows))
    return Pool(parts)


def made_task(random: np.random.Generator, n_groups: int = 5, n_others: int = 25) -> RetrievalTask:
    """Parallel questions in three languages, one in one only; one query is a candidate itself, and another has its text."""
    candidates = [(f"a{group}@{tag}", tag) for group in range(n_groups) for tag in LANGUAGES]
    candidates += [(f"x{number}", LANGUAGES[number % 3]) for number in range(n_others)]
    asked = [(f"q{group}@{tag}", tag, str(group)) for group in range(n_groups) for tag in LANGUAGES[: 1 + (group > 0) * 2]]
    asked += [("x1", "en", "itself")]
    answers = [(name, f"a{group}@{tag}") for name, _, group in asked[:-1] for tag in LANGUAGES]
    answers += [("x1", "a0@de"), ("x1", "a0@en")]
    order = random.permutation(len(candidates))
    texts = {"q2@en": "text of x1", "x1": "text of x1"}
    return RetrievalTask.from_rows(
        "made",
        [{"query_id": n, "language": tag, "group_id": g, "text": texts.get(n, f"text of {n}")} for n, tag, g in asked],
        [
            {"candidate_id": candidates[at][0], "language": candidates[at][1], "text": f"text of {candidates[at][0]}"}
            for at in order
        ],
        [{"query_id": name, "candidate_id": one, "grade": 1 + number % 2} for number, (name, one) in enumerate(answers)],
        LANGUAGES,
    )


def whole_numbers(random: np.random.Generator, n: int, dim: int = 3) -> np.ndarray:
    """Rows whose products are exact in any order; many are equal."""
    return random.integers(-1, 2, size=(n, dim)).astype(np.float32)


def written(table: pa.Table) -> str:
    """Every bit of a table; NaN is NaN. A pool calls its passages by their numbers, so what they are called is left out."""
    return repr(table.drop_columns(["top_candidates"]).to_pydict())


class TestPanel:
    @FEW
    @given(st.integers(0, 2**32 - 1), st.integers(1, 20))
    def test_every_score_is_that_of_the_evaluation_in_memory(self, tmp_path_factory, seed, n_rows):
        """Whole numbers, so that float32 is exact there, too: most scores tie, and one query is a candidate."""
        random = np.random.default_rng(seed)
        task = made_task(random)
        queries, rows = whole_numbers(random, len(task.queries)), whole_numbers(random, len(task.candidates))
        pool = pool_of(tmp_path_factory.mktemp("shards"), task, rows, n_rows)
        expected = evaluate_embeddings(queries, rows, task, "mine")
        for device in ("cpu", "cpu:0"):
            found = evaluate_pool(queries, pool, task, "mine", device=device)
            assert written(found.evaluation.per_query) == written(expected.per_query)
        assert (found.counts == pool_counts(task)).all()
        assert repr(chance(found.task, found.counts)) == repr(chance(task))

    def evaluate(self, folder: Path, task: RetrievalTask, queries, rows, n_rows: int, device: str = "cpu") -> Searched:
        return evaluate_pool(queries, pool_of(folder, task, rows, n_rows), task, device=device)

    @CPU_AND_TORCH
    @pytest.mark.parametrize("dtype", ["float32", "float16"])
    def test_ranks_are_those_of_exact_scores_for_any_shards(self, tmp_path, device, dtype):
        """Rows that differ in their last bits: a product of matrices would order them by the kernel that a column meets."""
        random = np.random.default_rng(1)
        task = made_task(random, 6, 600)
        queries = random.standard_normal((len(task.queries), 70), np.float32)
        rows = (random.standard_normal(70) + 1e-6 * random.standard_normal((len(task.candidates), 70))).astype(dtype)
        exact = (queries.astype(float) @ rows.astype(float).T).astype(np.float32)
        ids = task.candidates.column("candidate_id").to_pylist()
        tie = np.array([stable_hash(one) for one in ids], np.uint64)
        ranks = []
        for query, candidate, _ in task.relevant_pairs.tolist():
            before = (exact[query] > exact[query, candidate]) | (
                (exact[query] == exact[query, candidate]) & (tie < tie[candidate])
            )
            before[task.own_candidate[query]] &= task.own_candidate[query] < 0
            ranks.append(
                (query, 1 + before.sum(), 1 + before[task.candidate_language == task.candidate_language[candidate]].sum())
            )
        found = [self.evaluate(tmp_path / str(n), task, queries, rows, n, device).evaluation for n in (1000, 97, 11)]
        assert len({written(one.per_query) for one in found}) == 1
        table = found[0].per_query.to_pandas()
        for index, name in enumerate(task.queries.column("query_id").to_pylist()):
            mine = [(pool, cell) for query, pool, cell in ranks if query == index]
            in_pool = table[(table.query_id == name) & (table.candidate_language == POOL)].iloc[0]
            assert (in_pool.best_rank, in_pool.worst_rank) == (min(mine)[0], max(mine)[0])
            in_cell = table[(table.query_id == name) & (table.candidate_language != POOL)]
            assert sorted(in_cell.best_rank) == sorted(cell for _, cell in mine)  # one answer a language

    def test_small_pieces_and_crowds_change_nothing(self, tmp_path, monkeypatch):
        random = np.random.default_rng(2)
        task = made_task(random, 8, 200)
        queries, rows = whole_numbers(random, len(task.queries), 2), whole_numbers(random, len(task.candidates), 2)
        expected = written(self.evaluate(tmp_path / "a", task, queries, rows, 50).evaluation.per_query)
        monkeypatch.setattr("kit.evaluate.shards.scoring._ROWS_AT_ONCE", 30)
        monkeypatch.setattr("kit.evaluate.shards.scoring._QUERIES_AT_ONCE", 5)
        monkeypatch.setattr("kit.evaluate.shards.scoring.CROWD", 20)
        monkeypatch.setattr("kit.evaluate.shards.ranks.CROWD", 20)
        monkeypatch.setattr("kit.evaluate.shards.ranks._DEVICE_SCORES", 40)
        monkeypatch.setattr("kit.evaluate.shards.agreement._RANKS_AT_ONCE", 7)
        for device in ("cpu", "cpu:0"):
            found = self.evaluate(tmp_path / device, task, queries, rows, 50, device)
            assert written(found.evaluation.per_query) == expected

    def test_other_passages_stand_in_the_pool(self, tmp_path):
        """By hand: each query is a number, and passages are ranked by it; two strangers stand between the answers."""
        task = RetrievalTask.from_rows(
            "by-hand",
            [{"query_id": "q", "language": "en", "text": "q"}],
            [{"candidate_id": tag, "language": tag, "text": tag} for tag in ("de", "en")],
            [{"query_id": "q", "candidate_id": tag} for tag in ("de", "en")],
        )
        numbers = {"en": [4.0], "de": [1.0], "more": [3.0, 2.0, 0.0], "yo": [5.0]}
        rows = {name: np.array(values, np.float32)[:, None] for name, values in numbers.items()}
        parts = [part(tmp_path / tag, tag, [tag], rows[tag], 9) for tag in ("en", "de", "yo")]
        parts.append(part(tmp_path / "more", "de", ["en", "x", "y"], rows["more"], 2))  # an id of its own in each language
        found = evaluate_pool(np.ones((1, 1), np.float32), Pool(parts), task)
        assert (found.evaluation.languages, found.n_passages) == (("de", "en", "yo"), {"de": 4, "en": 1, "yo": 1})
        assert found.counts.tolist() == [[4, 1, 1]]
        table = found.evaluation.per_query.to_pydict()
        by_place = dict(zip(table["candidate_language"], zip(table["best_rank"], table["worst_rank"])))
        assert by_place == {"de": (3, 3), "en": (1, 1), POOL: (2, 5)}
        assert table["rank_distance"][-1] == 3 and table["top_languages"][-1] == [4, 1, 1]
        assert table["top_candidates"][-1] == ["yo", "en", "en (passage 3)", "x", "de", "y"]

    def test_a_sample_of_groups_costs_the_others_no_bit(self, tmp_path):
        random = np.random.default_rng(3)
        task = made_task(random)
        queries, rows = whole_numbers(random, len(task.queries)), whole_numbers(random, len(task.candidates))
        pool = pool_of(tmp_path, task, rows, 8)
        for n_groups in (0, 2):
            found = evaluate_pool(queries, pool, task, n_agreement_groups=n_groups).evaluation
            expected = evaluate_embeddings(queries, rows, task, "model", n_agreement_groups=n_groups)
            assert written(found.per_query) == written(expected.per_query)

    def test_refuses(self, tmp_path):
        task = made_task(np.random.default_rng(4))
        queries, rows = np.ones((len(task.queries), 2), np.float32), np.ones((len(task.candidates), 2), np.float32)
        pool = pool_of(tmp_path, task, rows, 50)
        with pytest.raises(ValueError, match=r"13 of 40 passages of the task are not in any folder, such as .* \(th\)"):
            evaluate_pool(queries, Pool(pool.parts[:2]), task)
        with pytest.raises(ValueError, match=r"passage '.*' \(de\) is in .*/de, .*/de twice: keep one"):
            evaluate_pool(queries, Pool([*pool.parts, pool.parts[0]]), task)
        with pytest.raises(ValueError, match=r"query_embeddings has shape \(3, 2\): made needs \(14, dim\)"):
            evaluate_pool(queries[:3], pool, task)
        with pytest.raises(ValueError, match="have 3 dimensions and the shards 2"):
            evaluate_pool(np.ones((len(queries), 3), np.float32), pool, task)
        with pytest.raises(ValueError, match="n_agreement_groups is -1"):
            evaluate_pool(queries, pool, task, n_agreement_groups=-1)
        with pytest.raises(ValueError, match="a pool has no passages"):
            Pool([])


class TestStanding:
    @CPU_AND_TORCH
    def test_by_hand(self, tmp_path, device, monkeypatch):
        """Four passages of one score, of which two have one hash; no float tells hashes of that size apart."""
        hashes = {"p0": 2**63 + 2, "p1": 2**63 + 1, "p2": 2**63 + 2, "p3": 2**63 + 3, "p4": 2**63 + 4}
        monkeypatch.setattr("kit.evaluate.shards.store.stable_hash", hashes.get)
        rows, queries = np.array([[1], [1], [1], [1], [2]], np.float32), np.ones((1, 1), np.float32)
        ids = list(hashes)
        pool = Pool([part(tmp_path / tag, tag, ids[of], rows[of], 2) for tag, of in (("en", slice(3)), ("de", slice(3, 5)))])
        standing = Standing(queries, pool, np.zeros(5, np.int64), np.arange(5))
        scan(queries, pool, np.array([-1]), device, print, standing.read)
        # p4, which is the best, p1, p0 before p2 by their place, p3.
        assert standing.n_before.tolist() == [[1, 2], [0, 1], [2, 3], [1, 4], [0, 0]]

    @CPU_AND_TORCH
    def test_who_is_at_a_bound_is_near(self, device):
        import torch

        scores, place = np.tile(np.arange(6, dtype=np.float32), (2, 1)), np.array([0, 1])
        low, high, n_above = np.array([2, 9], np.float32), np.array([4, 9], np.float32), np.empty(2, np.int64)
        if device == "cpu":
            found = list(_near(scores, place, low, high, n_above))
        else:
            found = list(_near_on_device(torch.from_numpy(scores), place, low, high, n_above))
        assert [(pair.tolist(), row.tolist()) for pair, row in found] == [([0, 0, 0], [2, 3, 4])]
        assert n_above.tolist() == [1, 0]

    def test_no_more_than_a_crowd_and_a_list_are_near_at_a_time(self, monkeypatch):
        monkeypatch.setattr("kit.evaluate.shards.ranks.CROWD", 20)
        scores, bound = np.ones((1, 10), np.float32), np.ones(8, np.float32)
        found = list(_near(scores, np.zeros(8, np.int64), bound, bound, np.empty(8, np.int64)))
        assert [np.unique(pair, return_counts=True)[1].tolist() for pair, _ in found] == [[10] * 3, [10] * 3, [10] * 2]


class TestAgreement:
    @pytest.mark.parametrize("n_rows", [1000, 37])
    def test_is_spearman_without_what_is_left_out(self, tmp_path, n_rows):
        random = np.random.default_rng(5)
        queries, rows = whole_numbers(random, 5, 9), whole_numbers(random, 400, 9)
        pool = Pool([part(tmp_path, "en", [f"p{row}" for row in range(400)], rows, n_rows)])
        left_out = np.array([0, -1, 77, 77, 399])
        expected = spearman(np.delete(queries @ rows.T, [0, 77, 399], axis=1))
        assert (spearman_over(queries, pool, left_out) == expected).all()

    def test_scores_are_whole_numbers_of_the_same_order(self, monkeypatch):
        """Neighbouring floats of either sign are told apart, and both zeros are one number."""
        monkeypatch.setattr(agreement, "_AT_ONCE", 4)
        tiny, one = np.float32(1e-45), np.nextafter(np.float32(1), np.float32(2))
        ascending = np.array([-np.inf, -one, -1, -tiny, -0.0, 0.0, tiny, 1, one, np.inf], np.float32)
        with tempfile.TemporaryFile() as file:
            file.write(np.append(np.float32([7, 7]), ascending).tobytes())
            records = np.concatenate(list(agreement._records(file, 2, 10)))
        assert np.sign(np.diff(records["key"].astype(np.int64))).tolist() == [1, 1, 1, 1, 0, 1, 1, 1, 1]
        assert records["place"].tolist() == list(range(10))

    def test_neighbouring_scores_have_ranks_of_their_own(self):
        """Three scores are lower; then come one at 3, two that share 4 and 5, one at 6: twice that."""
        records = np.array([(14, 0), (11, 1), (10, 2), (11, 3)], agreement._RECORD)
        assert sorted(agreement._ranked(records, 3).tolist()) == [(6, 2), (9, 1), (9, 3), (12, 0)]

    def test_sums_of_products_are_exact(self, monkeypatch):
        """Of ranks as large as they get: neither float64 nor whole numbers of 64 bits hold the sums."""
        monkeypatch.setattr(agreement, "_RANKS_AT_ONCE", 1)
        most = 2**31 - 1
        lists = [[most] * 5, [most, 1 - most, most, 1 - most, 0]]
        with tempfile.TemporaryFile() as file:
            file.write(np.array(lists, np.int32).tobytes())
            found = agreement._products(file, 2, 5)
        assert found.tolist() == [[sum(a * b for a, b in zip(one, other)) / 4 for other in lists] for one in lists]

    @pytest.mark.parametrize(("n", "at_once"), [(10**6, 2**15), (2**24, 2**14), (2**30, 4), (2**32, 1)])
    def test_so_many_ranks_at_once_that_their_products_fit_64_bits(self, n, at_once, monkeypatch):
        def ask(file, place, n, dtype):
            raise InterruptedError(n)

        monkeypatch.setattr(agreement, "_read", ask)
        with pytest.raises(InterruptedError, match=f"^{at_once}$"), tempfile.TemporaryFile() as file:
            agreement._products(file, 1, n)

    @pytest.mark.parametrize(("at_once", "bits"), [(7, 14), (50, 31), (1000, 10)])
    def test_however_many_scores_are_ranked_at_once(self, tmp_path, monkeypatch, at_once, bits):
        """Scores of one dimension are the products themselves: ties, both zeros, tiny, huge and negative ones."""
        monkeypatch.setattr(agreement, "_AT_ONCE", at_once)
        monkeypatch.setattr(agreement, "_BITS", bits)
        random = np.random.default_rng(6)
        scores = np.concatenate([random.normal(size=60), [0.0, -0.0, 1e-30, -1e-30, 1e30, -1e30], np.repeat([0.5, -2], 30)])
        rows = random.permutation(scores).astype(np.float32)[:, None]
        queries = np.array([[1], [-1], [0.5], [0]], np.float32)  # the last one ranks nothing
        pool = Pool([part(tmp_path, "en", [f"p{row}" for row in range(len(rows))], rows, 11)])
        assert (spearman_over(queries, pool, np.array([-1])) == spearman(queries @ rows.T)).all()
