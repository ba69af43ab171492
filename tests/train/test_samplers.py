"""Which query meets which passage: epochs, kinds of batch, languages, groups, clusters, faults."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from kit.data.clusters import question_numbers
from kit.data.corpus import ParallelCorpus
from kit.train.samplers import CROSS_LINGUAL, MIXED, MONOLINGUAL, SAMPLINGS, Kind, PairBatchSampler, Sampling

NAMES = ("En-En", "X-X", "X-X-mono", "X-Y", "Hybrid(0.4)")
LANGUAGES = ("de", "en", "fr", "zh")


def corpus(
    n_groups, languages=LANGUAGES, name="made", lacks=(), cluster_of=lambda group: group, question_of=lambda group: group
):
    """Groups 0 … n-1 in all languages but those (group, language) that it ``lacks``."""
    rows = [
        {
            "group_id": str(group),
            "language": language,
            "query": f"{name} q{question_of(group)} {language}",
            "passage": f"{name} p{group} {language}",
            "cluster_id": str(cluster_of(group)),
        }
        for group in range(n_groups)
        for language in languages
        if (group, language) not in lacks
    ]
    return ParallelCorpus.from_rows(rows, name)


def sampler(corpora, name="X-Y", batch_size=4, seed=0, tau=1.0):
    corpora = corpora if isinstance(corpora, list) else [corpora]
    return PairBatchSampler(corpora, Sampling.parse(name), batch_size, seed, tau)


def batches(made, n_epochs=1):
    return [made.batch(epoch, index) for epoch in range(n_epochs) for index in range(len(made))]


def rows_of(made):
    """All rows of some corpora as dictionaries, in the numbering of the sampler."""
    return [row for part in made for row in part.table.to_pylist()]


def pairs_of(drawn):
    """How often each ordered pair of languages was drawn."""
    return Counter(pair for batch in drawn for pair in zip(batch.query_languages.tolist(), batch.passage_languages.tolist()))


def near(counts, probabilities):
    """Whether counts look drawn with these probabilities: each within 4.5 standard deviations."""
    counts, probabilities = np.asarray(counts), np.asarray(probabilities)
    n_draws = counts.sum()
    deviation = np.sqrt(n_draws * probabilities * (1 - probabilities))
    return np.all(np.abs(counts - n_draws * probabilities) <= 4.5 * deviation + 1e-9)


class TestParse:
    @pytest.mark.parametrize(
        ("name", "kinds", "probabilities"),
        [
            ("Hybrid", (MONOLINGUAL, CROSS_LINGUAL), (0.5, 0.5)),
            ("Hybrid(0)", (MONOLINGUAL, CROSS_LINGUAL), (0, 1)),
            ("Hybrid(1)", (MONOLINGUAL, CROSS_LINGUAL), (1, 0)),
            ("Hybrid(.25)", (MONOLINGUAL, CROSS_LINGUAL), (0.25, 0.75)),
            ("En-En", (Kind("monolingual", one_pair=True, query_language="en", same=True),), (1,)),
            ("X-X", (MIXED,), (1,)),
            ("X-X-mono", (MONOLINGUAL,), (1,)),
            ("X-Y", (CROSS_LINGUAL,), (1,)),
        ],
    )
    def test_kinds_and_their_probabilities(self, name, kinds, probabilities):
        assert Sampling.parse(name) == Sampling(name, kinds, probabilities)

    @pytest.mark.parametrize(
        "name",
        ["", "hybrid", "Y-X", "Hybrid(1.1)", "Hybrid(-0.1)", "Hybrid()", "Hybrid(nan)", "X-Y ", "X-Y(0.5)", "(0.5)", "a\nb"],
    )
    def test_other_names_are_refused(self, name):
        with pytest.raises(ValueError, match=r"is not known: use En-En, X-X, X-X-mono, X-Y, Hybrid or Hybrid\(alpha\)"):
            Sampling.parse(name)


class TestAddedSamplings:
    """One entry of ``SAMPLINGS`` is a sampling, whatever language pairs it draws."""

    def test_queries_in_any_language_passages_in_english(self, monkeypatch):
        monkeypatch.setitem(SAMPLINGS, "X-En", (Kind("to English", passage_language="en"),))
        drawn = batches(sampler([corpus(40), corpus(40, ["de", "fr"], "other")], "X-En"), n_epochs=20)
        english = LANGUAGES.index("en")
        assert {(batch.kind, batch.source) for batch in drawn} == {("to English", 0)}
        assert all((batch.passage_languages == english).all() for batch in drawn)
        assert near(np.bincount(np.concatenate([batch.query_languages for batch in drawn])), np.full(4, 1 / 4))

    def test_one_pair_of_two_languages_a_batch_mixed_with_another_kind(self, monkeypatch):
        pair = Kind("pair", one_pair=True, query_language="de", same=False)
        monkeypatch.setitem(SAMPLINGS, "De-Y", (pair, MIXED))
        drawn = batches(sampler(corpus(40), "De-Y(0.25)"), n_epochs=40)
        kinds = Counter(batch.kind for batch in drawn)
        assert near([kinds["pair"], kinds["mixed"]], [0.25, 0.75])
        german = LANGUAGES.index("de")
        pairs = [set(zip(b.query_languages.tolist(), b.passage_languages.tolist())) for b in drawn if b.kind == "pair"]
        assert all(len(of_batch) == 1 for of_batch in pairs)
        assert set.union(*pairs) == {(german, other) for other in range(4) if other != german}
        with pytest.raises(ValueError, match="corpus 'made' has 3 passage clusters for language 'de' and 'fr', fewer"):
            sampler(corpus(9, lacks={(group, "fr") for group in range(6)}), "De-Y")

    def test_without_its_language_it_is_refused(self, monkeypatch):
        monkeypatch.setitem(SAMPLINGS, "X-En", (Kind("to English", passage_language="en"),))
        with pytest.raises(ValueError, match="X-En draws to English batches, but no corpus has the language 'en'"):
            sampler(corpus(9, ["de", "fr"]), "X-En")


@pytest.mark.parametrize(
    ("kind", "pairs"),
    [
        (Kind("any"), ["de-de", "de-en", "en-de", "en-en"]),
        (Kind("from one", query_language="de"), ["de-de", "de-en"]),
        (Kind("to one", passage_language="en"), ["de-en", "en-en"]),
        (Kind("one to one", query_language="de", passage_language="en"), ["de-en"]),
        (Kind("another", query_language="de", same=False), ["de-en"]),
        (Kind("the same", passage_language="en", same=True), ["en-en"]),
        (Kind("neither", query_language="fr"), []),
    ],
)
def test_which_ordered_pairs_a_kind_allows(kind, pairs):
    allowed = kind.allowed(["de", "en"])
    assert allowed.shape == (2, 2) and allowed.dtype == bool
    assert [f"{('de', 'en')[query]}-{('de', 'en')[passage]}" for query, passage in np.argwhere(allowed)] == pairs


class TestDraws:
    """Each draw depends on the seed, the epoch and its place: no two places share their random numbers."""

    PLACES = tuple(product((0, 1), repeat=3))

    def test_languages_are_drawn_by_seed_epoch_and_batch(self):
        made = {seed: sampler(corpus(40), batch_size=20, seed=seed) for seed in (0, 1)}
        drawn = {tuple(made[seed].batch(epoch, index).query_languages) for seed, epoch, index in self.PLACES}
        assert len(drawn) == len(self.PLACES)

    def test_kinds_are_drawn_by_seed_and_epoch(self):
        plans = {
            tuple(batch.kind for batch in (made.batch(epoch, index) for index in range(len(made))))
            for seed in (0, 1)
            for made in [sampler(corpus(40), "Hybrid", batch_size=1, seed=seed)]
            for epoch in (0, 1)
        }
        assert len(plans) == 4

    def test_orders_are_drawn_by_seed_epoch_and_corpus(self):
        # With one language nothing else is drawn; two corpora of one size fill a batch each, or one of them both.
        drawn = {}
        for seed in (0, 1):
            made = sampler([corpus(30, ["en"]), corpus(30, ["en"], "other")], "En-En", 30, seed)
            for epoch, index in product(range(4), range(2)):
                batch = made.batch(epoch, index)
                drawn[seed, epoch, index] = batch.source, tuple(batch.query_rows - 30 * batch.source)
        assert any(drawn[seed, epoch, 0][0] != drawn[seed, epoch, 1][0] for seed, epoch, _ in drawn)
        assert len({order for _, order in drawn.values()}) == len(drawn)

    def test_a_small_corpus_that_is_walked_again_has_another_order(self):
        made = sampler([corpus(6, ["en"]), corpus(66, ["en"], "large")], "En-En", 6, tau=0.0)
        orders = [tuple(batch.query_rows) for batch in batches(made) if batch.source == 0]
        assert len(orders) > 2 and len(set(orders)) == len(orders)

    def test_the_first_epoch_is_0_and_corpora_count_by_size_unless_told_otherwise(self):
        parts = [corpus(8), corpus(40, name="large")]
        made = PairBatchSampler(parts, Sampling.parse("X-Y"), 4, 0)
        assert list(made) == [batch.pairs() for batch in batches(sampler(parts, tau=1.0))]


class TestEpoch:
    @pytest.mark.parametrize("name", NAMES)
    @pytest.mark.parametrize("batch_size", [1, 4, 7, 30])
    def test_length_is_exact_and_the_same_for_every_sampling(self, name, batch_size):
        made = sampler(corpus(30), name, batch_size)
        walked = list(made)
        assert len(made) == len(walked) == 30 // batch_size
        assert {len(batch) for batch in walked} == {batch_size}

    @pytest.mark.parametrize("name", NAMES)
    @pytest.mark.parametrize("batch_size", [5, 7])
    def test_a_parallel_corpus_is_walked_group_by_group(self, name, batch_size):
        part = corpus(30)
        groups = [row["group_id"] for row in rows_of([part])]
        for epoch in range(3):
            made = sampler(part, name, batch_size)
            made.set_epoch(epoch)
            visited = [groups[query] for batch in made for query, _ in batch]
            assert len(set(visited)) == len(visited) == 30 // batch_size * batch_size  # 5 divides 30, 7 does not

    def test_the_same_seed_gives_the_same_batches_and_epochs_and_seeds_differ(self):
        part = corpus(30)
        walks = {}
        for seed, epoch in ((0, 0), (0, 1), (1, 0)):
            for again in range(2):
                made = sampler(part, "Hybrid", seed=seed)
                made.set_epoch(epoch)
                walks[seed, epoch, again] = list(made)
        assert all(walks[seed, epoch, 0] == walks[seed, epoch, 1] for seed, epoch, _ in walks)
        assert walks[0, 0, 0] != walks[0, 1, 0] != walks[1, 0, 0] != walks[0, 0, 0]

    def test_an_epoch_has_another_order_of_groups(self):
        made = sampler(corpus(30, languages=["en"]), "X-X-mono", batch_size=30)
        orders = [tuple(made.batch(epoch, 0).query_rows) for epoch in range(3)]
        assert len(set(orders)) == 3
        assert all(sorted(order) == list(range(30)) for order in orders)

    @pytest.mark.parametrize("salt", ["0", "1"])
    def test_random_access_in_a_fresh_process_equals_iteration(self, salt):
        lacks = {(group, language) for group in range(40) for language in LANGUAGES[group % 3 : 3]}
        parts = [corpus(40, lacks=lacks, cluster_of=lambda group: group // 2), corpus(20, ["en"], "english")]
        made = sampler(parts, "Hybrid", seed=5)
        made.set_epoch(3)
        walked = list(made)
        code = (
            "import json, sys; sys.path.insert(0, sys.argv[1]); from test_samplers import *\n"
            "lacks = {(group, language) for group in range(40) for language in LANGUAGES[group % 3:3]}\n"
            "parts = [corpus(40, lacks=lacks, cluster_of=lambda group: group // 2), corpus(20, ['en'], 'english')]\n"
            "made, found = sampler(parts, 'Hybrid', seed=5), {}\n"
            "for index in reversed(range(len(made))):\n"
            "    made.batch(9, index)\n"
            "    batch = made.batch(3, index)\n"
            "    found[index] = list(zip(batch.query_rows.tolist(), batch.passage_rows.tolist()))\n"
            "print(json.dumps([found[index] for index in range(len(made))]))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, os.path.dirname(__file__)],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": salt},
        )
        assert [[tuple(pair) for pair in batch] for batch in json.loads(done.stdout)] == walked

    def test_an_epoch_that_is_chosen_while_one_is_walked_is_the_next(self):
        made = sampler(corpus(30))
        walked, after = list(made), iter(made)
        first = next(after)
        made.set_epoch(1)
        assert [first, *after] == walked

    def test_an_index_outside_the_epoch_is_refused(self):
        made = sampler(corpus(30))
        for index in (-1, len(made)):
            with pytest.raises(IndexError, match=f"batch {index} of an epoch of 7"):
                made.batch(0, index)


class TestKinds:
    def test_what_a_batch_says_of_itself_is_what_its_rows_are(self):
        parts = [corpus(24, name="one"), corpus(16, ["en", "th"], "two")]
        rows = rows_of(parts)
        made = sampler(parts, "Hybrid", batch_size=3)
        for batch in batches(made, n_epochs=3):
            for query, passage, first, second in zip(
                batch.query_rows, batch.passage_rows, batch.query_languages, batch.passage_languages
            ):
                assert rows[query]["group_id"] == rows[passage]["group_id"]
                assert rows[query]["language"] == made.languages[first]
                assert rows[passage]["language"] == made.languages[second]
                assert {rows[query]["query"][:3], rows[passage]["query"][:3]} == {parts[batch.source].name}

    def test_monolingual_batches_are_in_one_language_uniformly_drawn(self):
        drawn = batches(sampler(corpus(40), "X-X-mono"), n_epochs=60)
        assert all(len({*batch.query_languages, *batch.passage_languages}) == 1 for batch in drawn)
        assert near(np.bincount([batch.query_languages[0] for batch in drawn], minlength=4), np.full(4, 1 / 4))

    def test_mixed_batches_have_one_language_a_row_uniformly_drawn(self):
        drawn = batches(sampler(corpus(40), "X-X"), n_epochs=20)
        assert all((batch.query_languages == batch.passage_languages).all() for batch in drawn)
        assert any(len(set(batch.query_languages)) > 1 for batch in drawn)
        assert near(np.bincount(np.concatenate([batch.query_languages for batch in drawn])), np.full(4, 1 / 4))

    def test_cross_lingual_pairs_are_ordered_and_uniform(self):
        drawn = batches(sampler(corpus(40)), n_epochs=60)
        pairs = pairs_of(drawn)
        assert set(pairs) == {(one, other) for one in range(4) for other in range(4) if one != other}
        assert near(list(pairs.values()), np.full(12, 1 / 12))

    def test_en_en_is_english_only(self):
        made = sampler([corpus(20), corpus(20, ["de", "fr"], "other")], "En-En")
        english = made.languages.index("en")
        for batch in batches(made, n_epochs=3):
            assert batch.source == 0
            assert {*batch.query_languages, *batch.passage_languages} == {english}

    @pytest.mark.parametrize("alpha", [0.0, 0.3, 0.5, 1.0])
    def test_alpha_holds_though_some_corpora_have_one_language(self, alpha):
        parts = [corpus(20, ["de", "en"], "two"), corpus(60, ["en"], "one"), corpus(20, ["fr"], "another")]
        kinds = Counter(batch.kind for batch in batches(sampler(parts, f"Hybrid({alpha})", 10), n_epochs=100))
        assert near([kinds["monolingual"], kinds["cross-lingual"]], [alpha, 1 - alpha])

    @pytest.mark.parametrize("tau", [0.0, 0.5, 1.0])
    def test_sources_are_mixed_by_size_among_those_that_can_serve_the_kind(self, tau):
        sizes = {"a": 16, "b": 64, "english": 36}
        parts = [corpus(16, ["de", "en"], "a"), corpus(64, ["fr", "zh"], "b"), corpus(36, ["en"], "english")]
        drawn = batches(sampler(parts, "Hybrid", tau=tau), n_epochs=60)
        for kind, able in (("monolingual", [0, 1, 2]), ("cross-lingual", [0, 1])):
            weights = np.array([size**tau if number in able else 0 for number, size in enumerate(sizes.values())])
            counts = np.bincount([batch.source for batch in drawn if batch.kind == kind], minlength=3)
            assert near(counts, weights / weights.sum())

    def test_groups_of_a_parallel_corpus_are_uniform(self):
        part = corpus(10, ["de", "en"])
        rows = [row for batch in batches(sampler(part, batch_size=3), n_epochs=200) for row in batch.query_rows]
        groups = Counter(part.table.column("group_id")[int(row)].as_py() for row in rows)
        assert len(rows) == 1800
        assert near(list(groups.values()), np.full(10, 1 / 10))


class TestPartlyParallel:
    LACKS = frozenset(
        (group, language)
        for group in range(60)
        for number, language in enumerate(LANGUAGES)
        if (group + number) % 3 == 0 and language != "zh"
    )

    @pytest.mark.parametrize("name", NAMES)
    def test_length_and_rows_hold(self, name):
        part = corpus(60, lacks=self.LACKS)
        made, rows = sampler(part, name), rows_of([part])
        assert len(list(made)) == len(made) == 15
        for batch in made:
            groups = [rows[query]["group_id"] for query, _ in batch]
            assert groups == [rows[passage]["group_id"] for _, passage in batch]
            assert len(set(groups)) == 4

    def test_pairs_stay_uniform(self):
        drawn = batches(sampler(corpus(60, lacks=self.LACKS)), n_epochs=60)
        pairs = pairs_of(drawn)
        assert len(pairs) == 12
        assert near(list(pairs.values()), np.full(12, 1 / 12))

    def test_a_pair_with_too_few_clusters_gives_way_to_another(self):
        # Only group 0 is in French: of the pairs with French, a batch can hold one row.
        part = corpus(12, lacks={(group, "fr") for group in range(1, 12)})
        made = sampler(part, batch_size=10)
        french, rows, n_french = made.languages.index("fr"), rows_of([part]), 0
        for batch in batches(made, n_epochs=50):
            assert len({rows[row]["group_id"] for row in batch.query_rows}) == 10
            here = (batch.query_languages == french) | (batch.passage_languages == french)
            n_french += here.sum()
            assert here.sum() <= 1
            assert (batch.query_languages != batch.passage_languages).all()
        # Nearly every batch asks for French. It gets it if group 0 is not in the walk (1/6), or on a French row (5/6 · 1/2).
        assert near([n_french, 50 - n_french], [7 / 12, 5 / 12])

    def test_each_pair_alone_is_too_small_but_together_they_fill_a_batch(self):
        # Groups 0-2 in de and en, 3-5 in fr and zh: a batch of 6 needs all of both.
        lacks = {(group, language) for group in range(6) for language in (LANGUAGES[2:] if group < 3 else LANGUAGES[:2])}
        for batch in batches(sampler(corpus(6, lacks=lacks), batch_size=6), n_epochs=20):
            assert sorted(np.bincount(np.minimum(batch.query_languages, batch.passage_languages))) == [0, 3, 3]

    @settings(max_examples=60, deadline=None)
    @given(st.data())
    @pytest.mark.filterwarnings("ignore:.*some stand in a batch twice")
    def test_no_group_no_cluster_and_no_question_twice_in_a_batch(self, data):
        """A question stands twice only where no group is left that could take its place."""
        n_groups = data.draw(st.integers(2, 24))
        present = data.draw(st.lists(st.sets(st.sampled_from(LANGUAGES), min_size=1), min_size=n_groups, max_size=n_groups))
        numbers = st.lists(st.integers(0, n_groups), min_size=n_groups, max_size=n_groups)
        clusters, questions = data.draw(numbers), data.draw(st.just(range(n_groups)) | numbers)
        lacks = {(group, language) for group in range(n_groups) for language in LANGUAGES if language not in present[group]}
        part = corpus(n_groups, lacks=lacks, cluster_of=clusters.__getitem__, question_of=questions.__getitem__)
        try:
            name, batch_size, seed = data.draw(st.tuples(st.sampled_from(NAMES), st.integers(1, 4), st.integers(0, 99)))
            made = sampler(part, name, batch_size, seed)
            drawn = batches(made, n_epochs=2)
        except ValueError as error:  # too few clusters for this batch size
            assert "lower batch_size" in str(error) or "no corpus has" in str(error)
            return
        rows = rows_of([part])
        questions = question_numbers(part.table)  # two groups without a language in common have no text in common
        for batch in drawn:
            queries, passages = ([rows[row] for row in side] for side in (batch.query_rows, batch.passage_rows))
            assert len({row["cluster_id"] for row in passages}) == made.batch_size == len(passages)
            asked, held = ({int(of_group[int(row["group_id"])]) for row in queries} for of_group in (questions, clusters))
            if len(asked) < made.batch_size:
                free = [group for group in range(n_groups) if questions[group] not in asked and clusters[group] not in held]
                pairs = {(row["language"], other["language"]) for row, other in zip(queries, passages)}
                assert not [group for group in free for pair in pairs if present[group].issuperset(pair)]
            assert [row["group_id"] for row in queries] == [row["group_id"] for row in passages]
            for side, languages in ((queries, batch.query_languages), (passages, batch.passage_languages)):
                assert [row["language"] for row in side] == [made.languages[language] for language in languages]

    def test_a_question_with_several_passages_is_in_a_batch_once(self):
        """As in PolicyQA: 20 questions, each asked of two passages, so that half of a batch could be false negatives."""
        part = corpus(40, ["en"], question_of=lambda group: group // 2)
        for batch in batches(sampler(part, "En-En", batch_size=15), n_epochs=5):
            assert len(set(batch.query_rows // 2)) == 15

    def test_groups_of_one_cluster_are_all_visited(self):
        # 40 groups in 20 clusters of two: only where two of a cluster meet in a batch is one replaced.
        part = corpus(40, ["de", "en"], cluster_of=lambda group: group % 20)
        visited = [
            row
            for epoch in range(10)
            for batch in [sampler(part, batch_size=4)]
            for index in range(10)
            for row in batch.batch(epoch, index).query_rows // 2
        ]
        share = np.mean([len(set(visited[start : start + 40])) / 40 for start in range(0, 400, 40)])
        assert share > 0.95


class TestFaults:
    @pytest.mark.parametrize(
        ("made", "message"),
        [
            (lambda: sampler([]), "corpora is empty: give at least one ParallelCorpus"),
            (lambda: sampler(corpus(9), batch_size=0), "batch_size 0 is below 1"),
            (
                lambda: sampler(corpus(9), batch_size=10),
                "corpus 'made' has 9 passage clusters for these batches, fewer than batch_size 10: lower batch_size",
            ),
            (lambda: sampler(corpus(9, cluster_of=lambda group: group // 3), "X-X", batch_size=4), "has 3 passage clusters"),
            (
                lambda: sampler(corpus(9, lacks={(group, "fr") for group in range(6)}), "X-X-mono", batch_size=4),
                "corpus 'made' has 3 passage clusters for language 'fr', fewer than batch_size 4: lower batch_size, or leave",  # noqa: E501
            ),
            (lambda: sampler([corpus(9), corpus(2, name="small")]), "corpus 'small' has 2 passage clusters"),
            (
                lambda: sampler(corpus(9, ["en"])),
                "sampling X-Y draws cross-lingual batches, but no corpus has groups in two",
            ),
            (lambda: sampler(corpus(9, ["en"]), "Hybrid"), "sampling Hybrid draws cross-lingual batches, but no corpus has"),
            (lambda: sampler(corpus(9, ["de", "fr"]), "En-En"), "no corpus has the language 'en': add such a corpus"),
        ],
    )
    def test_what_cannot_be_sampled_is_refused(self, made, message):
        with pytest.raises(ValueError, match=message):
            made()

    @pytest.mark.parametrize("sampling", ["X-X", "X-X-mono", "X-Y"])
    def test_too_few_questions_are_said_and_stand_twice(self, sampling):
        poor = corpus(9, question_of=lambda group: group // 3)
        with pytest.warns(
            UserWarning, match="'made' has 3 distinct questions for .*, fewer than batch_size 4: some stand in"
        ):
            made = sampler(poor, sampling, batch_size=4)
        question_of, drawn = question_numbers(poor.table), batches(made)
        groups = [[poor.table.column("group_id")[row].as_py() for row in batch.query_rows.tolist()] for batch in drawn]
        numbers = [[poor.group_ids.index(group) for group in batch] for batch in groups]
        assert numbers and all(len(set(batch)) == 4 for batch in numbers)
        assert all(len(set(question_of[batch])) == 3 for batch in numbers)

    def test_a_question_stands_twice_rather_than_another_language(self):
        # Nine groups in French have three questions, nine in German one each: no row of a French batch may be German.
        lacks = {(group, "de" if group < 9 else "fr") for group in range(18)}
        poor = corpus(18, ["de", "fr"], lacks=lacks, question_of=lambda group: group // 3 if group < 9 else group)
        with pytest.warns(UserWarning, match="3 distinct questions for language 'fr'"):
            made = sampler(poor, "X-X-mono", batch_size=4)
        languages = [set(batch.query_languages.tolist()) for batch in batches(made, n_epochs=4)]
        assert {1} in languages and {0, 1} not in languages

    def test_a_question_stands_twice_rather_than_none(self):
        # Three clusters and three questions, but every group has cluster 0 or question 0.
        made = corpus(5, ["en"], cluster_of=[0, 0, 0, 1, 2].__getitem__, question_of=[0, 1, 2, 0, 0].__getitem__)
        drawn = batches(sampler(made, "En-En", batch_size=3))
        assert drawn and all(len(set(made.table["cluster_id"].take(batch.query_rows).to_pylist())) == 3 for batch in drawn)

    def test_a_language_too_small_for_a_monolingual_batch_matters_to_no_other_kind(self):
        part = corpus(9, lacks={(group, "fr") for group in range(6)})
        assert len(list(sampler(part, "X-Y"))) == len(list(sampler(part, "En-En"))) == 2

    def test_a_corpus_that_is_not_drawn_from_may_be_small(self):
        assert len(sampler([corpus(9), corpus(2, ["en"], "small")], "X-Y")) == 2


class TestCost:
    def test_pairs_are_never_materialised(self):
        languages = ["ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh"]
        large = corpus(20_000, languages)  # 2.2 million ordered pairs
        assert len(large.row_of) == len(large.cluster_of)  # the corpus' own, made when they are first asked for
        start = time.process_time()
        made = sampler(large, "Hybrid", batch_size=100)
        assert time.process_time() - start < 3
        made.batch(0, 0)  # the epoch's order is drawn once
        start = time.perf_counter()
        for index in range(len(made)):
            made.batch(0, index)
        assert (time.perf_counter() - start) / len(made) < 0.01
