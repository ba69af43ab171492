"""The bias panel of a task: by hand, against a plain reading of the definitions over full score matrices, and its chance."""

from __future__ import annotations

from math import erfc, log2, sqrt

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats as scipy_stats
from scipy.spatial.distance import jensenshannon
from test_search import random_task, tied_embeddings

from kit.core.seeding import stable_fraction, stable_hash
from kit.data.corpus import RetrievalTask
from kit.evaluate.bias.list_agreement import spearman
from kit.evaluate.bias.panel import chance, panel_columns, parallel_groups
from kit.evaluate.bias.top_lists import TOP
from kit.evaluate.evaluation import BIAS_MEASURES, POOL
from kit.evaluate.evaluator import evaluate_embeddings
from kit.evaluate.ranks import score_lists
from kit.evaluate.search import search


def task_of(queries: str, candidates: str, relevance: dict[str, str], name: str = "hand") -> RetrievalTask:
    """A task from names: a query "a-de-1" is of group a and in German, a candidate "a-de" is in German."""
    return RetrievalTask.from_rows(
        name,
        [
            {"query_id": query, "group_id": query.split("-")[0], "language": query.split("-")[1], "text": "question"}
            for query in queries.split()
        ],
        [{"candidate_id": key, "language": key.split("-")[1], "text": "passage"} for key in candidates.split()],
        [{"query_id": query, "candidate_id": key} for query, keys in relevance.items() for key in keys.split()],
    )


LISTS = ("top_languages", "version_ranks", "agreement_with")


def columns_of(
    queries: np.ndarray,
    candidates: np.ndarray,
    task: RetrievalTask,
    seed: int = 0,
    n_groups: int | None = None,
    rescore=None,
) -> dict[str, list]:
    """The columns of the panel, by query."""
    table = evaluate_embeddings(queries, candidates, task, "made", seed, n_groups, rescore).per_query
    pool = table.filter([language == POOL for language in table.column("candidate_language").to_pylist()])
    return {name: pool.column(name).to_pylist() for name in (*BIAS_MEASURES, *LISTS)}


def list_agreement(queries: np.ndarray, candidates: np.ndarray, task: RetrievalTask, n_groups=None, seed=0) -> np.ndarray:
    """Agreement of each query's list with those in each language, (n_queries, n_languages)."""
    return np.array(columns_of(queries, candidates, task, seed, n_groups)["agreement_with"])


# Candidates are one-hot, so a query holds the score of each; group a is asked twice in German, group b in one language.
HAND = task_of(
    "a-de-1 a-de-2 a-en-1 a-es-1 b-en-1",
    "a-de a-en a-es x-de x-en y-en",
    {"a-de-1": "a-de a-en a-es", "a-de-2": "a-de a-en a-es", "a-en-1": "a-de a-en", "a-es-1": "x-de y-en", "b-en-1": "a-es"},
)
SCORES = {  # places of the candidates above
    "a-de-1": [0.9, 0.7, 0.5, 0.4, 0.6, 0.8],  # 1, 3, 5, 6, 4, 2
    "a-de-2": [0.4, 0.9, 0.8, 0.5, 0.6, 0.7],  # 6, 1, 2, 5, 4, 3
    "a-en-1": [0.9, 0.8, 0.7, 0.6, 0.5, 0.4],  # 1, 2, 3, 4, 5, 6
    "a-es-1": [0.4, 0.5, 0.6, 0.7, 0.8, 0.9],  # 6, 5, 4, 3, 2, 1
    "b-en-1": [0.9, 0.8, 0.7, 0.6, 0.5, 0.4],
}


@pytest.fixture(scope="module")
def hand() -> dict:
    return columns_of(np.array(list(SCORES.values()), np.float32), np.eye(6, dtype=np.float32), HAND)


class TestByHand:
    @pytest.mark.parametrize(
        ("measure", "expected"),
        [
            # Worst minus best rank of 1, 3, 5; of 6, 1, 2; of 1, 2; of 3, 1; one answer alone.
            ("rank_distance", [4, 5, 1, 2, np.nan]),
            ("cover_rank", [5, 6, 2, 3, np.nan]),
            ("complete_at_20", [1, 1, 1, 1, np.nan]),
            # A-DE leads for German; A-EN does; A-DE does for English; none of the two answers is Spanish; one answer.
            ("own_language_first", [1, 0, 0, np.nan, np.nan]),
        ],
    )
    def test_relevant_candidates(self, hand, measure, expected):
        assert hand[measure] == pytest.approx(expected, nan_ok=True)

    def test_agreement_with_every_language(self, hand):
        # 1 - 6 d / 210 with d the sum of squares of the differences of places.
        # de-1 and de-2 with en: 0 + 1 + 4 + 4 + 1 + 16 = 26 and 25 + 1 + 1 + 1 + 1 + 9 = 38; en is es turned round: -1.
        with_en = np.array([26, 38])
        # de-1 and de-2 with es: 25 + 4 + 1 + 9 + 4 + 1 = 44 and 0 + 16 + 4 + 4 + 4 + 4 = 32.
        with_es = np.array([44, 32])
        one, two = 1 - 6 * with_en / 210, 1 - 6 * with_es / 210
        expected = [
            [np.nan, one[0], two[0]],
            [np.nan, one[1], two[1]],
            [one.mean(), np.nan, -1],  # the two German lists count together as one language
            [two.mean(), -1, np.nan],
            [np.nan, np.nan, np.nan],
        ]
        assert np.array(hand["agreement_with"]) == pytest.approx(np.array(expected), nan_ok=True)
        own = [(one[0] + two[0]) / 2, (one[1] + two[1]) / 2, (one.mean() - 1) / 2, (two.mean() - 1) / 2, np.nan]
        assert hand["list_agreement"] == pytest.approx(own, nan_ok=True)

    def test_places_of_the_languages(self, hand):
        # All six candidates are in the top: two German, three English, one Spanish.
        assert hand["top_languages"] == [[2, 3, 1]] * 5

    def test_best_version_in_each_language(self, hand):
        assert hand["version_ranks"] == [[1, 3, 5], [6, 1, 2], [1, 2, None], [3, 1, None], [None, None, 3]]

    def test_attention(self, hand):
        # English query: de at 1 and 4, en at 2, 5 and 6, es at 3; JSD to 2/6, 3/6, 1/6.
        weight = [1 / log2(rank + 1) for rank in range(1, 7)]
        attention = np.array([weight[0] + weight[3], weight[1] + weight[4] + weight[5], weight[2]]) / sum(weight)
        expected = 1 - jensenshannon(attention, [2 / 6, 3 / 6, 1 / 6], base=2) ** 2
        assert hand["awrf_at_20"][2] == pytest.approx(expected)

    def test_peer(self, hand):
        # English query: wrong are es at 3, de at 4, en at 5 and 6, mean 9/2. Sum of squares 9/4 + 1/4 + 1/4 + 9/4 = 5;
        # between: 9/4 + 1/4 + 2 * 1 = 9/2; H = 3 * (9/2) / 5 = 27/10 of two degrees of freedom.
        assert hand["peer_at_20"][2] == pytest.approx(np.exp(-2.7 / 2))
        # Last query: es is its answer; wrong are de at 1 and 4, en at 2, 5 and 6, mean 18/5, sum of squares 86/5;
        # between: 2 (11/10)^2 + 3 (11/15)^2 = 121/30; H = 4 * (121/30) / (86/5) of one degree of freedom.
        assert hand["peer_at_20"][4] == pytest.approx(erfc(sqrt(4 * (121 / 30) / (86 / 5) / 2)))

    def test_left_out(self):
        queries = np.array(list(SCORES.values()), np.float32)
        evaluation = evaluate_embeddings(queries, np.eye(6, dtype=np.float32), HAND, "hand")
        assert evaluation.left_out() == {
            "rank_distance": 1,
            "cover_rank": 1,
            "complete_at_20": 1,
            "own_language_first": 2,
            "awrf_at_20": 0,
            "peer_at_20": 0,
            "list_agreement": 1,
        }

    def test_the_mean_is_over_queries_and_then_over_languages(self):
        queries = np.array(list(SCORES.values()), np.float32)
        summary = evaluate_embeddings(queries, np.eye(6, dtype=np.float32), HAND, "hand").summary()["multilingual"]
        # German 4 and 5, English 1, Spanish 2; German 1 and 0, English 0.
        assert summary["rank_distance"] == pytest.approx(((4 + 5) / 2 + 1 + 2) / 3)
        assert summary["own_language_first"] == pytest.approx((1 / 2 + 0) / 2)


def odd_task(random: np.random.Generator, n_groups: int = 12, n_others: int = 30) -> RetrievalTask:
    """Groups that lack languages, ask twice in one, have one answer, or several in a language; uneven languages."""
    tags, queries, relevance, candidates = ["de", "en", "es", "th"], [], {}, []
    for group in range(n_groups):
        answers = [f"c{group}{letter}-{random.choice(tags)}" for letter in "abcde"[: random.integers(1, 6)]]
        candidates += answers
        for tag in tags:
            for number in range(random.choice([0, 1, 1, 2])):
                queries.append(f"g{group}-{tag}-{number}")
                relevance[queries[-1]] = " ".join(answers)
    candidates += [f"x{number}-{random.choice(tags, p=[0.6, 0.2, 0.1, 0.1])}" for number in range(n_others)]
    return task_of(" ".join(queries), " ".join(candidates), relevance, "odd")


def read_plainly(scores: np.ndarray, task: RetrievalTask, seed: int) -> dict[str, list]:
    """Every column of the panel, a query at a time, from the whole score matrix and the definitions."""
    ids = task.candidates.column("candidate_id").to_pylist()
    tags, n_languages = task.candidate_language, len(task.languages)
    shares = np.bincount(tags, minlength=n_languages) / len(ids)
    found: dict[str, list] = {}
    for query, row in enumerate(scores):
        order = sorted(range(len(ids)), key=lambda index, row=row: (-row[index], stable_hash(ids[index], seed)))
        relevant = {candidate for one, candidate, _ in task.relevant_pairs if one == query}
        ranks = {candidate: order.index(candidate) + 1 for candidate in relevant}
        several, own = len(relevant) > 1, task.query_language[query]
        languages = {tags[candidate] for candidate in relevant}
        best = min(relevant, key=ranks.get)
        top = order[:TOP]
        versions = [
            min((rank for candidate, rank in ranks.items() if tags[candidate] == code), default=None)
            for code in range(n_languages)
        ]
        agreement = _agreement_plainly(scores, task, query)
        there = [value for value in agreement if value == value]
        for name, value in {
            "rank_distance": max(ranks.values()) - min(ranks.values()) if several else np.nan,
            "cover_rank": max(ranks.values()) if several else np.nan,
            "complete_at_20": float(relevant <= set(top)) if several else np.nan,
            "own_language_first": float(tags[best] == own) if len(languages) > 1 and own in languages else np.nan,
            "awrf_at_20": _awrf_plainly(tags[top], shares),
            "peer_at_20": _peer_plainly(order, relevant, tags),
            "list_agreement": np.mean(there) if there else np.nan,
            "top_languages": [int((tags[top] == code).sum()) for code in range(n_languages)],
            "version_ranks": versions,
            "agreement_with": agreement,
        }.items():
            found.setdefault(name, []).append(value)
    return found


def _awrf_plainly(top_languages: np.ndarray, shares: np.ndarray) -> float:
    attention = np.zeros(len(shares))
    for rank, code in enumerate(top_languages, start=1):
        attention[code] += 1 / log2(rank + 1)
    return 1 - jensenshannon(attention, shares, base=2) ** 2


def _peer_plainly(order: list[int], relevant: set[int], tags: np.ndarray) -> float:
    groups: dict[int, list[float]] = {}
    tail = np.mean(range(TOP + 1, len(order) + 1)) if len(order) > TOP else None
    for rank, candidate in enumerate(order, start=1):
        if candidate not in relevant:
            groups.setdefault(tags[candidate], []).append(rank if rank <= TOP else tail)
    values = np.concatenate(list(groups.values()))
    if len(groups) < 2 or len(set(values.tolist())) == 1:
        return np.nan
    # scipy's kruskal ranks its input anew; places in a list with gaps are not ranks, so H is an F-like sum by hand.
    between = sum(len(group) * (np.mean(group) - values.mean()) ** 2 for group in groups.values())
    statistic = (len(values) - 1) * between / ((values - values.mean()) ** 2).sum()
    return scipy_stats.chi2.sf(statistic, len(groups) - 1)


def _agreement_plainly(scores: np.ndarray, task: RetrievalTask, query: int) -> list[float]:
    groups = task.queries.column("group_id").to_pylist()
    means = []
    for code in range(len(task.languages)):
        partners = [
            other
            for other, group in enumerate(groups)
            if group == groups[query] and task.query_language[other] == code != task.query_language[query]
        ]
        found = [scipy_stats.spearmanr(scores[query], scores[other]).statistic for other in partners]
        means.append(np.mean(found) if found else np.nan)
    return means


def assert_equal_columns(found: dict, expected: dict) -> None:
    assert list(found) == list(expected) == [*BIAS_MEASURES, *LISTS]
    for name in ("top_languages", "version_ranks"):
        assert found[name] == expected[name]
    for name in (*BIAS_MEASURES, "agreement_with"):
        assert np.array(found[name]) == pytest.approx(np.array(expected[name]), nan_ok=True, abs=1e-9), name


class TestAgainstAPlainReading:
    @pytest.mark.parametrize("seed", range(4))
    def test_with_many_ties(self, seed):
        random = np.random.default_rng(seed)
        task = odd_task(random)
        queries, candidates = tied_embeddings(random, task)
        queries[(queries == 0).all(axis=1)] = 1  # a list of equal scores has no correlation: a test of its own
        expected = read_plainly(queries @ candidates.T, task, seed)
        assert_equal_columns(columns_of(queries, candidates, task, seed), expected)

    @pytest.mark.parametrize("seed", range(2))
    def test_without_ties(self, seed):
        random = np.random.default_rng(seed)
        task = odd_task(random)
        vectors = [random.normal(size=(len(rows), 8)).astype(np.float32) for rows in (task.queries, task.candidates)]
        assert_equal_columns(columns_of(*vectors, task), read_plainly(vectors[0] @ vectors[1].T, task, 0))

    def test_fewer_candidates_than_places(self):
        random = np.random.default_rng(3)
        task = odd_task(random, n_groups=3, n_others=5)
        assert len(task.candidates) < TOP
        queries, candidates = tied_embeddings(random, task)
        queries[(queries == 0).all(axis=1)] = 1
        found = columns_of(queries, candidates, task)
        assert_equal_columns(found, read_plainly(queries @ candidates.T, task, 0))
        assert {sum(counts) for counts in found["top_languages"]} == {len(task.candidates)}

    def test_rescored(self):
        random = np.random.default_rng(4)
        task = odd_task(random)
        queries, candidates = tied_embeddings(random, task)
        change = random.permuted(np.tile(np.arange(len(candidates)) / 8, (len(queries), 1)), axis=1).astype(np.float32)
        rescore = lambda scores, query, candidate: scores + change[np.ix_(query, candidate)]
        found = columns_of(queries, candidates, task, rescore=rescore)
        assert_equal_columns(found, read_plainly(queries @ candidates.T + change, task, 0))

    def test_rescored_by_nothing(self):
        random = np.random.default_rng(5)
        task = odd_task(random)
        embeddings = tied_embeddings(random, task)
        same = columns_of(*embeddings, task, rescore=lambda scores, query, candidate: scores)
        np.testing.assert_equal(same, columns_of(*embeddings, task))


class TestListAgreement:
    def test_equal_scores_agree_with_nothing(self):
        task = task_of("a-de-1 a-en-1 a-es-1", "a-de a-en x-de", dict.fromkeys(("a-de-1", "a-en-1", "a-es-1"), "a-de"))
        queries = np.array([[1, 2, 3], [0, 0, 0], [1, 2, 3]], np.float32)
        agreement = list_agreement(queries, np.eye(3, dtype=np.float32), task)
        assert agreement == pytest.approx(np.array([[np.nan, 0, 1], [0, np.nan, 0], [1, 0, np.nan]]), nan_ok=True)

    def _embeddings(self, n_groups: int = 30) -> tuple[RetrievalTask, np.ndarray, np.ndarray]:
        random = np.random.default_rng(0)
        task = odd_task(random, n_groups=n_groups)
        return task, *tied_embeddings(random, task)

    def _chosen(self, task: RetrievalTask, agreement: np.ndarray) -> set[str]:
        measured = ~np.isnan(agreement).all(axis=1)
        return {group for group, one in zip(task.queries.column("group_id").to_pylist(), measured) if one}

    @pytest.mark.parametrize("seed", [0, 7])
    def test_groups_are_chosen_by_their_hashes(self, seed):
        task, queries, candidates = self._embeddings()
        parallel = self._chosen(task, list_agreement(queries, candidates, task))
        by_hash = sorted(parallel, key=lambda group: stable_fraction(group, seed))
        for n_groups in (0, 1, 5, len(parallel) - 1):
            found = self._chosen(task, list_agreement(queries, candidates, task, n_groups, seed))
            assert found == set(by_hash[:n_groups])

    def test_the_chosen_have_the_values_that_they_have_among_all(self):
        task, queries, candidates = self._embeddings()
        whole, some = (list_agreement(queries, candidates, task, n_groups) for n_groups in (None, 5))
        chosen = ~np.isnan(some)
        assert chosen.any() and (some[chosen] == whole[chosen]).all()

    def test_the_order_of_the_queries_does_not_matter(self):
        task, queries, candidates = self._embeddings()
        order = np.random.default_rng(1).permutation(len(queries))
        turned = RetrievalTask("odd", task.languages, task.queries.take(order), task.candidates, task.relevance)
        before = list_agreement(queries, candidates, task, 6)
        after = list_agreement(queries[order], candidates, turned, 6)
        assert after == pytest.approx(before[order], nan_ok=True)

    def test_other_groups_do_not_change_the_choice_among_the_rest(self):
        task, queries, candidates = self._embeddings()
        chosen = self._chosen(task, list_agreement(queries, candidates, task, 6))
        dropped = sorted(chosen)[0]
        kept = np.array([group != dropped for group in task.queries.column("group_id").to_pylist()])
        names = set(task.queries.filter(kept).column("query_id").to_pylist())
        relevance = task.relevance.filter([name in names for name in task.relevance.column("query_id").to_pylist()])
        smaller = RetrievalTask("odd", task.languages, task.queries.filter(kept), task.candidates, relevance)
        found = self._chosen(smaller, list_agreement(queries[kept], candidates, smaller, 6))
        assert chosen - {dropped} < found and len(found) == 6

    def test_more_groups_than_there_are(self):
        task, queries, candidates = self._embeddings(n_groups=4)
        whole, more = (list_agreement(queries, candidates, task, n_groups) for n_groups in (None, 99))
        np.testing.assert_array_equal(whole, more)

    @pytest.mark.parametrize("chunk_size", [3, 7])  # less than some groups have
    def test_the_size_of_a_chunk_changes_nothing(self, chunk_size):
        task, queries, candidates = self._embeddings()
        groups = parallel_groups(task)
        assert any(len(rows) > 3 for rows in groups)
        whole, parts = (
            search(queries, candidates, task, groups=groups, of_group=spearman, chunk_size=size, device="cpu").of_groups
            for size in (len(queries), chunk_size)
        )
        for one, other in zip(whole, parts, strict=True):
            np.testing.assert_array_equal(one, other)

    def test_the_seed_is_0_if_none_is_named(self):
        task, _, _ = self._embeddings()
        by_default, by_0, by_1 = (
            [rows.tolist() for rows in parallel_groups(task, 5, **seed)] for seed in ({}, {"seed": 0}, {"seed": 1})
        )
        assert by_default == by_0 != by_1

    def test_a_negative_number_of_groups_is_refused(self):
        with pytest.raises(ValueError, match="n_agreement_groups is -1: choose 0 or more, or None for all"):
            evaluate_embeddings(
                np.eye(5, 6, dtype=np.float32), np.eye(6, dtype=np.float32), HAND, "x", n_agreement_groups=-1
            )


class TestLargerPool:
    """A pool of 4, 4 and 8 candidates of the languages, of which the task names two, three and one."""

    COUNTS = np.tile([4, 4, 8], (5, 1))

    def test_shares_are_those_of_the_pool_and_lists_hold_whole_numbers(self):
        found = search(np.array(list(SCORES.values()), np.float32), np.eye(6, dtype=np.float32), HAND, k=6, device="cpu")
        columns = panel_columns(HAND, found, score_lists(HAND, found.ranks)[1], [], self.COUNTS)
        shares = np.array([1, 1, 2]) / 4
        expected = [_awrf_plainly(HAND.candidate_language[top], shares) for top in found.top]
        assert columns["awrf_at_20"] == pytest.approx(expected)
        assert columns["top_languages"].type == columns["version_ranks"].type == pa.list_(pa.int64())

    def test_chance(self):
        # As in TestChance, with n = 16: 17 (m - 1) / (m + 1) and 17 m / (m + 1), of three answers, two and two.
        expected = chance(HAND, self.COUNTS)
        assert expected["rank_distance"] == pytest.approx(17 * (1 / 2 + 1 / 3 + 1 / 3) / 3)
        assert expected["cover_rank"] == pytest.approx(17 * (3 / 4 + 2 / 3 + 2 / 3) / 3)
        assert expected["complete_at_20"] == 1


class TestOneLanguage:
    TASK = task_of("a-de-1 b-de-1", "a-de b-de x-de", {"a-de-1": "a-de b-de", "b-de-1": "b-de"})

    def test_what_is_left(self):
        columns = columns_of(np.array([[3, 2, 1], [3, 2, 1]], np.float32), np.eye(3, dtype=np.float32), self.TASK)
        assert columns["rank_distance"] == pytest.approx([1, np.nan], nan_ok=True)
        assert columns["awrf_at_20"] == pytest.approx([1, 1])
        for measure in ("own_language_first", "peer_at_20", "list_agreement"):
            assert np.isnan(columns[measure]).all()
        assert columns["top_languages"] == [[3], [3]] and columns["version_ranks"] == [[1], [2]]

    def test_chance(self):
        # n = 3, m = 2: distance 4 * 1 / 3, cover rank 2 * 4 / 3; the list is shorter than 20, so always complete.
        expected = chance(self.TASK)
        assert expected["rank_distance"] == pytest.approx(4 / 3) and expected["cover_rank"] == pytest.approx(8 / 3)
        assert (expected["complete_at_20"], expected["awrf_at_20"]) == (1, 1)
        assert np.isnan([expected["own_language_first"], expected["peer_at_20"], expected["list_agreement"]]).all()


@pytest.fixture(scope="module")
def drawn() -> tuple[RetrievalTask, list[dict]]:
    """Summaries of 200 models whose scores are random: every order of the pool is as likely, for every query."""
    random = np.random.default_rng(1)
    task = random_task(random, n_groups=8, languages="de en es th", n_others=40)
    n, found = len(task.candidates), []
    for _ in range(200):
        scores = random.random((len(task.queries), n)).astype(np.float32)
        found.append(evaluate_embeddings(scores, np.eye(n, dtype=np.float32), task, "random").summary()["multilingual"])
    return task, found


class TestChance:
    def test_by_hand(self):
        expected = chance(HAND)
        # n = 6. German: two queries of 3 answers, distance 7 * 2 / 4; English: one of 2 (the other has one), 7 * 1 / 3;
        # Spanish: one of 2.
        assert expected["rank_distance"] == pytest.approx((7 / 2 + 7 / 3 + 7 / 3) / 3)
        assert expected["cover_rank"] == pytest.approx((3 * 7 / 4 + 2 * 7 / 3 + 2 * 7 / 3) / 3)
        # German: one of three; English: one of two; Spanish: none of its answers is Spanish.
        assert expected["own_language_first"] == pytest.approx((1 / 3 + 1 / 2) / 2)
        assert (expected["complete_at_20"], expected["peer_at_20"], expected["list_agreement"]) == (1, 0.5, 0)

    @pytest.mark.parametrize("measure", BIAS_MEASURES)
    def test_is_what_random_embeddings_have(self, drawn, measure):
        task, summaries = drawn
        values = np.array([summary[measure] for summary in summaries])
        # The p-values of PEER are uniform only for large pools, and AWRF is itself a mean of random lists.
        slack = {"peer_at_20": 0.02, "awrf_at_20": 0.003}.get(measure, 0)
        assert abs(values.mean() - chance(task)[measure]) < 4 * values.std() / sqrt(len(values)) + slack

    def test_has_every_measure(self):
        assert list(chance(HAND)) == list(BIAS_MEASURES)
