"""Every set with a layout, by its entry as it is shipped: got from a hub that has its files where the entry says, and read.

Only the numbers of rows and the published checksums are left out: they are of the true files.
"""

from __future__ import annotations

import pytest
import shipped
import yaml

from kit.core.paths import root
from kit.data.hub import manifest
from kit.data.hub.getting import get
from kit.data.hub.layouts import layouts
from kit.data.registry import load_bitext, load_corpus, load_task

SETS = {name: one for name, one in manifest.sets().items() if one.layout}


TOLD = yaml.safe_load((root() / manifest.MANIFEST).read_text(encoding="utf-8"))


@pytest.fixture
def hub(hub, tmp_path):
    """A project with the manifest."""
    entries = {
        name: {field: value for field, value in one.items() if field not in ("rows", "file_rows")}
        for name, one in TOLD.items()
        if not name.startswith("_")
    }
    (tmp_path / manifest.MANIFEST).write_text(yaml.safe_dump(entries), encoding="utf-8")
    return hub


@pytest.mark.parametrize("name", SETS)
def test_is_got_and_read(hub, name):
    one = SETS[name]
    forms = layouts()[one.layout].forms
    languages = list(one.languages)[: 1 if "bitext" in forms else 3]
    shipped.put(hub, one, languages)
    get(name, languages, log=lambda line: None)
    source = f"hub:{name}?" + (f"pair={languages[0]}" if "bitext" in forms else f"languages={','.join(languages)}")
    if "task" in forms:
        task = load_task(source)
        assert {"en", *languages} >= set(task.languages) and len(task.relevance) >= 1
        assert set(task.candidates.column("language").to_pylist()) == set(languages)
    if "corpus" in forms:
        of_languages = f"languages={','.join(languages)}"
        assert len(load_corpus(f"hub:{name}?{of_languages}")) >= len(languages)
    if "bitext" in forms:
        assert len(load_bitext(source).gold) >= 1


def test_every_layout_is_shipped():
    assert {one.layout for one in SETS.values()} == set(layouts()) == set(shipped.ROWS)
