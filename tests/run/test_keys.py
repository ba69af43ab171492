"""What changes which key: of a trained model, and of its evaluation. One table, row by row."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import kit
from kit.core import fingerprints
from kit.core.fingerprints import code_files, code_fingerprint
from kit.data.corpus import ParallelCorpus, RetrievalTask
from kit.run import pipeline
from kit.run.settings import FLAT, Settings

SETTINGS = Settings().changed(train=("jsonl:data/train.jsonl",), test="jsonl:data/test")

NOTHING, EVALUATION, BOTH = (False, False), (False, True), (True, True)
"""Which keys change: (model, evaluation)."""

CODE = {
    # file of the library: what a change of its code changes
    "run/training.py": BOTH,
    "train/trainer.py": BOTH,
    "train/checkpoints.py": BOTH,
    "train/encoders/making.py": BOTH,
    "train/encoders/loading.py": BOTH,
    "train/encoders/trainable.py": BOTH,
    "train/encoders/passes.py": BOTH,
    "train/encoders/vocabulary.py": BOTH,
    "train/encoders/distilled.py": BOTH,
    "train/samplers.py": BOTH,
    "train/losses.py": BOTH,
    "train/cost.py": BOTH,
    "train/pairs.py": BOTH,
    "train/tokens/remembered.py": BOTH,
    "train/tokens/kept.py": BOTH,
    "train/config.py": BOTH,
    "train/devices/ranks.py": BOTH,
    "train/devices/launching.py": NOTHING,  # how many processes there are changes nothing
    "train/devices/process.py": NOTHING,
    "data/corpus.py": BOTH,
    "data/clusters.py": BOTH,
    "data/sources/jsonl.py": BOTH,  # the source that is read
    "core/tables.py": BOTH,
    "core/languages.py": BOTH,
    "core/seeding.py": BOTH,
    "evaluate/metrics.py": BOTH,  # the validation ranks, and may stop the training
    "evaluate/encoding.py": BOTH,
    "run/evaluating.py": EVALUATION,
    "evaluate/evaluator.py": EVALUATION,
    "evaluate/evaluation.py": EVALUATION,
    "evaluate/bias/panel.py": EVALUATION,
    "evaluate/bias/peer_at_20.py": EVALUATION,
    "data/sources/lareqa.py": NOTHING,  # another source
    "data/overlaps.py": NOTHING,
    "augment/lexicon.py": NOTHING,
    "evaluate/debias/remedies.py": NOTHING,
    "evaluate/mining/margins.py": NOTHING,
    "compare/results.py": NOTHING,
    "compare/stats.py": NOTHING,
    "show/plots/style.py": NOTHING,
    "show/report/page.py": NOTHING,
    "run/settings.py": NOTHING,
    "run/pipeline.py": NOTHING,
    "run/devices.py": NOTHING,
    "run/engines/dealing.py": NOTHING,  # where a job is done changes nothing
    "core/engines/carrying.py": NOTHING,
    "run/cli/commands.py": NOTHING,
    "run/cli/doing.py": NOTHING,
}

NEW_FILES = {
    "data/sources/made.py": NOTHING,
    "evaluate/bias/made.py": EVALUATION,
    "show/plots/made.py": NOTHING,
}

RECIPE = [name for name, (part, _) in FLAT.items() if part in ("encoder", "training")]
OTHER_VALUES = {
    "max_tokens": 64,
    "query_prompt": "ask: ",
    "passage_prompt": "answer: ",
    "encoder": "tiny",
    "loss": "other",
    "head": "low-rank",
    "trainable": "last:2",
    "test": "jsonl:data/other",
    "validation": "jsonl:data/other",
    "attention": "eager",
    "report_to": "tensorboard",
    "run": "other",
    "samplings": ("X-Y",),
    "seeds": (5,),
}
SETTING = (
    dict.fromkeys(FLAT, NOTHING)
    | dict.fromkeys(RECIPE, BOTH)
    | {"train": BOTH, "validation": BOTH, "test": EVALUATION}
    | {"report_to": NOTHING, "log_every": NOTHING}  # how a training is watched
)


def _corpus(groups: range, name: str) -> ParallelCorpus:
    rows = [
        {"group_id": f"g{group}", "language": tag, "query": f"{tag} {group}?", "passage": f"{tag} {group}."}
        for group in groups
        for tag in ("de", "en")
    ]
    return ParallelCorpus.from_rows(rows, name)


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """A project with data."""
    (tmp_path / "notebooks").mkdir()
    for name in ("train", "other"):
        _corpus(range(8), name).write(tmp_path / "data" / f"{name}.jsonl")
    for name in ("test", "other"):
        RetrievalTask.from_corpus(_corpus(range(5, 9), name), name).write(tmp_path / "data" / name)
    monkeypatch.setenv("KIT_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def package(tmp_path_factory, monkeypatch) -> Path:
    """A copy of the library, whose code counts."""
    copy = tmp_path_factory.mktemp("copy") / "kit"
    shutil.copytree(Path(kit.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(fingerprints, "_PACKAGE", copy)
    code_fingerprint.cache_clear()
    yield copy
    code_fingerprint.cache_clear()


def _keys(settings: Settings = SETTINGS) -> tuple[str, str]:
    code_fingerprint.cache_clear()
    model = settings, "X-Y", 0
    return pipeline.training_fingerprint(*model), pipeline.evaluation_fingerprint(*model)


def _changed(before: tuple[str, str], after: tuple[str, str]) -> tuple[bool, bool]:
    return before[0] != after[0], before[1] != after[1]


@pytest.mark.parametrize(("file", "expected"), CODE.items(), ids=str)
def test_code(home, package, file, expected):
    before, path = _keys(), package / file
    source = path.read_text(encoding="utf-8")
    path.write_text(source + "\n# a comment\n", encoding="utf-8")
    assert _changed(before, _keys()) == NOTHING
    opening, text = source.split('"""', 1)
    path.write_text(f'{opening}"""Otherwise explained. {text}', encoding="utf-8")
    assert _changed(before, _keys()) == NOTHING
    path.write_text(source + "\nMADE = 1\n", encoding="utf-8")
    assert _changed(before, _keys()) == expected


@pytest.mark.parametrize(("file", "expected"), NEW_FILES.items(), ids=str)
def test_a_new_file(home, package, file, expected):
    before = _keys()
    (package / file).write_text("MADE = 1\n", encoding="utf-8")
    assert _changed(before, _keys()) == expected


@pytest.mark.parametrize(("name", "expected"), SETTING.items(), ids=str)
def test_a_setting(home, monkeypatch, name, expected):
    monkeypatch.setattr("kit.train.config.LOSS_NAMES", ("info-nce", "other"))
    value = SETTINGS.flat()[name]
    if name in OTHER_VALUES:
        other = OTHER_VALUES[name]
    elif isinstance(value, tuple):
        other = value[:-1] or ("jsonl:data/other.jsonl",) if isinstance(value[0], str) else (*value, value[-1] / 3)
        other = (60,) if name == "batch_sizes" else other
    else:
        other = not value if isinstance(value, bool) else value / 2 + 0.1 if isinstance(value, float) else value + 1
    assert _changed(_keys(), _keys(SETTINGS.changed(**{name: other}))) == expected


@pytest.mark.parametrize(("file", "expected"), {"train.jsonl": BOTH, "test/queries.jsonl": EVALUATION}.items(), ids=str)
def test_a_byte_of_the_data(home, file, expected):
    before = _keys()
    with (home / "data" / file).open("a") as stream:
        stream.write("\n")
    assert _changed(before, _keys()) == expected


def test_a_library_that_computes(home, monkeypatch):
    before = _keys()
    monkeypatch.setattr(pipeline, "versions", lambda: {"torch": "0.1"})
    assert _changed(before, _keys()) == BOTH


def test_the_version_of_a_built_in_source(home, monkeypatch):
    from kit.data.sources import atlas

    settings = SETTINGS.changed(train=("atlas?languages=de,en",))
    others, before = _keys(), _keys(settings)
    monkeypatch.setattr(atlas, "version", lambda name: "0.1")
    assert _changed(before, _keys(settings)) == BOTH
    assert _changed(others, _keys()) == NOTHING


def test_sampling_and_seed(home):
    models = [("X-Y", 0), ("Hybrid", 0), ("Hybrid(0.5)", 0), ("X-Y", 1)]
    assert len({pipeline.training_fingerprint(SETTINGS, *model) for model in models}) == len(models)


@pytest.mark.parametrize(
    ("folder", "encoder"),
    [("mine", "mine"), ("mine", "static:mine"), ("static:mine", "static:mine"), ("static:mine", "static:static:mine")],
)
def test_the_weights_that_a_training_starts_from(home, folder, encoder):
    (home / folder).mkdir()
    (home / folder / "weights").write_text("1")
    settings = SETTINGS.changed(encoder=encoder)
    before = _keys(settings)
    (home / folder / "weights").write_text("2")
    assert _changed(before, _keys(settings)) == BOTH


class TestCodeFiles:
    def test_a_name_from_a_face_is_the_module_that_has_it(self, package):
        (package / "made").mkdir()
        (package / "made" / "__init__.py").write_text("import lazy_loader\n")
        (package / "made" / "__init__.pyi").write_text("from .inner import thing as thing\n")
        (package / "made" / "inner.py").write_text("thing = 1\n")
        (package / "user.py").write_text("from kit.made import thing\n")
        assert [file.name for file in code_files("kit.user")] == ["inner.py", "user.py"]

    def test_what_only_type_checkers_read_does_not_count(self, package):
        (package / "user.py").write_text(
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from kit.core import paths\n"
        )
        assert [file.name for file in code_files("kit.user")] == ["user.py"]

    def test_files_of_data_beside_the_code(self, package):
        before = code_fingerprint("kit.data.sources.atlas")
        template = package / "data" / "sources" / "atlas" / "templates" / "de.json"
        template.write_text(template.read_text(encoding="utf-8") + "\n", encoding="utf-8")
        code_fingerprint.cache_clear()
        assert code_fingerprint("kit.data.sources.atlas") != before
        assert not [file for file in code_files("kit.data.sources.lareqa") if file.suffix == ".json"]


def test_the_order_of_the_sources(home):
    both = ("jsonl:data/train.jsonl", "jsonl:data/other.jsonl")
    turned = (SETTINGS.changed(train=order) for order in (both, both[::-1]))
    assert _changed(*map(_keys, turned)) == BOTH
