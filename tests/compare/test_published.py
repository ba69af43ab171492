"""The paper's tables as data, scores by query language, and both side by side."""

from __future__ import annotations

import json
from math import floor, isnan

import numpy as np
import pytest
from test_results import made_evaluation, made_task

from kit.compare.claims import seed_values
from kit.compare.columns import HEADLINE
from kit.compare.paper import PUBLISHED
from kit.compare.published import scores
from kit.compare.published.beside import beside, effect_marks, effect_rows, effects, score_marks
from kit.compare.published.figures import (
    ENCODERS,
    MEAN,
    SAMPLINGS,
    PaperTable,
    Place,
    data_of,
    encoder_of,
    paper,
)
from kit.compare.published.scores import Score, scores_of
from kit.compare.results import Results
from kit.compare.stats import paired_randomisation_test

PAPER = paper()
FIGURES = PAPER.figures
COMMANDS = {"XLM-R": "make xlmr", "LaBSE": "make labse"}


def rows_under(place: Place) -> list[float]:
    return [one for at, one in FIGURES.items() if at.language not in ("", MEAN) and at.but(language=MEAN) == place]


class TestFigures:
    def test_there_are_thirteen_tables(self):
        assert [table.name.split(",")[0] for table in PAPER.tables] == [
            "mAP of every encoder",
            "Rank distance of every encoder",
            *["mAP by query language"] * 4,
            "Recall of every encoder",
            "Rank distance by query language on XQuAD-R",
            "Rank distance by query language on MLQA-R",
            *["MIRACL dev by language"] * 2,
            "Queries and candidates of the tests",
            "Training sets",
        ]
        assert PAPER.source == "arXiv 2408.10536" and "Elmahdy" in PAPER.citation

    def test_printed_means_are_the_means_of_the_rows(self):
        checked = 0
        for place, figure in FIGURES.items():
            if place.language == MEAN and (rows := rows_under(place)):
                checked += 1
                digits = 1 if place.measure == "rank_distance" else 4
                assert np.mean(rows) == pytest.approx(figure, abs=0.5001 * 10**-digits), place
        assert checked == 2 * 2 * 3 * 3 + 2 * 2 * 3 + 2 * 2 * 3  # mAP, rank distance, MIRACL

    def test_the_summary_is_the_means_of_the_rows_rounded_but_for_three_cells(self):
        other = {
            (place.encoder, place.data, place.setting, place.sampling): figure
            for _, line in PAPER.tables[0].lines
            for place, figure in line.items()
            if abs(np.mean(rows_under(place)) - figure) > 0.5001e-3
        }
        assert other == {
            ("XLM-R", "XQuAD-R", "multilingual", "X-X-mono"): 0.547,
            ("XLM-R", "MLQA-R", "monolingual", "X-X-mono"): 0.648,
            ("LaBSE", "MLQA-R", "multilingual", "X-Y"): 0.576,
        }

    def test_the_summary_of_rank_distance_is_the_printed_means_rounded(self):
        summary = {place: figure for _, line in PAPER.tables[1].lines for place, figure in line.items()}
        assert {place: floor(FIGURES[place] + 0.5) for place in summary} == summary

    def test_the_claims_quote_the_summary(self):
        summary = {place: figure for table in PAPER.tables[:2] for _, line in table.lines for place, figure in line.items()}
        for claim, quoted in PUBLISHED.items():
            at = Place(encoder="XLM-R", data="XQuAD-R", language=MEAN, **claim.where._asdict())
            assert quoted == tuple(summary[at.but(sampling=one)] for one in (claim.first, claim.second))

    def test_the_figure_with_more_digits_counts(self):
        at = Place(
            encoder="XLM-R",
            data="XQuAD-R",
            setting="monolingual",
            measure="average_precision",
            sampling="X-Y",
            language=MEAN,
        )
        assert FIGURES[at] == 0.7554

    def test_sizes(self):
        assert (
            PAPER.sizes("MLQA-R")["en"] == (1148, 6264) and len(PAPER.sizes("XQuAD-R")) == 11 and not PAPER.sizes("MIRACL")
        )

    def test_names(self):
        assert [encoder_of(name) for name in ("/models/xlm-roberta-large/", "sentence-transformers/LaBSE")] == list(ENCODERS)
        assert encoder_of("static:xlm-roberta-base") == "static:xlm-roberta-base" and encoder_of("static") == "static"
        assert [data_of(name) for name in ("xquad_r", "mlqa-r", "mr-tydi", "xquad-r, part test")] == [
            "XQuAD-R",
            "MLQA-R",
            "Mr. TyDi",
            "xquad-r, part test",
        ]

    def test_names_of_public_sets(self):
        sets = ("natural-questions", "wikiqa-train", "mr-tydi-train-train", "yahoo-answers", "miracl-dev", "wikiqa-test")
        assert [data_of(name) for name in sets] == ["Google NQ", "WikiQA", "Mr. TyDi", "Yahoo QA", "MIRACL", "wikiqa-test"]

    @pytest.mark.parametrize("change", [{"across": "colour"}, {"values": (("a", 1.0),)}, {"of": {"price": "1"}}])
    def test_a_table_of_another_shape_is_refused(self, change):
        table = {
            "name": "t",
            "of": {},
            "row": ("language",),
            "across": "sampling",
            "columns": ("X-Y", "Hybrid"),
            "digits": 3,
        }
        PaperTable(**{**table, "values": (("a", 1.0, 2.0),)})
        with pytest.raises(ValueError, match="'t' has parts"):
            PaperTable(**{**table, "values": (("a", 1.0, 2.0),), **change})


TASK = made_task()
RESULTS = Results(
    {
        "X-X-mono": [made_evaluation("own first")] * 2,
        "X-Y": [made_evaluation("right")] * 2,
        "Hybrid": [made_evaluation("right")] * 2,
    }
)
MADE = scores_of(RESULTS, "static", TASK)


def found(own: list[Score], **of: str) -> Score:
    (one,) = [one for one in own if all(getattr(one, name) == value for name, value in of.items())]
    return one


class TestScores:
    def test_by_query_language(self):
        # made in test_results: "own first" has the version in the query's language at rank 1, the other at rank 3
        pool = {"setting": "multilingual", "measure": "average_precision", "minus": ""}
        assert found(MADE, sampling="X-X-mono", language="de", **pool).value == pytest.approx((1 + 2 / 3) / 2)
        assert found(MADE, sampling="Hybrid", language="de", **pool).value == 1
        difference = found(MADE, sampling="Hybrid", language="en", **pool | {"minus": "X-X-mono"})
        assert (
            difference.value == pytest.approx(1 / 6, abs=1e-6)
            and difference.encoder == "static"
            and difference.data == "made"
        )

    @pytest.mark.parametrize("where", HEADLINE.values(), ids=list(HEADLINE))
    def test_means_are_those_of_the_results(self, where):
        own = {"language": MEAN, **where._asdict()}
        for model in RESULTS.models:
            one, interval = found(MADE, sampling=model, minus="", **own), RESULTS.interval(model, *where)
            assert (one.value, one.low, one.high) == pytest.approx(
                (interval.estimate, interval.low, interval.high), abs=1e-6
            )
        both = [np.mean(seed_values(RESULTS, model, where), axis=0) for model in ("Hybrid", "X-X-mono")]
        compared = paired_randomisation_test(*both)
        one = found(MADE, sampling="Hybrid", minus="X-X-mono", **own)
        assert (one.value, one.low, one.high) == pytest.approx((compared.difference, compared.low, compared.high), abs=1e-6)

    def test_sizes_are_counted(self):
        assert {(one.language, one.measure): one.value for one in MADE if one.setting == "sizes"} == {
            (tag, what): 2.0 for tag in ("de", "en") for what in ("queries", "candidates")
        }

    def test_a_task_in_one_language_has_no_cross_lingual_scores(self):
        own = scores_of(Results({"Hybrid": [made_evaluation("right", "de")]}), "static", made_task("de"))
        assert {one.setting for one in own} == {"monolingual", "multilingual", "sizes"}

    def test_what_was_written_is_read(self, tmp_path):
        (tmp_path / "run").mkdir()
        scores.write(MADE, tmp_path / "run" / "11-scores.json")
        (read,) = scores.kept(tmp_path).values()
        assert list(map(repr, read)) == list(map(repr, MADE))

    def test_scores_of_others_need_places_and_values_and_get_a_mean(self, tmp_path):
        path = tmp_path / "11-scores-miracl.json"
        at = {"encoder": "XLM-R", "data": "MIRACL", "setting": "monolingual", "measure": "ndcg_at_10", "sampling": "Hybrid"}
        path.write_text(json.dumps([{**at, "language": "sw", "value": 0.25}, {**at, "language": "th", "value": 0.75}]))
        mean = scores.read(path)[-1]
        assert (mean.language, mean.value, mean.data) == (MEAN, 0.5, "MIRACL") and isnan(mean.low)

    @pytest.mark.parametrize("text", ["[{}]", '[{"value": "much"}]', "{"])
    def test_another_file_is_refused(self, tmp_path, text):
        (tmp_path / "11-scores.json").write_text(text)
        with pytest.raises(ValueError, match=r"11-scores\.json.*run notebook 11 again"):
            scores.read(tmp_path / "11-scores.json")


def copied(encoder: str, data: str, languages: set[str], plus: float = 0.0, named: str = "") -> list[Score]:
    """A run that has exactly the paper's scores, and more."""
    of = [(at, one) for at, one in FIGURES.items() if at.data == data and at.language in languages]
    return [
        Score(**dict(at) | {"encoder": named or encoder}, value=one + plus, low=one + plus - 1, high=one + plus + 1)
        for at, one in of
        if at.encoder == encoder
    ] + [Score(**dict(at), value=one) for at, one in of if at.setting == "sizes"]


EVERY = {at.language for at in FIGURES}
TABLE = PAPER.tables[3]  # mAP by query language, XLM-R on MLQA-R


def laid(table: PaperTable, runs: dict[str, list[Score]]):
    return beside(table, PAPER, runs, COMMANDS)


class TestBeside:
    def test_a_missing_run_says_what_makes_it(self):
        one = laid(PAPER.tables[0], {"mine": MADE})
        assert one.is_missing and one.told == [
            "missing: XLM-R on XQuAD-R, XLM-R on MLQA-R (`make xlmr`)",
            "missing: LaBSE on XQuAD-R, LaBSE on MLQA-R (`make labse`)",
        ]
        assert one.rows()[0] == {
            "encoder": "XLM-R",
            "data": "XQuAD-R",
            "setting": "monolingual",
            "X-X-mono": "0.792",
            "X-Y": "0.755",
            "Hybrid": "0.798",
        }

    def test_a_run_stands_beside_its_encoder_only(self):
        one = laid(PAPER.tables[0], {"mine": copied("XLM-R", "MLQA-R", EVERY, 0.1)})
        assert one.told[0] == "XLM-R on MLQA-R: run mine" and len(one.told) == 3
        rows = {(row["encoder"], row["data"], row["setting"]): row for row in one.rows()}
        row = rows["XLM-R", "MLQA-R", "cross-lingual"]
        assert [row[f"X-Y: {part}"] for part in ("paper", "own", "own − paper [95 %]")] == [
            "0.620",
            "0.720",
            "+0.100 [−0.900 to +1.100]",
        ]
        assert rows["LaBSE", "MLQA-R", "cross-lingual"]["X-Y: own"] == "–"

    def test_the_run_at_hand_may_have_another_encoder_but_not_the_papers_other(self):
        other = copied("XLM-R", "MLQA-R", EVERY, named="mine/e5")
        assert laid(TABLE, {"at hand": other}).told == ["XLM-R on MLQA-R: run at hand, another encoder (mine/e5)"]
        assert laid(TABLE, {"at hand": MADE, "before": other}).is_missing
        assert laid(TABLE, {"at hand": copied("LaBSE", "MLQA-R", EVERY)}).is_missing

    def test_with_some_languages_only_scores_within_them_are_compared(self):
        one = laid(TABLE, {"mine": copied("XLM-R", "MLQA-R", {"de", "zh", MEAN})})
        assert one.told == [
            "XLM-R on MLQA-R: run mine, 2 of 7 languages: scores within these only; no mean without ar, en, es, hi, vi"
        ]
        assert {(at.setting, at.language) for at, (_, own) in one.pairs.items() if own} == {
            ("monolingual", "de"),
            ("monolingual", "zh"),
        }

    def test_with_other_sizes_a_language_is_not_compared_and_its_sizes_are_shown(self):
        own = [
            one.model_copy(update={"value": 511.0}) if (one.measure, one.language) == ("queries", "de") else one
            for one in copied("XLM-R", "MLQA-R", EVERY)
        ]
        one = laid(TABLE, {"mine": own})
        told = "6 of 7 languages: scores within these only; no mean without de; of other sizes than the paper's: de"
        assert one.told[0].endswith(told)
        assert "de" not in {at.language for at, (_, own) in one.pairs.items() if own}
        sizes = {(row["data"], row["language"]): row for row in laid(PAPER.tables[11], {"mine": own}).rows()}
        assert sizes["MLQA-R", "de"]["queries: own − paper"] == "−1"
        assert sizes["MLQA-R", "en"]["candidates: own − paper"] == "0"

    def test_of_unknown_sizes_a_language_is_not_compared(self):
        own = [one for one in copied("XLM-R", "MLQA-R", EVERY) if one.setting != "sizes"]
        one = laid(TABLE, {"mine": own})
        assert one.is_missing and one.told[0].endswith("; of unknown sizes: ar, de, en, es, hi, vi, zh")

    def test_a_pool_with_more_languages_than_the_papers_is_another_and_means_within_them_are_of_the_papers(self):
        own = copied("XLM-R", "MLQA-R", EVERY)
        own += [one.model_copy(update={"language": "ro", "value": 0.0}) for one in own if one.language == "de"]
        one = laid(TABLE, {"mine": own})
        told = "7 of 7 languages: scores within these only; without languages that the paper has not: ro"
        assert one.told == [f"XLM-R on MLQA-R: run mine, {told}"]
        assert {at.setting for at, (_, own) in one.pairs.items() if own} == {"monolingual"}
        means = [pair for at, pair in one.pairs.items() if at.language == MEAN and at.setting == "monolingual"]
        assert [own and own.value for _, own in means] == [pytest.approx(printed, abs=1e-4) for printed, _ in means]

    def test_training_sets(self):
        own = [
            Score(data=data, setting="training", measure="rows", language="th", value=1400.0)
            for data in ("WikiQA", "MLQA-R")
        ]
        one = laid(PAPER.tables[12], {"mine": own})
        assert one.rows()[0]["th: own − paper"] == "−69" and one.told[0] == "WikiQA: run mine"
        assert laid(TABLE, {"mine": own}).is_missing  # what was trained on is no test


class TestEffects:
    def test_differences_side_by_side(self):
        own = effects(MADE, PAPER, "XLM-R", "XQuAD-R")
        assert {one.language for one in own} == {"de", "en", MEAN}
        mean = {(one.second, one.column): one for one in own if one.language == MEAN}
        one = mean["X-X-mono", "multi mAP"]
        assert (one.paper, one.value) == pytest.approx((0.5927 - 0.5479, 1 / 6), abs=1e-6) and one.agrees
        one = mean["X-X-mono", "rank distance"]  # 1 instead of 2; 286.6 instead of 410.2
        assert (one.paper, one.value) == pytest.approx((286.6 / 410.2 - 1, -1 / 2))
        assert not mean["X-Y", "mono mAP"].agrees  # 0 here

    def test_rows_count_the_languages_that_go_the_same_way(self):
        rows = effect_rows(effects(MADE, PAPER, "XLM-R", "XQuAD-R"))
        assert rows[2] == {
            "difference": "Hybrid − X-X-mono",
            "of": "multi mAP",
            "paper": "+0.045",
            "own [95 %]": "+0.167 [+0.167 to +0.167]",
            "same direction": "2 of 2 languages",
        }
        assert len(rows) == 8 and rows[7]["of"] == "rank distance, share"

    def test_without_a_sampling_there_are_none(self):
        own = scores_of(Results({"Hybrid": [made_evaluation("right")]}), "static", TASK)
        assert effects(own, PAPER, "XLM-R", "XQuAD-R") == [] and effect_rows([]) == []


class TestMarks:
    def test_of_differences(self):
        panels = effect_marks(effects(MADE, PAPER, "XLM-R", "XQuAD-R"))
        assert list(panels) == ["mono mAP", "cross mAP", "multi mAP", "rank distance, share"]
        assert {mark.series for mark in panels["mono mAP"]} == {"Hybrid − X-X-mono", "Hybrid − X-Y"}

    def test_of_scores(self):
        tables = [laid(table, {"mine": copied("XLM-R", "XQuAD-R", EVERY, 0.01)}) for table in PAPER.tables]
        panels = score_marks(tables, "XLM-R", "XQuAD-R")
        assert list(panels) == ["mono mAP", "cross mAP", "multi mAP", "rank distance"]
        for marks in panels.values():
            assert len(marks) == 12 * len(SAMPLINGS) and {mark.row for mark in marks[-3:]} == {MEAN}
            assert all(mark.value - mark.paper == pytest.approx(0.01) for mark in marks)
        assert score_marks(tables, "LaBSE", "XQuAD-R") == {}
