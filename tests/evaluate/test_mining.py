"""Mining: against a plain reading of the paper, by hand, with ties and hubs; scores against brute force and scikit-learn."""

from __future__ import annotations

import importlib
import math
import sys
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from sklearn.metrics import f1_score

from kit.compare import stats
from kit.core.seeding import stable_hash
from kit.data.bitext import BitextTask
from kit.evaluate.mining.margins import DIRECTIONS, MARGINS, MinedPairs, margin_scores, mine, mine_neighbourhood, pair_keys
from kit.evaluate.mining.neighbours import Neighbourhood, _reached_by_k, encode_bitext, neighbourhood
from kit.evaluate.mining.scores import best_threshold, score, tatoeba
from kit.train.config import EncoderConfig

neighbours = importlib.import_module("kit.evaluate.mining.neighbours")
scores = importlib.import_module("kit.evaluate.mining.scores")
FEW = settings(max_examples=40, deadline=None, database=None)


def made_task(n_source: int, n_target: int, gold=None) -> BitextTask:
    """Sentences 0, 1, … on both sides under the same ids; gold: pairs of indices, by default those of the same index."""
    gold = [(n, n) for n in range(min(n_source, n_target))] if gold is None else gold
    sides = [
        [{"sentence_id": f"s{n}", "text": f"{tag} {n}"} for n in range(n_rows)]
        for tag, n_rows in (("de", n_source), ("en", n_target))
    ]
    rows = [{"source_id": f"s{i}", "target_id": f"s{j}"} for i, j in gold]
    return BitextTask.from_rows("made", "de", "en", *sides, rows)


def unit(rows) -> np.ndarray:
    rows = np.asarray(rows, np.float64)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def random_embeddings(random: np.random.Generator, n_source: int, n_target: int, dim: int = 6):
    """Rows around a common direction, so that neighbours have positive cosines; some texts stand several times."""
    sides = []
    for n_rows in (n_source, n_target):
        rows = unit(random.normal(size=(n_rows, dim)) + 1.0)
        sides.append(rows[random.integers(0, n_rows, n_rows)] if random.random() < 0.5 else rows)
    return sides


def paper(task: BitextTask, x: np.ndarray, y: np.ndarray, margin: str, direction: str, k: int, seed: int) -> list[tuple]:
    """The mined pairs (source, target, score), best first, in plain Python: every cosine, every list, every mean."""
    cosine = [[math.fsum(float(a) * float(b) for a, b in zip(row, other)) for other in y] for row in x]
    place = {
        side: [stable_hash(f"{side} {sentence_id}", seed) for sentence_id in task.sentence_ids(side)]
        for side in ("source", "target")
    }
    # Cosines that differ by rounding only are one cosine: equal rows give equal sums, whatever the order.
    near_x = [sorted(range(len(y)), key=lambda j, i=i: (-cosine[i][j], place["target"][j]))[:k] for i in range(len(x))]
    near_y = [sorted(range(len(x)), key=lambda i, j=j: (-cosine[i][j], place["source"][i]))[:k] for j in range(len(y))]
    mean_x = [sum(cosine[i][j] for j in near_x[i]) / k for i in range(len(x))]
    mean_y = [sum(cosine[i][j] for i in near_y[j]) / k for j in range(len(y))]

    def value(i: int, j: int) -> float:
        a, b = cosine[i][j], (mean_x[i] + mean_y[j]) / 2
        return {"absolute": a, "distance": a - b, "ratio": a / b}[margin]

    key = lambda pair: (-round(value(*pair), 12), place["source"][pair[0]], place["target"][pair[1]])
    forward = [min(((i, j) for j in near_x[i]), key=key) for i in range(len(x))]
    backward = [min(((i, j) for i in near_y[j]), key=key) for j in range(len(y))]
    if direction == "max":
        pairs, used_x, used_y = [], set(), set()
        for i, j in sorted(set(forward + backward), key=key):
            if i not in used_x and j not in used_y:
                pairs.append((i, j))
                used_x.add(i)
                used_y.add(j)
    else:
        pairs = {"forward": forward, "backward": backward, "intersection": set(forward) & set(backward)}[direction]
    return [(i, j, value(i, j)) for i, j in sorted(pairs, key=key)]


def listed(mined: MinedPairs) -> list[tuple[int, int]]:
    return list(zip(mined.source.tolist(), mined.target.tolist()))


class TestAgainstThePaper:
    @pytest.mark.parametrize("k", [1, 3, 4, 9])
    @pytest.mark.parametrize("direction", DIRECTIONS)
    @pytest.mark.parametrize("margin", MARGINS)
    def test_pairs_and_scores(self, margin, direction, k):
        for seed in range(6):
            random = np.random.default_rng([seed, k])
            n_source, n_target = (9, 13) if seed % 2 else (14, 9)
            task = made_task(n_source, n_target)
            x, y = random_embeddings(random, n_source, n_target)
            mined = mine(task, x, y, margin, direction, k, seed)
            expected = paper(task, x, y, margin, direction, k, seed)
            assert listed(mined) == [(i, j) for i, j, _ in expected]
            np.testing.assert_allclose(mined.score, [value for *_, value in expected], rtol=0, atol=1e-6)

    def test_one_case_by_hand(self):
        # Cosines of source 0 with the targets: 0.8 and 0.6; of source 1: 0 and 0.8.
        # k = 2: means of sources (0.8 + 0.6) / 2 = 0.7 and (0 + 0.8) / 2 = 0.4; of targets (0.8 + 0) / 2 = 0.4 and 0.7.
        # ratio of 0-0: 0.8 / ((0.7 + 0.4) / 2) = 1.4545; 0-1: 0.6 / 0.7 = 0.857; 1-1: 0.8 / 0.55 = 1.4545; 1-0: 0 / 0.4.
        x = unit([[1, 0, 0], [0, 1, 0]])
        y = np.array([[0.8, 0, 0.6], [0.6, 0.8, 0]], np.float32)
        found = neighbourhood(made_task(2, 2), x, y, k=2)
        by_source, by_target = margin_scores(found, "ratio")
        assert found.target_of.tolist() == [[0, 1], [1, 0]]
        assert found.source_of.tolist() == [[0, 1], [1, 0]]
        assert (found.source_position.dtype, found.target_position.dtype) == (np.int64, np.int64)
        np.testing.assert_allclose(by_source, [[0.8 / 0.55, 0.6 / 0.7], [0.8 / 0.55, 0]], rtol=1e-6)
        np.testing.assert_allclose(by_target, [[0.8 / 0.55, 0], [0.8 / 0.55, 0.6 / 0.7]], rtol=1e-6)
        np.testing.assert_allclose(margin_scores(found, "distance")[0], [[0.25, -0.1], [0.25, -0.4]], atol=1e-6)
        np.testing.assert_allclose(margin_scores(found, "absolute")[0], [[0.8, 0.6], [0.8, 0.0]], atol=1e-6)

    def test_a_pair_has_one_score_whichever_side_asks(self):
        x, y = random_embeddings(np.random.default_rng(5), 40, 30, dim=50)
        found = neighbourhood(made_task(40, 30), x, y, k=4)
        by_source, by_target = margin_scores(found, "ratio")
        forward = {(i, j): by_source[i, m] for i in range(40) for m, j in enumerate(found.target_of[i].tolist())}
        backward = {(i, j): by_target[j, m] for j in range(30) for m, i in enumerate(found.source_of[j].tolist())}
        shared = forward.keys() & backward.keys()
        assert len(shared) > 20 and all(forward[pair] == backward[pair] for pair in shared)

    def test_directions(self):
        x, y = random_embeddings(np.random.default_rng(3), 30, 20)
        found = neighbourhood(made_task(30, 20), x, y)
        made = {direction: mine_neighbourhood(found, "ratio", direction) for direction in DIRECTIONS}
        assert sorted(made["forward"].source.tolist()) == list(range(30))
        assert sorted(made["backward"].target.tolist()) == list(range(20))
        assert set(listed(made["intersection"])) == set(listed(made["forward"])) & set(listed(made["backward"]))
        assert set(listed(made["intersection"])) <= set(listed(made["max"]))
        assert len(set(made["max"].source.tolist())) == len(set(made["max"].target.tolist())) == len(made["max"])

    def test_equal_scores_of_unequal_cosines_go_by_the_tie_rule(self):
        # Cosines of source 0: 0.75, 0.5; of source 1: 0.75, 0. Means of sources 0.625, 0.375; of targets 0.75, 0.25.
        # Distances of source 0: 0.75 - 0.6875 and 0.5 - 0.4375, both 0.0625.
        cosines = np.array([[0.75, 0.5], [0.75, 0.0]]), np.array([[0.75, 0.75], [0.5, 0.0]])
        of = np.array([[0, 1], [0, 1]])
        for positions, target in (([0, 1], 0), ([1, 0], 1)):
            made = Neighbourhood(of, cosines[0], of, cosines[1], np.array([0, 1]), np.array(positions))
            mined = mine_neighbourhood(made, "distance", "forward")
            assert mined.target[mined.source == 0].tolist() == [target]

    def test_the_two_sides_are_treated_alike(self):
        x, y = random_embeddings(np.random.default_rng(8), 12, 12)
        task = made_task(12, 12)
        for there, back in (("forward", "backward"), ("max", "max"), ("intersection", "intersection")):
            turned = mine(task, y, x, direction=back)
            assert sorted(listed(mine(task, x, y, direction=there))) == sorted((j, i) for i, j in listed(turned))

    def test_what_comes_back(self):
        x, y = random_embeddings(np.random.default_rng(2), 10, 10)
        mined = mine(made_task(10, 10), x, y)
        assert (mined.source.dtype, mined.target.dtype, mined.score.dtype) == (np.int64, np.int64, np.float64)
        assert (np.diff(mined.score) <= 0).all()
        assert mined.recall == 1.0
        assert listed(mined) == listed(mine(made_task(10, 10), x, y, "ratio", "max", 4, 0))  # the defaults
        again = mine_neighbourhood(neighbourhood(made_task(10, 10), x, y))
        assert (listed(again), again.score.tolist()) == (listed(mined), mined.score.tolist())


class TestSearch:
    def test_chunks_change_nothing(self):
        x, y = random_embeddings(np.random.default_rng(0), 70, 90, dim=33)
        task = made_task(70, 90)
        whole = mine(task, x, y)
        for chunk_size in (1, 7, 64, 1000):
            parts = mine(task, x, y, chunk_size=chunk_size)
            assert listed(parts) == listed(whole)
            assert (parts.score == whole.score).all()  # bit by bit

    def test_differences_that_float32_hides_are_seen(self):
        # 3,000 near copies of one target: their cosines differ by less than a sum of 200 products in float32 is wrong.
        random = np.random.default_rng(1)
        y = unit(random.normal(size=200) + 3e-7 * random.normal(size=(3000, 200)))
        x = unit(y[:20] + 0.05 * random.normal(size=(20, 200)))
        exact = x.astype(np.float64) @ y.astype(np.float64).T
        found = neighbourhood(made_task(20, 3000), x, y, k=4)
        np.testing.assert_allclose(found.target_cosine, -np.sort(-exact, axis=1)[:, :4], rtol=0, atol=1e-12)
        rounded = np.argsort(-(x @ y.T), axis=1, kind="stable")[:, :4]
        assert (np.sort(rounded) != np.sort(found.target_of)).any()  # so float32 alone goes wrong

    def test_piles_lose_nothing(self):
        random = np.random.default_rng(4)
        x, y = unit(random.normal(size=(20, 16))), unit(random.normal(size=(5003, 16)))
        found = neighbourhood(made_task(20, 5003), x, y, k=15)
        exact = x.astype(np.float64) @ y.astype(np.float64).T
        np.testing.assert_array_equal(found.target_of, np.argsort(-exact, axis=1)[:, :15])
        np.testing.assert_allclose(found.target_cosine, -np.sort(-exact, axis=1)[:, :15], atol=1e-12)

    @pytest.mark.parametrize(("n", "k"), [(100, 100), (512, 20), (600, 500), (5003, 15)])
    def test_k_scores_or_more_reach_the_bound_of_the_piles(self, n, k):
        scores = np.random.default_rng(0).random((3, n), np.float32)
        assert ((scores >= _reached_by_k(scores, k)[:, None]).sum(axis=1) >= k).all()

    @FEW
    @given(st.integers(0, 2**32 - 1))
    def test_ties_go_by_the_hash_of_side_and_id(self, seed):
        random = np.random.default_rng(seed)
        corners = unit(np.ones((1, 4)) + np.eye(4)[random.integers(0, 4, 1)])
        x, y = np.repeat(corners, 6, axis=0), np.repeat(corners, 8, axis=0)
        task = made_task(6, 8)
        found = neighbourhood(task, x, y, k=3, seed=seed)
        order = sorted(range(8), key=lambda j: stable_hash(f"target s{j}", seed))
        assert found.target_of.tolist() == [order[:3]] * 6
        order = sorted(range(6), key=lambda i: stable_hash(f"source s{i}", seed))
        assert found.source_of.tolist() == [order[:3]] * 8

    @pytest.mark.parametrize("margin", MARGINS)
    @pytest.mark.parametrize("direction", DIRECTIONS)
    def test_constant_embeddings_score_like_chance(self, margin, direction):
        """Ids, indices and gold agree on both sides, so a tie broken by any of them would find the gold."""
        constant = unit(np.ones((40, 8)))
        task = made_task(40, 40)
        n_correct = [
            score(mine(task, constant, constant, margin, direction, seed=seed), task.gold_pairs).n_correct
            for seed in range(40)
        ]
        if direction in ("forward", "backward"):  # all have one partner, which is right for one of them
            assert n_correct == [1] * 40
        else:  # one pair is left, right for one seed in 40
            assert sum(n_correct) <= 5

    def test_constant_embeddings_find_no_translation_in_tatoeba(self):
        constant = unit(np.ones((40, 8)))
        made = [tatoeba(made_task(40, 40), constant, constant, seed=seed).summary() for seed in range(5)]
        assert {one["accuracy"] for one in made} == {1 / 40}

    def test_the_order_of_the_file_changes_nothing(self):
        x, y = random_embeddings(np.random.default_rng(6), 15, 15)
        x[3:7], y[5:9] = x[0], y[0]
        task, order = made_task(15, 15), np.random.default_rng(0).permutation(15)
        rows = [task.source.to_pylist()[i] for i in order]
        turned = BitextTask.from_rows("made", "de", "en", rows, task.target.to_pylist(), task.gold.to_pylist())
        mined, again = mine(task, x, y), mine(turned, x[order], y)
        assert [(order[i], j) for i, j in listed(again)] == listed(mined)

    def test_a_text_that_maps_to_nothing_is_near_nothing(self):
        x, y = random_embeddings(np.random.default_rng(7), 12, 12)
        x[4] = 0
        found = neighbourhood(made_task(12, 12), x, y)
        assert (found.target_cosine[4] == 0).all()
        assert not (found.source_of == 4).any()


class TestHubs:
    @staticmethod
    def _hubs(n: int = 60, n_hubs: int = 3, dim: int = 48):
        """Pairs of directions, each a noisy copy of its translation, and targets that are near to every source."""
        random = np.random.default_rng(11)
        base = random.normal(size=(n, dim))
        centre = np.ones(dim) * 0.8
        x = unit(base + centre)
        y = unit(base + centre + 1.6 * random.normal(size=(n, dim)))
        hubs = unit(x.mean(axis=0) + 0.02 * random.normal(size=(n_hubs, dim)))
        return made_task(n, n + n_hubs), x, np.concatenate([y, hubs])

    def test_a_margin_beats_nearest_neighbours(self):
        task, x, y = self._hubs()
        found = neighbourhood(task, x, y)
        f1 = {margin: score(mine_neighbourhood(found, margin, "forward"), task.gold_pairs).f1 for margin in MARGINS}
        hub_share = (mine_neighbourhood(found, "absolute", "forward").target >= 60).mean()
        assert hub_share > 0.3  # the nearest neighbour of many sources is a hub
        assert f1["ratio"] > f1["absolute"] + 0.2
        assert f1["distance"] > f1["absolute"] + 0.2

    def test_a_threshold_keeps_distractors_out(self):
        random = np.random.default_rng(12)
        base = random.normal(size=(80, 32))
        x, y = unit(base), unit(base + 0.5 * random.normal(size=base.shape))
        y[40:] = unit(random.normal(size=(40, 32)))  # sources and targets from 40 on have no partner
        task = made_task(80, 80, [(n, n) for n in range(40)])
        mined = mine(task, x, y)
        cut = score(mined, task.gold_pairs, best_threshold(mined, task.gold_pairs))
        assert cut.f1 > 0.95
        assert score(mined, task.gold_pairs).f1 < 0.8  # all pairs, distractors with distractors among them


class TestFaiss:
    @pytest.mark.parametrize("direction", DIRECTIONS)
    def test_with_all_lists_it_is_exact(self, direction):
        random = np.random.default_rng(0)
        x, y = unit(random.normal(size=(300, 24)) + 0.5), unit(random.normal(size=(400, 24)) + 0.5)
        task = made_task(300, 400)
        exact = mine(task, x, y, direction=direction)
        found = mine(task, x, y, direction=direction, index="faiss", n_probes=1000)
        assert listed(found) == listed(exact)
        assert (found.score == exact.score).all()
        assert found.recall == 1.0

    def test_few_lists_lose_neighbours_and_say_so(self):
        random = np.random.default_rng(0)
        x, y = unit(random.normal(size=(2000, 24))), unit(random.normal(size=(2000, 24)))
        task = made_task(2000, 2000)
        one, many = (neighbourhood(task, x, y, index="faiss", n_probes=n_probes) for n_probes in (1, 12))
        true = neighbourhood(task, x, y)
        shares = []
        for found in (one, many):
            sides = ("target_cosine", "source_cosine")
            shares.append(np.mean([getattr(found, side) >= getattr(true, side)[:, -1:] for side in sides]))
        assert 0.05 < one.recall < many.recall < 1
        assert abs(one.recall - shares[0]) < 0.03  # the sample is half of each side
        assert abs(many.recall - shares[1]) < 0.03
        assert mine(task, x, y, index="faiss", n_probes=1).recall == one.recall

    def test_a_query_whose_lists_hold_too_few_is_searched_for_exactly(self):
        random = np.random.default_rng(0)
        # Two clusters of targets, one of three sentences: k = 5 cannot be served by it.
        one, other = np.array([9, 0, 0, 0]), np.array([0, 90, 0, 0])
        y = unit(np.concatenate([random.normal(size=(97, 4)) + one, random.normal(size=(3, 4)) + other]))
        x = unit(random.normal(size=(10, 4)) + other)
        found = neighbourhood(made_task(10, 100), x, y, k=5, index="faiss", n_probes=1)
        true = neighbourhood(made_task(10, 100), x, y, k=5)
        assert (found.target_of >= 0).all()
        np.testing.assert_array_equal(found.target_of, true.target_of)

    def test_few_sentences_write_no_warning(self, capfd):
        x, y = random_embeddings(np.random.default_rng(0), 5, 6)
        mined = mine(made_task(5, 6), x, y, k=2, index="faiss")
        assert listed(mined) == listed(mine(made_task(5, 6), x, y, k=2))
        assert capfd.readouterr() == ("", "")

    def test_it_leaves_the_number_of_threads(self):
        import faiss

        before = faiss.omp_get_max_threads()
        x, y = random_embeddings(np.random.default_rng(0), 5, 6)
        try:
            faiss.omp_set_num_threads(3)
            mine(made_task(5, 6), x, y, k=2, index="faiss")
            assert faiss.omp_get_max_threads() == 3
        finally:
            faiss.omp_set_num_threads(before)

    def test_it_is_imported_only_here(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "faiss", None)  # an import raises
        x, y = random_embeddings(np.random.default_rng(0), 5, 6)
        mine(made_task(5, 6), x, y)
        with pytest.raises(ImportError):
            mine(made_task(5, 6), x, y, index="faiss")


class TestFaults:
    X, Y = random_embeddings(np.random.default_rng(0), 5, 6)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"source_embeddings": X.astype(np.float64)}, "source_embeddings is float64: give a NumPy array of float32"),
            ({"target_embeddings": Y.tolist()}, "target_embeddings is <class 'list'>|list: give a NumPy array"),
            ({"source_embeddings": Y}, r"source_embeddings has shape \(6, 6\): made needs \(5, dim\)"),
            ({"target_embeddings": Y[0]}, r"target_embeddings has shape \(6,\): made needs \(6, dim\)"),
            ({"target_embeddings": 2 * Y}, r"target_embeddings, row 0: length 2: divide rows by their lengths"),
            ({"target_embeddings": Y * np.float32([[1], [1], [1], [1], [2], [1]])}, "target_embeddings, row 4: length 2"),
            ({"source_embeddings": X * np.float32("nan")}, "source_embeddings, row 0: length nan"),
            ({"source_embeddings": X * np.float32(1e30)}, "source_embeddings, row 0: length inf"),
            ({"source_embeddings": unit(X[:, :3])}, "source_embeddings have 3 dimensions and target_embeddings 6"),
            ({"k": 0}, "k is 0: choose 1 to 5, the number of sentences of the smaller side of made"),
            ({"k": 6}, "k is 6: choose 1 to 5"),
            ({"chunk_size": 0}, "chunk_size is 0: choose at least 1"),
            ({"index": "hnsw"}, "index is 'hnsw': choose exact or faiss"),
            ({"n_probes": 0, "index": "faiss"}, "n_probes is 0: choose at least 1"),
            ({"margin": "cosine"}, "margin is 'cosine': choose from absolute, distance, ratio"),
            ({"direction": "both"}, "direction is 'both': choose from forward, backward, intersection, max"),
        ],
    )
    def test_refused(self, change, message):
        with pytest.raises(ValueError, match=message):
            mine(made_task(5, 6), **({"source_embeddings": self.X, "target_embeddings": self.Y} | change))

    def test_an_unknown_choice_is_refused_after_the_search_too(self):
        found = neighbourhood(made_task(5, 6), self.X, self.Y)
        with pytest.raises(ValueError, match=r"^margin is 'cosine': choose from"):
            margin_scores(found, "cosine")
        with pytest.raises(ValueError, match=r"^direction is 'both': choose from"):
            mine_neighbourhood(found, direction="both")

    def test_a_ratio_by_nothing_is_refused(self):
        # k = 2: source 0 has cosines 1 and -1 with the two targets, a mean of 0, and so has everything else.
        x = unit([[1, 0], [-1, 0]])
        with pytest.raises(ValueError, match=r"margin is 'ratio', and it would divide by 0, .*: choose margin 'distance'"):
            mine(made_task(2, 2), x, x, k=2)
        assert mine(made_task(2, 2), x, x, k=2, margin="distance").score.tolist() == [1, 1]

    @pytest.mark.parametrize("direction", DIRECTIONS)
    def test_pairs_without_a_ratio_can_be_dropped(self, direction):
        # k = 2. Sources 0 and 1 have cosines 1 and 0.6 with targets 0 and 1; source 2 has 0 and -0.8 with them, a mean below
        # 0, but target 1 has a mean of 0.8. So 2-0 has b = (-0.4 + 0.8) / 2 > 0 and a = 0; source 3 is opposite to all.
        x, y = unit([[1, 0], [0.6, 0.8], [0, -1], [-1, -0.5]]), unit([[1, 0], [0.6, 0.8]])
        found = neighbourhood(made_task(4, 2), x, y, 2)
        with pytest.raises(ValueError, match="or drop_undefined"):
            mine_neighbourhood(found, "ratio", direction)
        kept = mine_neighbourhood(found, "ratio", direction, drop_undefined=True)
        assert not {3} & set(kept.source.tolist()) and {(0, 0), (1, 1)} <= set(listed(kept))
        for margin in ("absolute", "distance"):  # which have no such pairs
            every = mine_neighbourhood(found, margin, direction, drop_undefined=True)
            assert listed(every) == listed(mine_neighbourhood(found, margin, direction))

    def test_a_pair_without_a_ratio_leaves_the_others_of_its_sentence(self):
        # Means of sources 0.45 and -0.95, of targets -0.2 and -0.3: only source 0 has ratios, 0.5 / 0.125 and 0.4 / 0.075.
        of, cosines = np.array([[0, 1], [0, 1]]), np.array([[0.5, 0.4], [-0.9, -1.0]])
        made = Neighbourhood(of, cosines, of, cosines.T, np.arange(2), np.arange(2))
        with pytest.raises(ValueError, match=r"divide by -0\.625, the mean cosine"):
            margin_scores(made, "ratio")
        mined = mine_neighbourhood(made, "ratio", "backward", drop_undefined=True)
        assert listed(mined) == [(0, 1), (0, 0)] and mined.score.tolist() == pytest.approx([0.4 / 0.075, 4])

    def test_dropping_all_leaves_none(self):
        x = unit([[1, 0], [-1, 0]])
        found = neighbourhood(made_task(2, 2), x, x, 2)
        assert len(mine_neighbourhood(found, "ratio", drop_undefined=True)) == 0

    @pytest.mark.parametrize(
        ("arrays", "message"),
        [
            (([0, 1], [0], [1.0, 0.5]), "have shapes .*: give vectors of one length"),
            (([0, 1], [0, 1], [0.5, 1.0]), "does not descend: sort the pairs"),
            (([0, 1], [0, 1], [1.0, np.nan]), "not finite"),
            (([0, 1, 0], [0, 1, 0], [1.0, 0.5, 0.5]), "name 1 pairs twice"),
        ],
    )
    def test_pairs_that_are_no_list_are_refused(self, arrays, message):
        with pytest.raises(ValueError, match=message):
            MinedPairs(*map(np.array, arrays))


def pairs_of(*rows: tuple[int, int, float]) -> MinedPairs:
    source, target, value = zip(*rows) if rows else ((), (), ())
    return MinedPairs(np.array(source, np.int64), np.array(target, np.int64), np.array(value, np.float64))


MINED = pairs_of((0, 0, 1.4), (1, 1, 1.3), (2, 5, 1.2), (3, 3, 1.1), (4, 2, 1.0))
GOLD = np.array([[0, 0], [1, 1], [3, 3], [6, 6]])


class TestScore:
    @pytest.mark.parametrize(
        ("threshold", "n_mined", "n_correct"),
        [(-math.inf, 5, 3), (1.0, 5, 3), (1.05, 4, 3), (1.2, 3, 2), (1.4, 1, 1), (1.5, 0, 0), (math.inf, 0, 0)],
    )
    def test_by_hand(self, threshold, n_mined, n_correct):
        made = score(MINED, GOLD, threshold)
        assert (made.n_mined, made.n_correct, made.n_gold) == (n_mined, n_correct, 4)
        precision, recall = (n_correct / n_mined if n_mined else 0), n_correct / 4
        assert (made.precision, made.recall) == (precision, recall)
        harmonic = 2 * precision * recall / (precision + recall) if n_correct else 0
        assert made.f1 == pytest.approx(harmonic)

    def test_gold_is_a_set(self):
        assert score(MINED, np.concatenate([GOLD, GOLD])) == score(MINED, GOLD)

    def test_several_partners_each_count(self):
        # Source 0 has two partners, one of which is mined: 1 of 1 mined is right, 1 of 2 gold pairs is found.
        made = score(pairs_of((0, 0, 1.0)), np.array([[0, 0], [0, 1]]))
        assert (made.precision, made.recall, made.f1) == (1.0, 0.5, pytest.approx(2 / 3))

    def test_large_indices_are_not_mixed_up(self):
        assert score(pairs_of((1, 0, 1.0)), np.array([[0, 2**31]])).n_correct == 0

    def test_nothing_mined(self):
        made = score(pairs_of(), GOLD)
        assert (made.precision, made.recall, made.f1, made.n_mined) == (0.0, 0.0, 0.0, 0)

    def test_a_pair_is_right_as_a_whole(self):
        made = score(pairs_of((0, 1, 1.0), (2, 0, 0.8)), np.array([[0, 1], [1, 0]]))
        assert (made.n_mined, made.n_correct, made.n_gold) == (2, 1, 2)

    @pytest.mark.parametrize(
        ("gold", "seen"),
        [
            (np.zeros((0, 2), int), r"int64 \(0, 2\)"),
            (np.array([[0, -1]]), r"int64 \(1, 2\)"),
            (np.array([[0.0, 1.0]]), r"float64 \(1, 2\)"),
            (np.array([0, 1]), r"int64 \(2,\)"),
            ([[0, 1]], "a list"),
        ],
    )
    def test_gold_that_is_none_is_refused(self, gold, seen):
        for function in (score, best_threshold):
            with pytest.raises(ValueError, match=f"gold is {seen}: give pairs of indices of at least 0"):
                function(MINED, gold)

    def test_a_threshold_that_is_no_number_is_refused(self):
        with pytest.raises(ValueError, match="threshold is not a number"):
            score(MINED, GOLD, math.nan)


def test_a_pair_of_indices_is_one_whole_number():
    indices = np.array([0, 1, 2, 2**31 - 2, 2**31 - 1], np.int32)
    keys = pair_keys(np.repeat(indices, 5), np.tile(indices, 5))
    assert len(set(keys.tolist())) == 25 and keys.dtype == np.int64


class TestThreshold:
    def test_by_hand(self):
        # F1 after 1 to 5 pairs: 2/5, 4/6, 4/7, 6/8, 6/9. The best cut is after four: between 1.1 and 1.0.
        assert best_threshold(MINED, GOLD) == pytest.approx(1.05)

    def test_a_later_gold_pair_outweighs_a_wrong_one(self):
        # Right, wrong, right of two gold pairs: F1 is 2/3, 2/4, 4/5.
        assert best_threshold(pairs_of((0, 0, 1.4), (5, 5, 1.3), (1, 1, 1.2)), GOLD[:2]) == 1.2

    def test_the_last_pair_has_no_next(self):
        assert best_threshold(pairs_of((0, 0, 1.4), (1, 1, 1.3)), GOLD) == 1.3

    def test_equal_scores_are_taken_together(self):
        # One right pair alone would have F1 = 2/2, with the wrong one of the same score 2/3.
        tied = pairs_of((0, 0, 1.4), (1, 1, 1.4), (2, 2, 1.2))
        threshold = best_threshold(tied, np.array([[0, 0]]))
        assert threshold == pytest.approx(1.3)
        assert score(tied, np.array([[0, 0]]), threshold).n_mined == 2

    def test_of_equal_f1_the_highest_cut(self):
        # With gold 0-0, 3-3 and 7-7: 2/4 after one pair, 2/5, 2/6, and 4/8 after five (both gold pairs): equal.
        mined = pairs_of((0, 0, 1.4), (1, 1, 1.3), (2, 2, 1.2), (4, 4, 1.1), (3, 3, 1.0))
        assert best_threshold(mined, np.array([[0, 0], [3, 3], [7, 7]])) == pytest.approx(1.35)

    def test_nothing_is_right(self):
        for mined in (pairs_of(), pairs_of((0, 1, 1.0))):
            assert best_threshold(mined, GOLD) == math.inf

    def test_neighbouring_floats_have_no_middle(self):
        lower = np.nextafter(1.0, 2.0)
        upper = np.nextafter(lower, 2.0)
        for high, low in ((upper, lower), (lower, 1.0)):
            mined = pairs_of((0, 0, high), (1, 2, low))
            assert score(mined, GOLD, best_threshold(mined, GOLD)).n_mined == 1

    @FEW
    @given(st.integers(0, 2**32 - 1))
    def test_no_threshold_is_better(self, seed):
        random = np.random.default_rng(seed)
        n = int(random.integers(1, 20))
        pairs = random.permutation([(i, j) for i in range(6) for j in range(6)])[:n]
        mined = MinedPairs(*pairs.T, np.sort(random.integers(0, 8, n) / 4)[::-1])
        gold = random.permutation([(i, j) for i in range(6) for j in range(6)])[: random.integers(1, 12)]
        tried = [*mined.score, *(mined.score[:-1] + mined.score[1:]) / 2, -1.0, 9.0]
        best = score(mined, gold, best_threshold(mined, gold)).f1
        assert best == max(score(mined, gold, threshold).f1 for threshold in tried)


class TestTatoeba:
    def test_by_hand(self):
        # Sources answer with targets 0, 0 and 2, so two of three are right; target 0 is answered twice.
        # F1 of label 0: 2 * 1 / (1 + 2) = 2/3; of label 2: 1; the mean over three labels is 5/9.
        x = unit([[1, 0, 0], [0.9, 0.1, 0], [0, 0, 1]])
        y = unit([[1, 0.01, 0], [0, 1, 0], [0, 0, 1]])
        made = tatoeba(made_task(3, 3), x, y)
        assert made.correct.tolist() == [[1, 1], [0, 1], [1, 1]]  # backward, every target finds its own
        np.testing.assert_allclose(made.f1[:, 0], [2 / 3, 0, 1])
        summary = made.summary()
        assert summary["accuracy_forward"] == pytest.approx(2 / 3)
        assert summary["accuracy_backward"] == 1.0
        assert summary["accuracy"] == pytest.approx(5 / 6)
        assert summary["f1_forward"] == pytest.approx(5 / 9)
        assert summary["f1"] == pytest.approx((5 / 9 + 1) / 2)

    @FEW
    @given(st.integers(0, 2**32 - 1))
    def test_against_scikit_learn(self, seed):
        random = np.random.default_rng(seed)
        n_source, n_target = random.integers(5, 30, 2)
        n_gold = int(random.integers(1, min(n_source, n_target) + 1))
        gold = np.stack([random.permutation(n_source)[:n_gold], random.permutation(n_target)[:n_gold]], axis=1)
        task = made_task(n_source, n_target, gold.tolist())
        x, y = unit(random.normal(size=(n_source, 4))), unit(random.normal(size=(n_target, 4)))
        y[gold[:, 1]] = unit(x[gold[:, 0]] + 0.6 * random.normal(size=(n_gold, 4)))
        summary = tatoeba(task, x, y).summary()
        cosine = x.astype(np.float64) @ y.astype(np.float64).T
        for direction, labels, answers in (
            ("forward", gold[:, 1], cosine.argmax(axis=1)[gold[:, 0]]),
            ("backward", gold[:, 0], cosine.argmax(axis=0)[gold[:, 1]]),
        ):
            assert summary[f"accuracy_{direction}"] == pytest.approx((labels == answers).mean())
            expected = f1_score(labels, answers, average="weighted", zero_division=0)
            assert summary[f"f1_{direction}"] == pytest.approx(expected)

    def test_rows_are_gold_pairs_and_models_can_be_compared(self):
        random = np.random.default_rng(0)
        x = unit(random.normal(size=(60, 8)))
        task = made_task(60, 60)
        good, bad = (tatoeba(task, x, unit(x + noise * random.normal(size=x.shape))) for noise in (0.2, 1.0))
        found = stats.paired_randomisation_test(good.correct, bad.correct, n_resamples=999)
        assert found.difference == pytest.approx(good.summary()["accuracy"] - bad.summary()["accuracy"])
        assert found.p_value == 0.001

    def test_the_seed_breaks_ties_and_is_0_unless_another_is_given(self):
        task, constant = made_task(40, 40), unit(np.ones((40, 8)))
        found = {}
        for seed in (0, 3):
            near = neighbourhood(task, constant, constant, 1, seed)
            found[seed] = tatoeba(task, constant, constant, seed).correct.tolist()
            answers = np.concatenate([near.target_of, near.source_of], axis=1)
            assert found[seed] == (answers == np.arange(40)[:, None]).tolist()
        assert found[0] != found[3] and tatoeba(task, constant, constant).correct.tolist() == found[0]

    def test_one_pair_is_enough(self):
        assert tatoeba(made_task(1, 1), unit([[1, 0]]), unit([[1, 0]])).summary()["f1"] == 1

    def test_a_chunk_of_nothing_is_refused(self):
        with pytest.raises(ValueError, match="chunk_size is 0"):
            tatoeba(made_task(1, 1), unit([[1, 0]]), unit([[1, 0]]), chunk_size=0)

    @pytest.mark.parametrize(("gold", "side"), [([(0, 0), (0, 1)], "source"), ([(0, 0), (1, 0)], "target")])
    def test_several_partners_are_refused(self, gold, side):
        with pytest.raises(ValueError, match=f"made: a {side} sentence has several partners: keep one, or use mine"):
            tatoeba(made_task(2, 2, gold), np.eye(2, dtype=np.float32), np.eye(2, dtype=np.float32))


class _Model:
    """Maps a text to its length and its number of vowels; notes how it was called."""

    def __init__(self, prompts: dict[str, str] | None):
        self.prompts, self.calls = prompts, []

    def encode(self, texts, prompt=None, **options):
        self.calls.append((list(texts), prompt, options))
        return (
            np.array([[len(text), sum(map(text.count, "aeiou"))] for text in texts], np.float64)
            * (np.array([text != "zero" for text in texts])[:, None])
        )


class TestEncode:
    @staticmethod
    def _task() -> BitextTask:
        rows = lambda texts: [{"sentence_id": f"{n}", "text": text} for n, text in enumerate(texts)]
        gold = [{"source_id": "0", "target_id": "0"}]
        return BitextTask.from_rows("made", "de", "en", rows(["abc", "ae", "abc"]), rows(["ae", "zero"]), gold)

    def test_each_text_once_and_rows_of_length_one(self):
        model = _Model({"query": "Query: ", "document": "Passage: "})
        source, target = encode_bitext(model, self._task())
        ((texts, prompt, options),) = model.calls
        assert texts == ["abc", "ae", "zero"]
        assert prompt is None  # no side is the query
        assert options == {"batch_size": 1024, "show_progress_bar": False, "convert_to_numpy": True}
        np.testing.assert_allclose(source, np.array([[3, 1], [2, 2], [3, 1]]) / np.sqrt([[10], [8], [10]]), rtol=1e-6)
        np.testing.assert_allclose(target, [[0.5**0.5] * 2, [0, 0]], rtol=1e-6)
        assert (source.dtype, target.dtype) == (np.float32, np.float32)

    def test_a_prompt_for_bitext_is_used_on_both_sides(self):
        model = _Model({"query": "Query: ", "BitextMining": "Same meaning: "})
        encode_bitext(model, self._task())
        assert [call[1] for call in model.calls] == ["Same meaning: "]

    def test_a_model_without_prompts(self):
        model = _Model(None)
        encode_bitext(model, self._task())
        assert model.calls[0][1] is None

    def test_a_sentence_transformer(self):
        from kit.train.encoders.making import make_encoder

        task = made_task(8, 8)
        model = make_encoder(
            EncoderConfig(dimension=16, vocabulary_size=64), [*task.texts("source"), *task.texts("target")], 0
        )
        x, y = encode_bitext(model, task)
        assert (x.shape, y.shape) == ((8, 16), (8, 16))
        np.testing.assert_allclose(np.linalg.norm(np.concatenate([x, y]), axis=1), 1, atol=1e-6)
        expected = model.encode(["de 3"], prompt="")[0]  # without the prompt of queries
        np.testing.assert_allclose(x[3], expected / np.linalg.norm(expected), atol=1e-6)
        assert len(mine(task, x, y, margin="distance")) >= 1


@pytest.fixture(scope="module")
def large():
    random = np.random.default_rng(0)
    x = random.normal(size=(6000, 256))
    return made_task(6000, 6000), unit(x), unit(x + 1.2 * random.normal(size=x.shape))


def test_mining_takes_a_few_matrix_products(large):
    """Both searches, margins and pairs take less than ten times one product of all with all; timed up to three times."""
    task, x, y = large
    ratios = []
    for _ in range(3):
        start = time.perf_counter()
        for low in range(0, len(x), 512):
            x[low : low + 512] @ y.T
        middle = time.perf_counter()
        mine(task, x, y)
        ratios.append((time.perf_counter() - middle) / (middle - start))
        if ratios[-1] <= 10.0:
            break
    assert min(ratios) <= 10.0, ratios


def test_memory_is_that_of_a_chunk(large):
    tracemalloc.start()
    mine(*large)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40 * 2**20  # 512 x 6,000 float32 are 12 MB


def test_real_sentences_of_a_language_and_its_neighbour(shared_data):
    """Dutch and German share words: a bag of letter triples finds many translations, and a margin finds more."""
    from sklearn.feature_extraction.text import HashingVectorizer

    from kit.data.registry import load_bitext

    task = load_bitext(f"ntrex:{shared_data}/ntrex/ntrex.jsonl.gz?source=nl&target=de")
    bag = HashingVectorizer(analyzer="char_wb", ngram_range=(3, 3), n_features=2048, alternate_sign=False)
    x, y = (unit(bag.transform(task.texts(side)).toarray()) for side in ("source", "target"))
    train, test = task.split(0.5)
    found = {}
    for margin in ("absolute", "ratio"):
        halves = []
        for part in (train, test):
            rows = [np.isin(task.sentence_ids(side), part.sentence_ids(side)) for side in ("source", "target")]
            halves.append((mine(part, x[rows[0]], y[rows[1]], margin), part.gold_pairs))
        found[margin] = score(*halves[1], best_threshold(*halves[0]))
    assert found["ratio"].f1 > found["absolute"].f1 + 0.03
    assert found["ratio"].f1 > 0.5
