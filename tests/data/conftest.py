"""A project whose public sets come from a hub on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_hub import FakeHub

from kit.data.hub import remote


@pytest.fixture(scope="module")
def server() -> Iterator[FakeHub]:
    hub = FakeHub()
    yield hub
    hub.close()


@pytest.fixture
def hub(server: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHub:
    """The server, and a project without data that asks it."""
    remote._repository.cache_clear()
    remote._github_commit.cache_clear()
    for folder in ("notebooks", "data"):
        (tmp_path / folder).mkdir()
    monkeypatch.setenv("KIT_HOME", str(tmp_path))
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setenv("KIT_HUB_MIRROR", server.url)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    return server
