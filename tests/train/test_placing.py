"""Batches and pairs of triples: the same as of the table that would hold all their rows, drawn without it."""

from __future__ import annotations

import copy
from collections import Counter

import numpy as np
import pytest
from test_triples import NAMES, written

from kit.core import paths
from kit.core.seeding import Shuffle, generator
from kit.data.corpus import ParallelCorpus
from kit.data.registry import load_training
from kit.run.training import training_data
from kit.train.config import EncoderConfig, TrainingConfig
from kit.train.encoders.making import make_encoder
from kit.train.pairs import pair_dataset
from kit.train.samplers import PairBatchSampler, Sampling
from kit.train.trainer import fine_tune

N_QUERIES, N_PASSAGES, N_TRIPLES = 60, 90, 400


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """mMARCO in miniature: of 90 passages 50 are positives, of one to three queries each."""
    folder = tmp_path_factory.mktemp("triples")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paths, "cache", lambda: folder / "cache")
        rng = np.random.default_rng(1)
        pairs = rng.integers((N_QUERIES, 50), size=(80, 2))
        lines = [
            (*pairs[pair], negative)
            for pair, negative in zip(rng.integers(80, size=N_TRIPLES), rng.integers(90, size=N_TRIPLES))
        ]
        yield f"mmarco:{written(folder / 'mmarco', N_QUERIES, N_PASSAGES, lines)}"


@pytest.fixture(scope="module")
def triples(source):
    return load_training(source)


@pytest.fixture(scope="module")
def table(triples):
    """The same rows in the same order as a corpus in memory, with the clusters and questions of the ids."""
    texts = [triples.texts(column, np.arange(len(triples))) for column in ("query", "passage", "negative")]
    rows = [
        {
            "group_id": str(row // 3),
            "language": triples.languages[row % 3],
            "query": query,
            "passage": passage,
            "cluster_id": str(triples.cluster_of[row // 3]),
            "negatives": [negative],
        }
        for row, (query, passage, negative) in enumerate(zip(*texts))
    ]
    return ParallelCorpus.from_rows(rows, "table")


def sampler(corpora, name="Hybrid", batch_size=16, seed=0, tau=1.0):
    return PairBatchSampler(corpora, Sampling.parse(name), batch_size, seed, tau)


class TestShuffle:
    @pytest.mark.parametrize("n", [1, 2, 3, 10, 97, 1000, 65537])
    def test_every_number_stands_at_one_place(self, n):
        assert sorted(Shuffle(n, generator(n))[np.arange(n)].tolist()) == list(range(n))

    def test_places_are_asked_for_in_any_shape_and_order(self):
        shuffle = Shuffle(1000, generator(3))
        whole = shuffle[np.arange(1000)]
        places = np.array([[999, 0], [17, 500]])
        assert np.array_equal(shuffle[places], whole[places]) and len(shuffle) == 1000

    def test_numbers_stand_anywhere_and_beside_anything(self):
        """Over 400 orders of 20: each number at each place about 20 times, and each at each distance from its neighbour."""
        orders = np.stack([Shuffle(20, generator(seed))[np.arange(20)] for seed in range(400)])
        at = np.array([Counter(column.tolist())[number] for column in orders.T for number in range(20)])
        steps = np.bincount((np.diff(orders, axis=1) % 20).reshape(-1), minlength=20)[1:]
        assert ((at - 20) ** 2 / 20).sum() < 500  # chi-squared of 361 degrees of freedom: 99.9 % are below 450
        assert ((steps - 400) ** 2 / 400).sum() < 50  # of 18


class TestBatches:
    @pytest.mark.parametrize("name", ["X-X", "X-X-mono", "X-Y", "Hybrid", "En-En"])
    def test_hold_no_cluster_and_no_question_twice(self, triples, name):
        made = sampler([triples], name)
        for index in range(len(made)):
            batch = made.batch(0, index)
            groups = batch.query_rows // 3
            assert np.array_equal(groups, batch.passage_rows // 3)
            assert len(set(triples.cluster_of[groups])) == len(set(triples.question_of[groups])) == 16
            tags = [made.languages[code] for code in batch.query_languages]
            assert [triples.languages[row % 3] for row in batch.query_rows] == tags

    def test_an_epoch_visits_a_group_once_but_for_those_that_are_replaced(self, triples):
        made = sampler([triples], batch_size=4)
        visits = Counter(pair[0] // 3 for batch in made for pair in batch)
        again = sum(count - 1 for count in visits.values())
        assert len(made) == N_TRIPLES // 4 and again < 0.15 * N_TRIPLES  # 50 passages are few: at true size 0.01 %

    def test_are_a_pure_function_of_seed_epoch_and_number(self, triples, source):
        one, other = sampler([triples]), sampler([load_training(source)])
        drawn = [one.batch(epoch, index).pairs() for epoch in (0, 1) for index in (3, 1, 2)]
        assert drawn == [other.batch(epoch, index).pairs() for epoch in (0, 1) for index in (3, 1, 2)]
        assert len({str(batch) for batch in drawn}) == 6
        assert drawn[0] != sampler([triples], seed=1).batch(0, 3).pairs()

    def test_languages_are_those_of_all_corpora(self, triples):
        rows = [
            {"group_id": str(n), "language": tag, "query": f"q{n} {tag}", "passage": f"p{n} {tag}"}
            for n in range(200)
            for tag in ("ar", "en", "fr")
        ]
        made = sampler([ParallelCorpus.from_rows(rows, "other"), triples], "X-Y", tau=0.0)
        batches = [made.batch(0, index) for index in range(len(made))]
        met = {made.languages[code] for batch in batches if batch.source == 1 for code in batch.query_languages}
        assert met == set(NAMES) and {batch.source for batch in batches} == {0, 1}
        assert all(min(batch.query_rows) >= 600 for batch in batches if batch.source == 1)

    def test_one_that_cannot_be_filled_is_refused(self, triples):
        with pytest.raises(
            ValueError, match=r"corpus 'mmarco' has \d\d passage clusters for these batches, fewer than batch_si"
        ):
            sampler([triples], "X-Y", batch_size=51)


class TestPairs:
    @pytest.mark.parametrize("n_negatives", [0, 1])
    def test_are_those_of_the_table(self, triples, table, n_negatives):
        mine, theirs = (pair_dataset([corpus], n_negatives) for corpus in (triples, table))
        assert len(mine) == len(theirs) == 3 * N_TRIPLES and mine.column_names == theirs.column_names
        made, n_masked = sampler([triples]), 0
        for batch in made:
            items, others = mine.__getitems__(batch), theirs.__getitems__(batch)
            for column in mine.column_names[:-1]:
                assert [item[column] for item in items] == [item[column] for item in others]
            masks = [masked([item["label"] for item in both], n_negatives) for both in (items, others)]
            assert np.array_equal(*masks)
            n_masked += masks[0].sum() - len(items)
        assert n_masked > 20  # else nothing was shown

    def test_a_case_by_hand(self, tmp_path, monkeypatch):
        """Query 5 is answered by 3 and 8; query 11 by 9, and 3 is no answer to it."""
        monkeypatch.setattr(paths, "cache", lambda: tmp_path / "cache")
        lines = ((5, 3, 8), (5, 8, 7), (11, 9, 3), (20, 7, 9))
        corpus = load_training(f"mmarco:{written(tmp_path / 'mmarco', triples=lines, languages=('de', 'en'))}")
        group = {text: row // 2 for row, text in enumerate(corpus.texts("passage", np.arange(8)))}
        pairs = [(2 * group[f"P{number} en"], 2 * group[f"P{number} en"] + 1) for number in (3, 9, 7)]
        items = pair_dataset([corpus], 1).__getitems__(pairs)
        assert [[item["query"], item["passage"], item["negative_1"]] for item in items] == [
            ["Q5 de", "P3 en", "P8 en"],
            ["Q11 de", "P9 en", "P3 en"],
            ["Q20 de", "P7 en", "P9 en"],
        ]
        three, seven, nine = (int(np.searchsorted(corpus.passages[0].ids, number)) for number in (3, 7, 9))
        # 8 answers query 5 elsewhere: it counts as 3. The negatives 3 and 9 are passages of others.
        assert [item["label"] for item in items] == [[three, three], [nine, three], [seven, nine]]
        both = pair_dataset([corpus]).__getitems__([(2 * group[f"P{number} de"],) * 2 for number in (3, 8)])
        assert both[0]["label"] == both[1]["label"][::-1]  # each answers the other's question

    def test_mixed_with_a_table_rows_and_labels_stay_apart(self, triples, table):
        data = pair_dataset([table, triples, table], 1)
        n_rows, pairs = len(table), [(4, 5), (7, 6)]
        parts = [data.__getitems__([(a + part * n_rows, b + part * n_rows) for a, b in pairs]) for part in range(3)]
        texts = [[{**item, "label": None} for item in part] for part in parts]
        assert texts[0] == texts[1] == texts[2]
        labels = [{label for item in part for label in item["label"] if label >= 0} for part in parts]
        assert not (labels[0] & labels[1] or labels[1] & labels[2] or labels[0] & labels[2])
        whole = data.__getitems__([(a + part * n_rows, b + part * n_rows) for part in (1, 0) for a, b in pairs])
        assert whole == parts[1] + parts[0]

    def test_a_copy_reads_them(self, triples):
        data = pair_dataset([triples], 1)
        assert copy.deepcopy(data).__getitems__([(4, 5)]) == data.__getitems__([(4, 5)])

    def test_more_negatives_than_there_are(self, triples):
        with pytest.raises(ValueError, match="mmarco: a triple has one negative: lower hard_negatives from 2 to 1"):
            pair_dataset([triples], 2)


def masked(labels, n_negatives):
    """Which texts are no negatives of which query, by the rule of the loss, (batch, batch · (1 + n_negatives))."""
    labels = np.array(labels)
    clusters, known = labels[:, : 1 + n_negatives].T.reshape(-1), np.delete(labels, range(1, 1 + n_negatives), axis=1)
    return ((known[:, :, None] == clusters) & (known[:, :, None] >= 0)).any(axis=1)


def test_an_encoder_learns_from_them(source, tmp_path):
    """The whole way: a part held out, Hybrid batches, hard negatives, a model in the end."""
    corpora, held_out = training_data((source,))
    assert held_out.languages == ("de", "en", "zh") and len(held_out.queries) == 3 * round(
        0.1 * len(set(load_training(source).cluster_of))
    )
    texts = [text for column in ("query", "passage") for text in corpora[0].sample().table.column(column).to_pylist()]
    recipe = TrainingConfig(updates=40, batch_size=16, learning_rate=0.2, hard_negatives=1, evaluations=4)

    model = make_encoder(EncoderConfig(dimension=16, vocabulary_size=400), texts, seed=0)
    history = fine_tune(model, corpora, Sampling.parse("Hybrid"), recipe, tmp_path, log=lambda line: None)
    losses = [loss for _, loss in history.loss]
    assert losses[-1] < 0.9 * losses[0] and (tmp_path / "model").is_dir()
