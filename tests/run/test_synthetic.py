"""Study 08: its arms, the steps of filters, its claims in order, and what is said where an arm or a test is missing."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from test_results import made_evaluation

from kit.augment import filters
from kit.compare.results import Results
from kit.data.corpus import ParallelCorpus
from kit.run import pipeline
from kit.run.settings import Settings
from kit.run.studies import synthetic
from kit.run.studies.synthetic import filter_steps, judge_synthetic, score_rows, share_results, synthetic_arms

SETTINGS = Settings().changed(shares=(0.0, 0.5, 1.0))
ARMS = (
    "English only,parallel text,0% synthetic,50% synthetic,100% synthetic,with passages,filtered,with paraphrases,"
    "with parallel text,code-switched"
).split(",")


def corpus(name: str, *languages: str) -> ParallelCorpus:
    rows = [
        {"group_id": str(group), "language": tag, "query": f"{tag} {group}?", "passage": f"{tag} {group}."}
        for group in range(4)
        for tag in languages
    ]
    return ParallelCorpus.from_rows(rows, name)


def texts(other: ParallelCorpus) -> dict[str, ParallelCorpus]:
    named = {
        name: corpus(name, "de", "en")
        for name in ("real", "synthetic", "with passages", "filtered", "paraphrases", "parallel text")
    }
    return named | {"English": corpus("English", "en"), "code-switched": corpus("switched", "en"), "other translator": other}


class TestArms:
    @pytest.fixture(autouse=True)
    def kept(self, monkeypatch):
        monkeypatch.setattr(pipeline, "keep_corpus", lambda corpus: f"jsonl:{corpus.name}")
        monkeypatch.setattr(synthetic.groups, "mix", lambda real, made, share: SimpleNamespace(name=f"mix {share}"))
        monkeypatch.setattr(synthetic.groups, "join", lambda name, *corpora: SimpleNamespace(name=name))

    def test_in_order(self):
        arms = synthetic_arms(SETTINGS, texts(corpus("English", "en")))  # no other translator
        assert list(arms) == ARMS
        assert {name for name, arm in arms.items() if arm.samplings == ("En-En",)} == {"English only", "code-switched"}
        assert arms["parallel text"].data.train == ("jsonl:English", "jsonl:parallel text")
        assert arms["50% synthetic"].data.train == ("jsonl:mix 0.5",)

    def test_another_translator_is_an_arm(self):
        arms = synthetic_arms(SETTINGS, texts(corpus("other", "de", "en")))
        assert list(arms) == [*ARMS, "other translator"] and arms["other translator"].data.train == ("jsonl:other",)

    def test_shares_without_an_end_are_refused(self):
        with pytest.raises(ValueError, match=r"shares are 0\.5, 1\.0: give 0 and 1"):
            synthetic_arms(SETTINGS.changed(shares=(0.5, 1.0)), texts(corpus("English", "en")))


def test_each_filter_sees_what_the_one_before_kept(monkeypatch):
    def drops(n):
        return lambda corpus, *rest: (corpus[n:], SimpleNamespace(to_pylist=lambda: corpus[:n]))

    monkeypatch.setattr(filters, "filter_round_trip", drops(3))
    monkeypatch.setattr(filters, "filter_length_ratio", drops(1))
    monkeypatch.setattr(filters, "filter_language", drops(0))
    monkeypatch.setattr(filters, "fit_length_ratios", lambda rows, pivot: None)
    rows = [{"texts": {"en": "a house", "de": "ein Haus"}}]
    kept, dropped = filter_steps(list("abcdef"), None, rows, ["en", "de"])
    assert kept == ["e", "f"] and dropped == {"round trip": ["a", "b", "c"], "length": ["d"], "language": []}


def results(name: str, languages: str = "de en", arms=tuple(ARMS)) -> Results:
    models = {"English only": "swapped", "100% synthetic": "own first"}
    return Results({arm: [made_evaluation(models.get(arm, "right"), languages, name)] for arm in arms})


class TestJudge:
    TESTS = {"t": results("true"), "o": results("original", "en"), "x": results("translated")}  # noqa: RUF012

    def test_claims_in_order(self):
        found = judge_synthetic(SETTINGS, self.TESTS)
        tested = [(one.on, one.effect) for one in found if one.is_tested]
        assert tested[:2] == [
            ("true", "cross mAP, 100% synthetic − English only"),
            ("true", "cross mAP, 100% synthetic − 0% synthetic"),
        ]
        assert tested[8:14] == [
            ("true", "cross mAP, 0% synthetic − 50% synthetic"),
            ("true", "cross mAP, 50% synthetic − 100% synthetic"),
            ("original", "mono nDCG@10, 100% synthetic − English only"),
            ("original", "mono nDCG@10, filtered − 100% synthetic"),
            ("translated", "cross mAP, 100% synthetic − English only"),
            ("true", "mAP (de → en − de → en) / mean, 100% synthetic − 0% synthetic"),
        ]
        assert tested[14:] == [("translated and true", "mAP, (100% synthetic − parallel text) on the first − on the second")]
        assert found[9].claim == "More synthetic groups cost: 0% synthetic is better than 50% synthetic"
        untested = [(one.claim, one.on) for one in found if not one.is_tested]
        assert untested[0] == (
            "Of two translators the one with the higher chrF makes the better data",
            "not here: there is no second translator",
        )
        assert [claim.split()[3] for claim, _ in untested[1:]] == ["XLM-R,", "LaBSE,", "mE5,"]
        assert untested[2][1].endswith("--profile synthetic-large -p encoder=sentence-transformers/LaBSE)")

    def test_an_encoder_that_was_run_is_not_called_untested(self):
        settings = SETTINGS.changed(encoder="sentence-transformers/LaBSE")
        assert not any("LaBSE" in one.claim for one in judge_synthetic(settings, self.TESTS))

    def test_a_second_translator_is_judged(self):
        tests = self.TESTS | {"t": results("true", arms=(*ARMS, "other translator"))}
        assert judge_synthetic(SETTINGS, tests)[3].effect == "cross mAP, 100% synthetic − other translator"


def test_columns_are_those_that_a_test_has():
    rows = score_rows(TestJudge.TESTS, {"t": "true", "o": "English"})
    assert [row["arm"] for row in rows] == ARMS
    assert list(rows[0])[1:6] == [
        "true: mono nDCG@10",
        "true: mono mAP",
        "true: cross mAP",
        "true: rank distance",
        "English: mono nDCG@10",
    ]
    assert "English: cross mAP" not in rows[0] and rows[0]["translated: cross mAP"] == 0.5


def test_shares_stand_in_their_order():
    assert share_results(SETTINGS, TestJudge.TESTS["t"]).models == ("0% synthetic", "50% synthetic", "100% synthetic")
