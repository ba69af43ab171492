"""What is here of a set: ``data/hub/<set>/record.json``, kept beside its files and tables."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from kit.core.files import whole_file
from kit.core.paths import root
from kit.core.tables import parsed_json


def home() -> Path:
    """The folder of all downloads, one folder a set (git-ignored)."""
    return root() / "data" / "hub"


@dataclass
class Record:
    """What was downloaded and converted.

    folder: of the set.
    parts: paths of the files of a role, language and split (``corpus/de/test``), by what the manifest said of them then.
    files: address, commit, SHA-256, size and day of each file, by its path below ``files``.
    tables: number of rows of each table (``de/queries/test``), what it was made from, and SHA-256 of its shards.
    """

    folder: Path
    parts: dict[str, dict] = field(default_factory=dict)
    files: dict[str, dict] = field(default_factory=dict)
    tables: dict[str, dict] = field(default_factory=dict)

    @classmethod
    def read(cls, set_id: str) -> Record:
        """The record of a set; an empty one where nothing is here.

        Raises:
            ValueError: the file is damaged.
        """
        folder = home() / set_id
        path = folder / "record.json"
        if not path.is_file():
            return cls(folder)
        try:
            told = parsed_json(path.read_bytes())
            assert isinstance(told, dict)
            return cls(folder, **{name: dict(told[name]) for name in ("parts", "files", "tables")})
        except (ValueError, KeyError, TypeError, AssertionError):
            raise ValueError(f"{path}: damaged: remove {folder} and get the set again") from None

    def write(self) -> None:
        """Keep it."""
        told = {name: value for name, value in asdict(self).items() if name != "folder"}
        with whole_file(self.folder / "record.json") as partial:
            partial.write_text(json.dumps(told, indent=1, sort_keys=True) + "\n", encoding="utf-8")

    def path(self, name: str) -> Path:
        """Where a file is."""
        return self.folder / "files" / name

    def name(self, path: Path) -> str:
        """What the record calls a file."""
        return path.relative_to(self.folder / "files").as_posix()

    def table(self, key: str) -> Path:
        """The folder of a table's shards."""
        return self.folder / "tables" / key

    def has(self, name: str) -> bool:
        """Whether a file is here in its size; ``verify`` reads its bytes."""
        path = self.path(name)
        return name in self.files and path.is_file() and path.stat().st_size == self.files[name]["bytes"]

    def n_bytes(self) -> int:
        """Size of all files."""
        return sum(one["bytes"] for one in self.files.values())
