"""InfoNCE, masked by cluster."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from test_encoders import TEXTS, make
from test_trainer import one_thread as one_thread
from torch import nn
from torch.nn import functional

from kit.train.config import LOSS_NAMES, TrainingConfig
from kit.train.losses import LOSSES, InfoNCE, info_nce, make_loss


class Given(nn.Module):
    """A model whose embeddings are given: what a loss calls with features returns the embedding in them."""

    def forward(self, features):
        return {"sentence_embedding": features["x"]}


def embeddings(n_rows, dim=5, seed=0):
    return torch.randn(n_rows, dim, generator=torch.Generator().manual_seed(seed))


def brute_force(queries, candidates, clusters, temperature):
    """The formula of the docstring, query by query, in float64."""
    losses = []
    for i, query in enumerate(queries):
        scores = [float(query @ d / np.linalg.norm(query) / np.linalg.norm(d)) / temperature for d in candidates]
        kept = [j for j in range(len(candidates)) if j == i or clusters[j] != clusters[i] or clusters[j] == -1]
        losses.append(math.log(sum(math.exp(scores[j] - scores[i]) for j in kept)))
    return sum(losses) / len(losses)


class TestValue:
    def test_two_by_two_by_hand(self):
        # Scores at t = 0.5: 2 and 0 for query 1; 2 cos 45° for both of query 2.
        queries, passages = torch.tensor([[1.0, 0.0], [3.0, 3.0]]), torch.tensor([[2.0, 0.0], [0.0, 1.0]])
        loss = info_nce(queries, passages, torch.tensor([0, 1]), temperature=0.5)
        by_hand = (-math.log(math.e**2 / (math.e**2 + 1)) + math.log(2)) / 2
        assert loss.item() == pytest.approx(by_hand, abs=1e-6)

    def test_a_false_negative_leaves_only_the_positive(self):
        queries, passages = embeddings(2), embeddings(2, seed=1)
        assert info_nce(queries, passages, torch.tensor([4, 4]), 0.05).item() == 0.0

    def test_a_single_row_has_nothing_to_tell_apart(self):
        assert info_nce(embeddings(1), embeddings(1, seed=1), torch.tensor([0]), 0.05).item() == 0.0

    @settings(max_examples=60, deadline=None)
    @given(st.integers(1, 7), st.integers(0, 3), st.integers(0, 2**31), st.floats(0.05, 2), st.data())
    def test_equals_brute_force(self, n_rows, n_negatives, seed, temperature, data):
        n_candidates = n_rows * (1 + n_negatives)
        queries, candidates = embeddings(n_rows, seed=seed), embeddings(n_candidates, seed=seed + 1)
        clusters = data.draw(st.lists(st.integers(-1, 3), min_size=n_candidates, max_size=n_candidates))
        expected = brute_force(queries.double().numpy(), candidates.double().numpy(), clusters, temperature)
        loss = info_nce(queries, candidates, torch.tensor(clusters), temperature).item()
        assert loss == pytest.approx(expected, rel=1e-4, abs=1e-5)

    @pytest.mark.parametrize("n_negatives", [0, 2])
    def test_equals_sentence_transformers_when_all_clusters_differ(self, n_negatives):
        columns = [embeddings(6, seed=seed) for seed in range(2 + n_negatives)]
        labels = torch.arange(6 * (1 + n_negatives)).reshape(6, -1)
        results = []
        for loss, labelled in (
            (InfoNCE(Given(), temperature=0.04), labels),
            (MultipleNegativesRankingLoss(Given(), scale=25.0), None),
        ):
            inputs = [column.clone().requires_grad_() for column in columns]
            value = loss([{"x": column} for column in inputs], labelled)
            value.backward()
            results.append((value.detach(), *(column.grad for column in inputs)))
        for ours, theirs in zip(*results):
            torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


class TestVariants:
    def test_symmetric_equals_sentence_transformers_when_all_clusters_differ(self):
        inputs = [{"x": embeddings(6, seed=seed)} for seed in range(2)]
        ours = InfoNCE(Given(), temperature=0.04, symmetric=True)(inputs, torch.arange(6))
        both = {"directions": ("query_to_doc", "doc_to_query"), "partition_mode": "per_direction"}
        theirs = MultipleNegativesRankingLoss(Given(), scale=25.0, **both)(inputs, None)
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)

    def test_symmetric_is_the_mean_of_both_directions(self):
        queries, passages, clusters = embeddings(5), embeddings(5, seed=1), torch.tensor([0, 1, 0, -1, -1])
        directions = [info_nce(*sides, clusters, 0.1) for sides in ((queries, passages), (passages, queries))]
        torch.testing.assert_close(info_nce(queries, passages, clusters, 0.1, symmetric=True), sum(directions) / 2)

    def test_hard_negatives_ask_for_nothing(self):
        queries, candidates, clusters = embeddings(3), embeddings(6, seed=1), torch.arange(6)
        back = info_nce(candidates[:3], queries, torch.arange(3), 0.1)
        both = info_nce(queries, candidates, clusters, 0.1, symmetric=True)
        torch.testing.assert_close(both, (info_nce(queries, candidates, clusters, 0.1) + back) / 2)

    def test_margin_by_hand(self):
        # Cosines are 1 and 0 for both queries; the own passage counts 0.4 less: scores 6 and 0 at t = 0.1.
        loss = info_nce(torch.eye(2), torch.eye(2), torch.arange(2), 0.1, margin=0.4)
        assert loss.item() == pytest.approx(math.log(1 + math.exp(-6)), rel=1e-4)

    @pytest.mark.parametrize("margin", [-0.1, 1.1, float("nan")])
    def test_a_margin_out_of_range_is_refused(self, margin):
        with pytest.raises(ValueError, match=r"margin .* is not between 0 and 1"):
            InfoNCE(Given(), margin=margin)


class TestMask:
    CLUSTERS = torch.tensor([7, 8, 7])  # passage 2 is a translation of passage 0

    def loss_of_first_query(self, passages):
        """The gradient with respect to query 0 knows everything that its loss depends on."""
        queries = embeddings(3).requires_grad_()
        info_nce(queries, passages, self.CLUSTERS, 0.1).backward()
        return queries.grad[0]

    def test_a_masked_passage_has_no_influence(self):
        changed = embeddings(3, seed=1)
        changed[2] = -3 * changed[2] + 1
        torch.testing.assert_close(
            self.loss_of_first_query(embeddings(3, seed=1)), self.loss_of_first_query(changed), rtol=0, atol=0
        )

    def test_a_passage_of_another_cluster_has(self):
        changed = embeddings(3, seed=1)
        changed[1] = -3 * changed[1] + 1
        assert not torch.allclose(self.loss_of_first_query(embeddings(3, seed=1)), self.loss_of_first_query(changed))

    def test_a_passage_masked_for_all_queries_gets_no_gradient(self):
        candidates = embeddings(3, seed=1).requires_grad_()  # two passages, and one hard negative that is both's
        info_nce(embeddings(2), candidates, torch.tensor([5, 5, 5]), 0.1).backward()
        assert candidates.grad[2].abs().sum() == 0

    def test_unknown_clusters_never_mask(self):
        queries, passages = embeddings(4), embeddings(8, seed=1)
        unknown = info_nce(queries, passages, torch.full((8,), -1), 0.1)
        torch.testing.assert_close(unknown, info_nce(queries, passages, torch.arange(8), 0.1), rtol=0, atol=0)

    def test_the_positive_is_never_masked(self):
        queries, passages = embeddings(3), embeddings(3, seed=1)
        queries.requires_grad_(), passages.requires_grad_()
        loss = info_nce(queries, passages, torch.tensor([1, 1, 2]), 0.1)
        loss.backward()
        assert torch.isfinite(loss)
        assert (passages.grad.abs().sum(dim=1) > 0).all()

    def test_a_hard_negative_of_the_own_cluster_is_masked(self):
        queries, candidates = embeddings(2), embeddings(4, seed=1)
        masked = info_nce(queries, candidates, torch.tensor([0, 1, 0, 1]), 0.1)
        expected = brute_force(queries.numpy(), candidates.numpy(), [0, 1, 0, 1], 0.1)
        assert masked.item() == pytest.approx(expected, rel=1e-5)

    def test_other_answers_are_left_out_of_their_own_query_only(self):
        queries, passages = embeddings(3), embeddings(3, seed=1)
        passages[2] = queries[0]  # so near that to leave it out matters
        scores = (functional.normalize(queries) @ functional.normalize(passages).T / 0.1).numpy().astype(np.float64)
        scores[0, 2] = -np.inf  # cluster 7 answers the first query, too; to the second it is wrong
        answers = torch.tensor([[7], [-1], [-1]])
        loss = info_nce(queries, passages, torch.tensor([5, -1, 7]), 0.1, answers=answers)
        sums = [np.logaddexp.reduce(scores, axis=axis) - scores.diagonal() for axis in (1, 0)]
        assert loss.item() == pytest.approx(sums[0].mean(), rel=1e-5)
        both = info_nce(queries, passages, torch.tensor([5, -1, 7]), 0.1, symmetric=True, answers=answers)
        assert both.item() == pytest.approx(np.mean(sums), rel=1e-5)


class TestModule:
    def test_columns_beyond_the_texts_name_other_answers(self):
        queries, passages = embeddings(3), embeddings(3, seed=1)
        loss = InfoNCE(Given(), 0.1)
        labels, answers = torch.tensor([[0, 2, -1], [1, -1, -1], [2, 0, -1]]), torch.tensor([[2], [-1], [0]])
        found = loss([{"x": one} for one in (queries, passages)], labels)
        torch.testing.assert_close(found, info_nce(queries, passages, torch.arange(3), 0.1, answers=answers))

    def test_labels_belong_to_the_columns_in_their_order(self):
        # Labels are (row, column); candidates stand column after column.
        queries, passages, negatives = embeddings(3), embeddings(3, seed=1), embeddings(3, seed=2)
        labels = torch.tensor([[0, -1], [1, 0], [2, 1]])  # row 1's negative is row 0's passage, row 2's is row 1's
        loss = InfoNCE(Given(), 0.1)([{"x": queries}, {"x": passages}, {"x": negatives}], labels)
        expected = brute_force(queries.numpy(), np.concatenate([passages, negatives]), [0, 1, 2, -1, 0, 1], 0.1)
        assert loss.item() == pytest.approx(expected, rel=1e-5)

    def test_flat_labels_without_negatives(self):
        inputs = [{"x": embeddings(4)}, {"x": embeddings(4, seed=1)}]
        labels = torch.tensor([0, 1, 0, 2])
        torch.testing.assert_close(InfoNCE(Given())(inputs, labels), InfoNCE(Given())(inputs, labels[:, None]))

    def test_settings_reach_the_model_card(self):
        assert InfoNCE(Given(), 0.02, 0.3, True).get_config_dict() == {
            "temperature": 0.02,
            "margin": 0.3,
            "symmetric": True,
        }

    def test_what_is_not_said(self):
        made = InfoNCE(Given())
        assert made.get_config_dict() == {"temperature": 0.05, "margin": 0.0, "symmetric": False}
        assert not made.uses_gradient_cache and not made.gather_across_devices
        inputs, clusters = (embeddings(4), embeddings(4, seed=1)), torch.arange(4)
        assert info_nce(*inputs, clusters, 0.05).item() == made([{"x": one} for one in inputs], clusters).item()

    def test_a_process_that_is_alone_has_all_rows(self):
        inputs, labels = [{"x": embeddings(4)}, {"x": embeddings(4, seed=1)}], torch.tensor([0, 1, 0, 2])
        values = [InfoNCE(Given(), gather_across_devices=gathered)(inputs, labels) for gathered in (False, True)]
        torch.testing.assert_close(*values, rtol=0, atol=0)

    def test_a_margin_of_one_is_taken(self):
        assert InfoNCE(Given(), margin=1).margin == 1

    @pytest.mark.parametrize("temperature", [0, -0.1, float("nan")])
    def test_a_temperature_that_is_not_positive_is_refused(self, temperature):
        with pytest.raises(ValueError, match=r"temperature .* is not positive"):
            InfoNCE(Given(), temperature)


class TestNumbers:
    def test_the_norm_of_embeddings_does_not_matter(self):
        queries, passages, clusters = embeddings(4), embeddings(4, seed=1), torch.arange(4)
        scaled = info_nce(queries * torch.tensor([[0.01], [1], [7], [300]]), passages * 50, clusters, 0.05)
        torch.testing.assert_close(scaled, info_nce(queries, passages, clusters, 0.05))

    def test_bfloat16_is_computed_in_float32(self):
        queries, passages = embeddings(8, 64).bfloat16(), embeddings(8, 64, seed=1).bfloat16()
        loss = info_nce(queries, passages, torch.arange(8), 0.01)
        assert loss.dtype == torch.float32
        assert loss.item() == pytest.approx(info_nce(queries.float(), passages.float(), torch.arange(8), 0.01).item(), abs=0)

    def test_autocast_does_not_round_the_scores(self):
        # The trainer calls the loss under autocast, where a product of float32 matrices is one of bfloat16.
        queries, passages = embeddings(8, 64), embeddings(8, 64, seed=1)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = info_nce(queries, passages, torch.arange(8), 0.01)
        assert loss.item() == info_nce(queries, passages, torch.arange(8), 0.01).item()

    def test_very_low_temperatures_stay_finite(self):
        assert torch.isfinite(info_nce(embeddings(4), embeddings(4, seed=1), torch.arange(4), 1e-4))


class TestMiniBatches:
    """A batch of five in small passes; columns have other lengths, and so have passes."""

    COLUMNS = (TEXTS[:5], TEXTS[3:8], TEXTS[2:7])
    LABELS = torch.tensor([[0, 2, 3, -1], [1, -1, -1, -1], [2, 0, 0, 1], [0, -1, 4, -1], [-1, 4, -1, -1]])  # two answers

    def gradients(self, model, columns, labels, make_value, **options):
        """The loss and the gradient of every weight."""
        features = [model.preprocess(list(column)) for column in columns]
        model.zero_grad()
        value = make_value(InfoNCE(model, 0.1, **options), features, labels)
        value.backward()
        return {"loss": value.detach()} | {name: one.grad for name, one in model.named_parameters() if one.grad is not None}

    def assert_equal(self, ours, theirs):
        assert ours.keys() == theirs.keys() and len(ours) > 30
        for name in ours:
            torch.testing.assert_close(ours[name], theirs[name], rtol=1e-5, atol=1e-5, msg=name)

    @pytest.mark.parametrize("mini_batch", [1, 2, 100])
    @pytest.mark.parametrize("symmetric", [False, True])
    @pytest.mark.parametrize(("n_columns", "n_labels"), [(2, 1), (2, 3), (3, 2), (3, 4)])
    def test_the_gradients_are_those_of_the_whole_batch(self, mini_batch, symmetric, n_columns, n_labels):
        model = make("tiny").eval()  # no dropout
        batch = self.COLUMNS[:n_columns], self.LABELS[:, :n_labels]
        plain = self.gradients(model, *batch, lambda loss, *inputs: loss(*inputs), symmetric=symmetric)
        cached = self.gradients(
            model, *batch, lambda loss, *inputs: loss(*inputs), symmetric=symmetric, mini_batch=mini_batch
        )
        self.assert_equal(cached, plain)

    def test_both_passes_have_the_same_dropout(self):
        """The reference embeds the same mini-batches once, with gradients, out of the same stream."""

        def reference(loss, features, labels):
            parts = [
                [
                    loss.model({name: value[first : first + 2] for name, value in column.items() if name != "modality"})
                    for first in (0, 2, 4)
                ]
                for column in features
            ]
            return loss.calculate_loss([[part["sentence_embedding"] for part in column] for column in parts], labels)

        model = make("tiny").train()
        batch = (TEXTS[:5], TEXTS[3:8]), self.LABELS[:, :3]
        torch.manual_seed(5)
        once = self.gradients(model, *batch, reference)
        torch.manual_seed(5)
        cached = self.gradients(model, *batch, lambda loss, *inputs: loss(*inputs), mini_batch=2)
        other = self.gradients(model, *batch, lambda loss, *inputs: loss(*inputs), mini_batch=2)
        self.assert_equal(cached, once)
        assert abs(other["loss"] - once["loss"]) > 1e-3

    def test_without_gradients_it_is_a_value(self):
        model = make("tiny").eval()
        features = [model.preprocess(list(column)) for column in self.COLUMNS[:2]]
        with torch.no_grad():
            values = [InfoNCE(model, 0.1, mini_batch=size)(features, self.LABELS[:, :1]) for size in (0, 2)]
        torch.testing.assert_close(*values)

    def test_a_static_encoder_is_refused(self):
        with pytest.raises(ValueError, match="mini_batch is 2, and a static encoder reads a batch as one: choose 0"):
            make_loss(make("static"), TrainingConfig(mini_batch=2))


class TestRecipe:
    def test_the_default_is_that_of_the_recipe(self):
        made = make_loss(nn.Identity(), TrainingConfig(temperature=0.2, margin=0.3, symmetric=True))
        assert made.get_config_dict() == {"temperature": 0.2, "margin": 0.3, "symmetric": True}
        assert made.gather_across_devices
        small = make_loss(make("tiny"), TrainingConfig(mini_batch=1))
        assert small.get_config_dict() == {"temperature": 0.05, "margin": 0.0, "symmetric": False, "mini_batch": 1}

    def test_a_new_one_is_made_from_its_entry(self, monkeypatch):
        monkeypatch.setitem(LOSSES, "made", lambda model, recipe: nn.L1Loss())
        recipe = TrainingConfig().model_copy(update={"loss": "made"})
        assert isinstance(make_loss(nn.Identity(), recipe), nn.L1Loss)

    def test_every_name_has_its_entry(self):
        assert tuple(LOSSES) == LOSS_NAMES

    def test_an_unknown_one_is_refused(self):
        with pytest.raises(ValueError, match="loss is 'cosine': choose from info-nce"):
            TrainingConfig(loss="cosine")
