"""Studies of domains: equal amounts, one start, arms that leave one out, drops by hand, and the figures of both."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest
from test_results import made_evaluation

from kit.compare.claims import judge
from kit.compare.columns import HEADLINE
from kit.compare.gaps import Domain, Drop, drop_rows, drops, mean_drop, mean_without
from kit.compare.results import Results
from kit.compare.stats import macro_mean
from kit.core import paths
from kit.data.corpus import ParallelCorpus
from kit.data.registry import load_corpus
from kit.run import pipeline
from kit.run.settings import Settings
from kit.run.studies.domains import (
    DROP,
    arms_without,
    batch_rows,
    domain_name,
    english_arms,
    judge_shift,
    judge_steps,
    judge_without,
    sample_groups,
    shift_text,
    step_panels,
    with_start,
)
from kit.show.plots.studies import shift_chart, steps_chart

SAMPLINGS = ("X-X-mono", "X-Y", "Hybrid")
DOMAINS = [
    Domain("wiki", "jsonl:w", "atlas?domains=writing", True),
    Domain("technical", "jsonl:t", "atlas?domains=currency", True),
    Domain("legal", "jsonl:l", "atlas?domains=language", False),
]


def corpus(n_groups=20, languages=("de", "en"), domain="") -> ParallelCorpus:
    rows = [
        {
            "group_id": f"g{g}",
            "language": tag,
            "query": f"Question {g} {tag}?",
            "passage": f"Answer {g} {tag}.",
            "domain": domain,
        }
        for g in range(n_groups)
        for tag in languages
    ]
    return ParallelCorpus.from_rows(rows, "made")


class TestSamples:
    def test_groups_come_in_all_their_languages(self):
        found = sample_groups(corpus(), 7)
        assert len(found.group_ids) == 7 and len(found) == 14 and found.languages == ("de", "en")

    def test_the_choice_is_a_hash(self):
        few, more = (set(sample_groups(corpus(), n).group_ids) for n in (5, 9))
        assert few < more, "a larger sample holds the smaller one"
        assert few != set(sample_groups(corpus(), 5, seed=1).group_ids)
        assert set(sample_groups(corpus(languages=("en",)), 5).group_ids) == few

    def test_a_split_of_a_sample_is_a_split_of_any_corpus(self):
        sample = sample_groups(corpus(4000, ("en",)), 200)
        rest, held_out = sample.split(0.1)
        assert 160 <= len(rest) <= 195 and len(held_out) == 200 - len(rest)

    def test_no_more_than_there_are(self):
        assert sample_groups(corpus(), 100).table.equals(corpus().table)

    def test_none_is_refused(self):
        with pytest.raises(ValueError, match="n_groups is 0: choose at least 1"):
            sample_groups(corpus(), 0)

    def test_names(self):
        assert domain_name(corpus(domain="legal")) == "legal" and domain_name(corpus()) == "made"
        assert domain_name(load_corpus("atlas?domains=writing,calendar&languages=en")) == "calendar, writing"


class TestStart:
    @pytest.fixture
    def home(self, tmp_path, monkeypatch):
        (tmp_path / "notebooks").mkdir()
        monkeypatch.setenv("KIT_HOME", str(tmp_path))
        return tmp_path

    def test_is_made_once_and_knows_all_words(self, home):
        from kit.train.encoders.loading import load_encoder

        settings = Settings().changed(dimension=16, vocabulary_size=300, updates=4, evaluations=1)
        first = with_start(settings, [corpus(), corpus(languages=("th",))])
        folder = home / first.encoder.name
        made = folder.stat().st_mtime_ns
        assert with_start(settings, [corpus(), corpus(languages=("th",))]) == first
        assert folder.stat().st_mtime_ns == made and folder.is_relative_to(paths.cache())
        assert load_encoder(str(folder)).encode(["x"]).shape == (1, 16)
        assert first.changed(encoder="static") == settings.changed(dropout=0.0)

    @pytest.mark.parametrize("change", [{"dimension": 32}, {"vocabulary_size": 400}, {"dropout": 0.5}])
    def test_another_recipe_is_another_start(self, home, change):
        settings = Settings().changed(dimension=16, vocabulary_size=300)
        first, second = (with_start(one, [corpus()]) for one in (settings, settings.changed(**change)))
        assert first.encoder.name != second.encoder.name and second.encoder.dropout == 0

    def test_other_texts_are_another_start(self, home):
        settings = Settings().changed(dimension=16, vocabulary_size=300)
        assert with_start(settings, [corpus()]).encoder != with_start(settings, [corpus(19)]).encoder

    def test_one_that_is_taken_out_of_a_model_knows_all_words(self, home):
        from kit.train.config import EncoderConfig
        from kit.train.encoders.making import make_encoder

        config = EncoderConfig(name="tiny", dimension=16, vocabulary_size=300, max_tokens=16)
        for seed in (0, 1):
            texts = corpus(languages=("en", "th")).table.column("query").to_pylist()
            make_encoder(config, texts, seed).save_pretrained(str(home / f"model {seed}"), create_model_card=False)
        settings = Settings().changed(dimension=8, encoder="static:model 0")
        first = with_start(settings, [corpus(), corpus(languages=("th",))])
        model = make_encoder(EncoderConfig(name=str(home / first.encoder.name)), [], seed=0)
        numbers = model.preprocess(corpus(languages=("th",)).table.column("query").to_pylist())["input_ids"]
        assert model.encode("x").shape == (8,) and model.tokenizer.token_to_id("<unk>") not in numbers
        (home / "model 0").rename(home / "model 2")
        (home / "model 1").rename(home / "model 0")  # other weights under the name
        assert with_start(settings, [corpus(), corpus(languages=("th",))]) != first

    def test_a_pretrained_encoder_stays(self, home):
        settings = Settings().changed(encoder="sentence-transformers/LaBSE")
        assert with_start(settings, [corpus()]) is settings and not paths.cache().exists()


class TestArms:
    def test_each_domain_is_left_out_of_each_sampling(self):
        arms = arms_without(Settings(), DOMAINS, SAMPLINGS)
        assert arms["technical"]["Hybrid"].data.train == ("jsonl:w", "jsonl:t", "jsonl:l")
        assert arms["technical"]["Hybrid, without"].data.train == ("jsonl:w", "jsonl:l")
        assert arms["wiki"]["X-Y, without"].samplings == ("X-Y",)
        assert list(arms["wiki"]) == [f"{s}{end}" for s in SAMPLINGS for end in ("", ", without")]

    def test_only_what_is_left_out_differs(self):
        for mine in arms_without(Settings().changed(updates=70), DOMAINS, SAMPLINGS).values():
            for arm in mine.values():
                assert arm.changed(train=("atlas",), samplings=("X-Y",)) == Settings().changed(
                    updates=70, samplings=("X-Y",)
                )

    def test_a_domain_in_one_language_plays_no_part_in_x_y(self):
        assert list(arms_without(Settings(), DOMAINS, SAMPLINGS)["legal"]) == [
            "X-X-mono",
            "X-X-mono, without",
            "X-Y",
            "Hybrid",
            "Hybrid, without",
        ]

    @pytest.mark.parametrize(
        ("domains", "error"),
        [
            ([], "domains are none"),
            (DOMAINS[:1], "domains are wiki: give at least two"),
            ([DOMAINS[0]] * 2, "domains are wiki, wiki"),
            (DOMAINS[1:], "fewer than two domains are parallel"),
        ],
    )
    def test_what_cannot_be_left_out_is_refused(self, domains, error):
        with pytest.raises(ValueError, match=error):
            arms_without(Settings(), domains, SAMPLINGS)

    def test_a_model_is_trained_once_and_judged_on_what_was_left_out(self, monkeypatch):
        asked = {"missing": [], "judged": []}
        monkeypatch.setattr(pipeline, "evaluate_missing", lambda recipes, log: asked["missing"].append(recipes))

        def judge_one(settings, log):
            asked["judged"].append((settings.samplings[0], len(settings.data.train), settings.data.test))
            return [made_evaluation("right", name=settings.data.test)]

        monkeypatch.setattr(pipeline, "evaluate_runs", judge_one)
        found = judge_without(Settings(), DOMAINS, SAMPLINGS)
        (missing,) = asked["missing"]  # all of them together
        assert len({arm.changed(test="any").fingerprint() for arm in missing}) == 3 + 3 * 3 - 1
        assert [arm.data.test for arm in missing] == [
            DOMAINS[n].test for n, size in enumerate((6, 6, 5)) for _ in range(size)
        ]
        assert asked["judged"][-5:] == [
            (sampling, n, DOMAINS[2].test)
            for sampling, n in (("X-X-mono", 3), ("X-X-mono", 2), ("X-Y", 3), ("Hybrid", 3), ("Hybrid", 2))
        ]
        assert {name: one.task_name for name, one in found.items()} == {d.name: d.test for d in DOMAINS}


# Two seeds; see test_results: "right" has mAP 1 in every setting, "swapped" 1/2 within and across languages.
FOUND = {
    "wiki": Results(
        {
            "X-X-mono": [made_evaluation("right")] * 2,
            "X-X-mono, without": [made_evaluation("swapped")] * 2,  # drop 1/2
            "X-Y": [made_evaluation("swapped")] * 2,
            "X-Y, without": [made_evaluation("swapped")] * 2,  # drop 0
            "Hybrid": [made_evaluation("right")] * 2,
            "Hybrid, without": [made_evaluation("right"), made_evaluation("swapped")],  # drop 0 and 1/2
        }
    ),
    "legal": Results(
        {
            "X-X-mono": [made_evaluation("swapped", "en")] * 2,
            "X-X-mono, without": [made_evaluation("right", "en")] * 2,  # drop -1/2
            "X-Y": [made_evaluation("swapped", "en")] * 2,
            "Hybrid": [made_evaluation("right", "en")] * 2,
            "Hybrid, without": [made_evaluation("right", "en")] * 2,  # drop 0
        }
    ),
}
TWO = [DOMAINS[0], DOMAINS[2]]


class TestDrops:
    def test_by_hand(self):
        found = {(drop.domain, drop.sampling): drop for drop in drops(FOUND, TWO, SAMPLINGS)}
        assert {key: round(drop.difference, 12) for key, drop in found.items()} == {
            ("wiki", "X-X-mono"): 0.5,
            ("wiki", "X-Y"): 0.0,
            ("wiki", "Hybrid"): 0.25,
            ("legal", "X-X-mono"): -0.5,
            ("legal", "X-Y"): 0.0,
            ("legal", "Hybrid"): 0.0,
        }
        assert found["wiki", "Hybrid"].by_seed == pytest.approx((0.0, 0.5))
        assert found["wiki", "X-X-mono"].relative == pytest.approx(0.5)
        assert found["legal", "X-X-mono"].relative == pytest.approx(-1.0)

    def test_what_is_zero_by_construction_is_marked(self):
        marked = [(d.domain, d.sampling) for d in drops(FOUND, TWO, SAMPLINGS) if d.by_construction]
        assert marked == [("legal", "X-Y")], "not the measured zero of X-Y on wiki"

    def test_a_domain_without_the_setting_is_left_out(self):
        assert {drop.domain for drop in drops(FOUND, TWO, SAMPLINGS, "cross mAP")} == {"wiki"}

    def test_no_score_no_share(self):
        assert np.isnan(Drop("wiki", "X-Y", 0.0, 0.0, 0.0, 0.0, 0.0).relative)

    @pytest.mark.parametrize("relative", [False, True])
    def test_the_mean_is_that_of_the_drops(self, relative):
        for sampling in ("X-X-mono", "Hybrid"):
            one = [drop for drop in drops(FOUND, TWO, SAMPLINGS) if drop.sampling == sampling]
            expected = np.mean([drop.relative if relative else drop.difference for drop in one])
            seeds = mean_drop(FOUND, ["wiki", "legal"], sampling, relative=relative)
            assert len(seeds) == 2 and {seed.shape for seed in seeds} == {(4, 2)}
            assert np.mean([macro_mean(seed) for seed in seeds]) == pytest.approx(expected)

    def test_the_mean_without_is_that_of_the_scores(self):
        for sampling, expected in (("X-X-mono", (0.5 + 1) / 2), ("X-Y", (0.5 + 0.5) / 2), ("Hybrid", (0.75 + 1) / 2)):
            seeds = mean_without(FOUND, ["wiki", "legal"], sampling)
            assert np.mean([macro_mean(seed) for seed in seeds]) == pytest.approx(expected)
            found = [drop.without for drop in drops(FOUND, TWO, SAMPLINGS) if drop.sampling == sampling]
            assert np.mean(found) == pytest.approx(expected)

    def test_the_groups_of_a_test_are_in_its_column_only(self):
        first, _ = mean_drop(FOUND, ["wiki", "legal"], "X-X-mono")
        assert np.isnan(first).tolist() == [[False, True]] * 2 + [[True, False]] * 2

    def test_a_contrast_of_contrasts(self):
        first, second = (mean_drop(FOUND, ["wiki"], sampling) for sampling in ("X-X-mono", "Hybrid"))
        claim = DROP.filled(kind="drop", other="X-X-mono", score="mono mAP")
        found = judge(claim, first, second, "mean over wiki")
        assert found.effect == "drop of mono mAP, X-X-mono − Hybrid"
        assert found.difference == pytest.approx(0.25) and found.by_seed == pytest.approx((0.5, 0.0))
        assert found.verdict == "not seen here", "one seed shows nothing"

    def test_tables(self):
        rows = drop_rows(drops(FOUND, TWO, SAMPLINGS))
        assert rows[0]["drop [95 %]"].startswith("+0.500 [") and rows[0]["of the score"] == "50%"
        assert rows[4]["drop [95 %]"] == "0 by construction" and rows[4]["of the score"] == "–"
        names = ["left out", "sampling", "mono mAP, all domains", "without it", "drop [95 %]", "of the score"]
        assert len(rows) == 6 and all(list(row) == names for row in rows)


class TestJudgeShift:
    # "X-Y" on legal is 0 by construction, so that it is compared over wiki alone, whatever the score.
    RESULTS: ClassVar = {"wiki": FOUND["wiki"], "legal": FOUND["legal"]}

    def test_drops_then_scores_of_what_is_missing(self):
        found = judge_shift(self.RESULTS, TWO)
        assert [(one.effect.split(", ")[0], one.on) for one in found] == [
            *[
                (kind, f"mean over {names}")
                for names in ("wiki; legal", "wiki")
                for kind in ("drop of mono mAP", "relative drop of mono mAP")
            ],
            *[(kind, "mean over wiki") for _ in range(2) for kind in ("drop of cross mAP", "relative drop of cross mAP")],
            *[("mono mAP without the domain", "mean over wiki; legal")] * 2,
            *[("cross mAP without the domain", "mean over wiki")] * 2,
        ]
        drop, _, without_x_y = found[0], found[1], found[2]
        assert drop.difference == pytest.approx(
            (0.5 - 0.5) / 2 - (0.25 + 0) / 2
        ) and without_x_y.difference == pytest.approx(0 - 0.25)
        assert found[8].difference == pytest.approx((0.75 + 1) / 2 - (0.5 + 1) / 2)
        assert {one.study for one in found} == {"07 diverse domains"}

    def test_a_text_for_each_score(self):
        text = shift_text({"mono mAP": drops(FOUND, TWO, SAMPLINGS), "cross mAP": []})
        assert text.count("## Part B: left out") == 2 and "| wiki | X-Y | 0.500 |" in text


class TestEnglishArms:
    ADDED: ClassVar = {name: corpus(5, domain=name) for name in ("legal", "technical")}

    @pytest.fixture
    def arms(self, monkeypatch):
        monkeypatch.setattr(
            pipeline, "keep_corpus", lambda corpus: f"jsonl:{domain_name(corpus)}:{'+'.join(corpus.languages)}:{len(corpus)}"
        )
        return english_arms(Settings().changed(train=("jsonl:base",)), corpus(20), self.ADDED, 5)

    def test_a_step_for_each_domain_and_a_control_of_as_many_sources(self, arms):
        assert {name: arm.data.train for name, arm in arms.items()} == {
            "none": ("jsonl:base",),
            "+ legal": ("jsonl:base", "jsonl:legal:en:5"),
            "+ technical": ("jsonl:base", "jsonl:legal:en:5", "jsonl:technical:en:5"),
            "English base": ("jsonl:base", "jsonl:English base 1:en:5", "jsonl:English base 2:en:5"),
        }
        assert {arm.samplings for arm in arms.values()} == {("Hybrid",)}

    def test_monolingual_batches_are_shared_by_size(self, arms):
        rows = {row.pop("arm"): list(row.values()) for row in batch_rows(arms, corpus(20), 5)}
        assert rows["none"] == [0.5, 0.5, 0.0]
        assert rows["+ technical"] == rows["English base"] == [0.5, 0.5 * 20 / 30, 0.5 * 10 / 30]


def _steps(languages: str, name: str) -> Results:
    models = {"none": "swapped", "+ legal": "swapped", "+ technical": "right", "English base": "own first"}
    return Results({arm: [made_evaluation(model, languages, name)] for arm, model in models.items()})


class TestJudgeSteps:
    TESTS: ClassVar = {"base": "b", "legal": "l", "technical": "t"}
    RESULTS: ClassVar = {
        test: _steps(tags, name)
        for test, tags, name in (
            ("b", "de en", "base"),
            ("l", "en", "legal"),
            ("t", "de en", "tldr"),
            ("s", "en", "scifact"),
        )
    }

    def test_in_order_and_only_where_the_setting_is(self):
        found = judge_steps(self.RESULTS, self.TESTS, ["s"])
        assert [(one.on, one.effect) for one in found] == [
            ("legal", "English mAP, + technical − none"),
            ("tldr", "English mAP, + technical − none"),
            *[("base", "cross mAP, + technical − none")] * 2,
            ("tldr", "cross mAP, + technical − none"),
            ("tldr", "cross mAP, + technical − English base"),
            ("scifact", "nDCG@10, + technical − none"),
            ("not run: their data is on the hub", ""),
        ]
        assert [one.difference for one in found[:6]] == pytest.approx([0.5] * 5 + [0.0])
        assert found[4].claim == "Cross-lingual retrieval in the domain technical improves with English pairs of it"
        assert found[6].claim == "English pairs of other domains improve zero-shot retrieval on scifact"

    def test_panels_are_the_settings_that_a_test_has(self):
        assert list(step_panels(self.RESULTS, self.TESTS, ["s"])) == [
            "base: monolingual mAP",
            "base: cross-lingual mAP",
            "legal: monolingual mAP",
            "technical: monolingual mAP",
            "technical: cross-lingual mAP",
            "scifact: nDCG@10",
        ]


class TestShiftChart:
    def test_points_and_rings_are_the_drops(self):
        found = drops(FOUND, TWO, SAMPLINGS)
        figure = shift_chart(found)
        points = [trace for trace in figure.data if trace.error_x.array is not None]
        assert [trace.x[0] for trace in points] == [drop.difference for drop in found if not drop.by_construction]
        rings = [trace for trace in figure.data if trace.marker.symbol == "circle-open"]
        assert [tuple(trace.x) for trace in rings] == [drop.by_seed for drop in found if not drop.by_construction]
        assert points[0].text == ("0.500 = 50%",)

    def test_a_zero_by_construction_looks_like_none_that_was_measured(self):
        texts = [trace.text for trace in shift_chart(drops(FOUND, TWO, SAMPLINGS)).data if trace.text]
        assert texts.count(("0 by construction",)) == 1

    def test_text_alternative(self):
        alt = shift_chart(drops(FOUND, TWO, SAMPLINGS)).layout.meta["alt"]
        assert "wiki: X-X-mono 0.500, X-Y 0.000, Hybrid 0.250; legal: X-X-mono -0.500, Hybrid 0.000" in alt

    def test_names_are_texts(self):
        figure = shift_chart([Drop("<b>", "X-Y", 0.5, 0.1, 0.0, 0.2, 50.0, (0.1,))])
        assert "left out: <b>" not in figure.to_json()

    def test_the_same_input_gives_the_same_json(self):
        found = drops(FOUND, TWO, SAMPLINGS)
        assert shift_chart(found).to_json() == shift_chart(found).to_json()

    def test_nothing_is_refused(self):
        with pytest.raises(ValueError, match="found is empty"):
            shift_chart([])


class TestStepsChart:
    STEPS = Results(
        {
            "none": [made_evaluation("swapped")] * 2,
            "control": [made_evaluation("own first")] * 2,
            "+ <legal>": [made_evaluation("right"), made_evaluation("swapped")],
        }
    )
    PANELS: ClassVar = {"mono": (STEPS, HEADLINE["mono mAP"]), "pool": (STEPS, HEADLINE["multi mAP"])}

    def test_steps_are_joined_and_controls_stand_apart(self):
        figure = steps_chart(self.PANELS, ["control"])
        line, _, apart, rings = figure.data[:4]
        assert line.mode == "lines+markers" and list(line.y) == pytest.approx([0.5, 0.75])
        assert apart.mode == "markers" and list(apart.y) == pytest.approx([1.0])
        assert list(rings.y) == [1.0, 1.0] and list(figure.data[1].y) == pytest.approx([0.5, 0.5, 1.0, 0.5])
        assert list(figure.layout.xaxis.categoryarray)[-1] == "control"

    def test_without_a_control(self):
        assert len(steps_chart(self.PANELS).data) == 2 * len(self.PANELS)

    def test_text_alternative(self):
        alt = steps_chart(self.PANELS, ["control"]).layout.meta["alt"]
        assert "mono from 0.500 to 0.750" in alt and "from the step none to the step + <legal>" in alt

    def test_names_are_texts(self):
        assert "+ <legal>" not in "".join(str(trace.x) for trace in steps_chart(self.PANELS).data)

    def test_other_models_are_refused(self):
        with pytest.raises(ValueError, match="panels show 2 different lists of models"):
            steps_chart(self.PANELS | {"wiki": (FOUND["wiki"], HEADLINE["mono mAP"])})
        with pytest.raises(ValueError, match="panels show 0 different lists"):
            steps_chart({})
