"""Which sets of the manifest as it is shipped some sources read."""

from __future__ import annotations

import pytest
import yaml

from kit.core.paths import root
from kit.data.hub.wanted import sets_of

IN_SEVEN = ["ar", "de", "en", "es", "hi", "ru", "zh"]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("hub:wikiqa", {"wikiqa": None}),
        ("hub:mfaq?language=en", {"mfaq": ["en"]}),
        ("hub:miracl?split=dev&languages=sw,yo", {"miracl": ["sw", "yo"]}),
        ("hub:webfaq-bitexts?pair=deu-eng", {"webfaq-bitexts": ["deu-eng"]}),
        ("mmarco:data/hub/mmarco/files?languages=en,de", {"mmarco": ["en", "de"]}),
        ("squad:data/squadshifts/nyt_v1.0.json?language=en", {"squadshifts": ["en"]}),
        ("squad:data/squadshifts?language=en", {"squadshifts": ["en"]}),
        ("tldr:data/tldr/tldr.jsonl.gz?languages=de,ko", {"tldr": None}),  # one archive has them all
        ("tatoeba:data/tatoeba?pair=afr-eng", {"tatoeba-laser": ["afr-eng"]}),
        ("atlas", {}),
        ("FacebookAI/xlm-roberta-base", {}),
        ("http://hub:wikiqa", {}),
    ],
)
def test_a_source_reads_a_set(source, found):
    assert sets_of([source]) == (found, [])


def test_languages_of_several_sources_add_up():
    found, _ = sets_of(["hub:mfaq?language=en", "hub:mfaq?languages=de,en"])
    assert found == {"mfaq": ["en", "de"]}
    assert (
        sets_of(["hub:mfaq?language=en", "hub:mfaq"])[0]
        == sets_of(["hub:mfaq", "hub:mfaq?language=en"])[0]
        == {"mfaq": None}
    )


def test_files_that_are_of_no_set_are_named_unless_they_are_here(tmp_path):
    (tmp_path / "mine.jsonl").touch()
    assert sets_of([f"jsonl:{tmp_path / 'mine.jsonl'}", "jsonl:data/not/here.jsonl"]) == ({}, ["jsonl:data/not/here.jsonl"])


def test_no_such_set():
    with pytest.raises(ValueError, match=r"no set 'wikqa' .*did you mean 'wikiqa'"):
        sets_of(["hub:wikqa"])


@pytest.mark.parametrize("profile", ["xlmr", "xlmr-large", "labse"])
def test_the_profiles_of_the_paper_need_no_file_that_cannot_be_got(profile):
    said = yaml.safe_load((root() / "notebooks" / "params" / f"{profile}.yaml").read_text(encoding="utf-8"))
    sources = [*said["train"], said["test"], *said["tests"], said["validation"]]
    found, strangers = sets_of(sources)
    assert len(found) == len({*sources}) == 11 and not strangers
    assert {name: some for name, some in found.items() if some} == {
        "squadshifts": ["en"],
        "mmarco": IN_SEVEN,
        "mfaq": ["en"],
        "mr-tydi-train": ["en"],
    }
