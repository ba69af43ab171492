"""Which files a set has at its homes: addresses, sizes and checksums, as the homes themselves tell them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cached_property, lru_cache
from typing import Any
from urllib.parse import quote

import yaml

from kit.core.tables import some
from kit.data.hub.manifest import ABBREVIATED, PINNED, Entry, File, Home, filled

MIRROR = "KIT_HUB_MIRROR"
"""Environment variable: an address that has what other hosts than the hub have, as ``<mirror>/<host>/<path>``."""

PATIENCE_S = 30
"""Seconds without an answer, or without a byte, after which a connection counts as lost."""


@dataclass(frozen=True)
class Remote:
    """One file to download.

    path: below the folder of the set's files.
    url: its address.
    commit: of the repository that it is in; empty for plain files.
    checks: what its content has to give: pairs of an algorithm (``sha256``, ``md5``, ``git``) and hexadecimal digits.
    n_bytes: its size; None where nobody says.
    """

    path: str
    url: str
    commit: str = ""
    checks: tuple[tuple[str, str], ...] = ()
    n_bytes: int | None = None


def is_offline() -> bool:
    """Whether nothing may call out: ``HF_HUB_OFFLINE``, as huggingface-hub reads it."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def files_of(entry: Entry, file: File, code: str, split: str) -> list[Remote]:
    """The files of one role, language and split, found at their home, in the order of their names.

    Raises:
        ValueError: the home is not reached, or does not hold what the manifest says; tells what was expected and what came.
    """
    home = Home.parsed(file.home or entry.home)
    path, config, part = (filled(text, code, split) for text in (file.path, file.config, file.split))
    if home.kind == "hf":
        repository = _repository(_endpoint(), home)
        found = list(repository.at(path, entry.id) if path else repository.of_config(config, part, entry.id))
    elif not path:
        raise ValueError(f"set {entry.id!r}: {home.kind}:{home.name} has no configurations: give a path in the manifest")
    elif home.kind == "github":
        found = [_of_github(home, path, entry.id)]
    else:
        found = [Remote(path.rpartition("/")[2], _mirrored(f"{home.name}/{quote(path)}"))]
    return [_with_known_sums(entry, one) for one in found]


def _with_known_sums(entry: Entry, found: Remote) -> Remote:
    known = entry.sums.get(found.path, {})
    checks = {kind: str(known[kind]) for kind in ("md5", "sha256") if kind in known} | dict(found.checks)
    return replace(found, checks=tuple(sorted(checks.items())))


def headers_of(url: str) -> dict[str, str]:
    """What a request says besides: the user's token for the hub, if there is one, and that nothing is to be compressed."""
    from huggingface_hub import get_token

    token = get_token() if url.startswith(f"{_endpoint()}/") else None
    return {"Accept-Encoding": "identity", "User-Agent": "kit"} | ({"Authorization": f"Bearer {token}"} if token else {})


def _endpoint() -> str:
    return os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")


def _mirrored(url: str) -> str:
    mirror = os.environ.get(MIRROR, "").rstrip("/")
    return f"{mirror}/{url.removeprefix('https://')}" if mirror else url


def _asked(place: str, call: Callable[..., Any], *arguments: object, **named: object) -> Any:
    """What a home answers.

    Whatever a client raises becomes one sentence: its errors come from several libraries with no class in common.
    """
    if is_offline():
        raise ValueError(f"{place}: HF_HUB_OFFLINE is set, and this asks the network: unset it")
    try:
        return call(*arguments, **named)
    except ValueError:
        raise
    except Exception as error:
        told = " ".join(str(error).split())[:300]
        raise ValueError(f"{place}: no answer that can be used ({type(error).__name__}: {told}): try again later") from None


@lru_cache(maxsize=64)
def _repository(endpoint: str, home: Home) -> _Repository:
    return _Repository(endpoint, home.name, home.revision)


class _Repository:
    """A data set's repository on the hub at one commit; what it is asked is asked once."""

    def __init__(self, endpoint: str, name: str, revision: str) -> None:
        self.endpoint, self.name, self.revision = endpoint, name, revision
        self.place = f"{endpoint}/datasets/{name}"

    def _api(self) -> Any:
        from huggingface_hub import HfApi

        return HfApi(endpoint=self.endpoint)

    @cached_property
    def commit(self) -> str:
        """40 hexadecimal digits."""
        if PINNED.fullmatch(self.revision):
            return self.revision
        if ABBREVIATED.fullmatch(self.revision):
            commits = _asked(self.place, self._api().list_repo_commits, self.name, repo_type="dataset")
            found = [one.commit_id for one in commits if one.commit_id.startswith(self.revision)]
            if len(found) != 1:
                raise ValueError(
                    f"{self.place}: {len(found)} of {len(commits)} commits begin with {self.revision}: one should"
                )
            return found[0]
        return _asked(self.place, self._api().dataset_info, self.name, revision=self.revision).sha

    @cached_property
    def tree(self) -> dict[str, Remote]:
        """All files, by path."""
        from huggingface_hub import hf_hub_url
        from huggingface_hub.hf_api import RepoFile

        call = lambda: list(self._api().list_repo_tree(self.name, recursive=True, revision=self.commit, repo_type="dataset"))
        found = {}
        for one in _asked(f"{self.place} at {self.commit[:12]}", call):
            if isinstance(one, RepoFile):
                url = hf_hub_url(self.name, one.path, repo_type="dataset", revision=self.commit, endpoint=self.endpoint)
                check = ("sha256", one.lfs.sha256) if one.lfs else ("git", one.blob_id)
                found[one.path] = Remote(one.path, url, self.commit, (check,), one.size)
        return found

    def at(self, pattern: str, set_id: str) -> Iterator[Remote]:
        """Files whose path has a form."""
        found = sorted(path for path in self.tree if fnmatchcase(path, pattern))
        if not found:
            raise ValueError(
                f"set {set_id!r}: expected a file {pattern} in {self.place} at {self.commit[:12]}, which holds "
                f"{some(set(self.tree))}: mend its files in data/hub.yaml"
            )
        return (self.tree[path] for path in found)

    @cached_property
    def _card(self) -> dict[str, dict[str, list[str]]]:
        """Patterns of the files of each configuration and split, as the card says; none where it says nothing."""
        import requests

        if "README.md" not in self.tree:
            return {}
        url = self.tree["README.md"].url
        answer = _asked(url, requests.get, url, headers=headers_of(url), timeout=PATIENCE_S)
        _asked(url, answer.raise_for_status)
        front = re.match(r"---\s*\n(.*?)\n---", answer.content.decode("utf-8", "replace"), re.S)
        try:
            card = yaml.safe_load(front[1]) if front else {}
        except yaml.YAMLError as error:
            raise ValueError(f"{url}: the card's head is not YAML ({' '.join(str(error).split())[:120]})") from None
        return {one["config_name"]: _patterns(one.get("data_files")) for one in (card or {}).get("configs") or ()}

    def of_config(self, config: str, split: str, set_id: str) -> Iterator[Remote]:
        """Files of a split of a configuration; of several names, split by ``|``, the first that there is."""
        names = config.split("|")
        known = [self._card.get(name) if self._card else self._conventional(name, split) for name in names]
        splits = next(filter(None, known), None)
        if not splits:
            raise ValueError(
                f"set {set_id!r}: expected a configuration {config!r} in {self.place} at {self.commit[:12]}, whose card "
                f"names {some(set(self._card))}, and which holds {some(set(self.tree))}: mend its files in data/hub.yaml"
            )
        patterns = splits.get(split) or (next(iter(splits.values())) if len(splits) == 1 else None)
        if patterns is None:
            raise ValueError(
                f"set {set_id!r}: expected a split {split!r} of {config!r} in {self.place} at {self.commit[:12]}, which has "
                f"{some(set(splits))}: mend its files in data/hub.yaml"
            )
        found = {one.path: one for pattern in patterns for one in self.at(pattern.removeprefix("./"), set_id)}
        return iter(found.values())

    def _conventional(self, config: str, split: str) -> dict[str, list[str]]:
        """Where a configuration without a word in the card is: a folder of its name, or ``data`` for the default one."""
        folders = (config, "data") if config == "default" else (config,)
        for pattern in (f"{folder}/{split}{end}" for folder in folders for end in ("-*", ".*")):
            if any(fnmatchcase(path, pattern) for path in self.tree):
                return {split: [pattern]}
        return {}


def _patterns(data_files: Any) -> dict[str, list[str]]:
    """Patterns by split, of what a card may say: a text, a list of texts, or of tables with split and path."""
    listed = [data_files] if isinstance(data_files, str) else data_files or []
    found: dict[str, list[str]] = {}
    for one in listed:
        split, paths = ("train", one) if isinstance(one, str) else (one["split"], one["path"])
        found.setdefault(split, []).extend([paths] if isinstance(paths, str) else paths)
    return found


def _of_github(home: Home, path: str, set_id: str) -> Remote:
    commit = _github_commit(_mirrored("https://api.github.com"), home, set_id)
    if path == "*":
        return Remote(f"{commit[:12]}.zip", _mirrored(f"https://codeload.github.com/{home.name}/zip/{commit}"), commit)
    return Remote(path, _mirrored(f"https://raw.githubusercontent.com/{home.name}/{commit}/{quote(path)}"), commit)


@lru_cache(maxsize=64)
def _github_commit(api: str, home: Home, set_id: str) -> str:
    import requests

    if PINNED.fullmatch(home.revision):
        return home.revision
    url = f"{api}/repos/{home.name}/commits/{home.revision}"
    answer = _asked(url, requests.get, url, headers={"Accept": "application/vnd.github.sha"}, timeout=PATIENCE_S)
    commit = answer.text.strip()
    if not PINNED.fullmatch(commit):
        raise ValueError(
            f"set {set_id!r}: expected the commit of {home.revision} from {url}, got {answer.status_code}: {commit:.80}"
        )
    return commit
