"""The settings of an experiment: one frozen object that rejects what it does not know and prints as a fingerprint."""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from functools import cache, lru_cache
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """What an experiment does; the notebooks' parameters are these fields, and the defaults are the small run.

    run: name of the folder under ``reports/``.
    train: sources of the training data (``kit.sources``), mixed by size.
    test: source of the evaluation task.
    encoder: ``static``, ``tiny``, or the name or folder of a sentence-transformers model.
    dimension, vocabulary_size: of an encoder made from scratch.
    max_tokens: longest input of a transformer.
    samplings: ways to build batches that are compared (``kit.samplers``).
    seeds: one training run for each sampling and seed.
    updates, batch_size, learning_rate, temperature, margin, symmetric, evaluations, patience: see
        ``kit.trainer.TrainingConfig``.
    dropout: share of an embedding's numbers that are zero in training, for an encoder made from scratch.

    What the studies vary (notebooks 06 to 09; a study reads those that it names):

    alphas, batch_sizes, temperatures: shares of monolingual batches, and in which circumstances they are compared.
    domains: sources of pairs of other domains.
    shares: of synthetic groups.
    parallel: sources of parallel text, which translators and lexicons are made from; translators (``kit.augment.choice``).
    tests: tasks that are judged on.
    bitexts: mining tasks that are judged on.

    Raises:
        ValueError: a value of the wrong type, an empty list, or an entry twice in a list.
    """

    run: str = "smoke"
    train: tuple[str, ...] = ("atlas",)
    test: str = "atlas"
    encoder: str = "static"
    dimension: int = 128
    vocabulary_size: int = 8192
    max_tokens: int = 128
    samplings: tuple[str, ...] = ("X-X-mono", "X-Y", "Hybrid")
    seeds: tuple[int, ...] = (0,)
    updates: int = 200
    batch_size: int = 100
    learning_rate: float = 0.4
    temperature: float = 0.1
    margin: float = 0.0
    symmetric: bool = False
    dropout: float = 0.0
    evaluations: int = 4
    patience: int = 0
    alphas: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0)
    batch_sizes: tuple[int, ...] = (50,)
    temperatures: tuple[float, ...] = (0.05,)
    domains: tuple[str, ...] = ("atlas?domains=currency&languages=en",)
    shares: tuple[float, ...] = (0.0, 0.5, 1.0)
    parallel: tuple[str, ...] = ("atlas",)
    tests: tuple[str, ...] = ("atlas",)
    bitexts: tuple[str, ...] = ("atlas?pair=de-en",)

    def __post_init__(self) -> None:
        for field in fields(self):
            object.__setattr__(self, field.name, _checked(field.name, getattr(self, field.name), field.default))
        for name, low, high in _RANGES:
            values = getattr(self, name)
            for value in values if isinstance(values, tuple) else (values,):
                if not low <= value <= high:
                    raise ValueError(f"{name} is {value}: it lies between {low} and {high}")
        if self.evaluations > self.updates:
            raise ValueError(f"evaluations {self.evaluations} exceeds updates {self.updates}: lower it (-p evaluations=1)")
        if not re.fullmatch(r"\w[\w.-]*", self.run):
            raise ValueError(f"run is {self.run!r}: it names a folder under reports/: use letters, digits, '.', '_' and '-'")

    @classmethod
    def collect(cls, namespace: Mapping[str, object]) -> Settings:
        """Settings from a notebook's variables: every field that the parameters cell defines; defaults for the others.

        >>> Settings.collect({"updates": 50, "unrelated": None}).updates
        50
        """
        return cls(**{field.name: namespace[field.name] for field in fields(cls) if field.name in namespace})

    def fingerprint(self, names: Iterable[str] | None = None, *more: object) -> str:
        """Twelve hexadecimal digits that change with the named fields (default: all) and with ``more``."""
        wanted = {field.name for field in fields(self)} if names is None else set(names)
        return fingerprint([{name: value for name, value in asdict(self).items() if name in wanted}, more])


def fingerprint(content: object) -> str:
    """Twelve hexadecimal digits of what can be written as JSON."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()[:12]


_RANGES = (
    *((name, 1, 2**31) for name in ("dimension", "vocabulary_size", "max_tokens", "updates", "evaluations")),
    ("batch_size", 2, 2**31),
    ("patience", 0, 2**31),
    ("seeds", 0, 2**32 - 1),
    ("alphas", 0.0, 1.0),
    ("shares", 0.0, 1.0),
    ("batch_sizes", 2, 2**31),
    ("temperatures", 1e-4, 100.0),
    ("margin", 0.0, 1.0),
    ("dropout", 0.0, 0.9),
    ("learning_rate", 1e-9, 100.0),
    ("temperature", 1e-4, 100.0),
)


def _checked(name: str, value: object, default: object) -> object:
    """The value in the type of the default: lists become tuples, whole numbers become floats where one is wanted."""
    if isinstance(default, tuple):
        if not isinstance(value, (list, tuple)) or not value:
            raise ValueError(f"{name} is {value!r}: write a list with at least one entry, such as {list(default)!r}")
        items = tuple(_checked(f"{name}[{index}]", item, default[0]) for index, item in enumerate(value))
        if len(set(items)) < len(items):
            raise ValueError(f"{name} is {value!r}: write each entry once")  # two trainings would share a folder
        return items
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not type(default):
        raise ValueError(f"{name} is {value!r}: write a value of type {type(default).__name__}, such as {default!r}")
    return value


@cache
def versions() -> dict[str, str]:
    """Versions of the libraries that results depend on."""
    names = ("babel", "numpy", "sentence-transformers", "tokenizers", "torch", "transformers")
    return {name: importlib.metadata.version(name) for name in names}


@cache
def code_fingerprint(*modules: str) -> str:
    """Hash of the source of some modules or folders of the package and of all that they import from it.

    A result that other code made is not taken for the result of this code.
    """
    package = Path(__file__).parent
    digest = hashlib.sha256()
    waiting, found = set(modules), set()
    while waiting:
        module = waiting.pop()
        found.add(module)
        files = _files(package, module)
        waiting |= {
            name for file in files if file.suffix == ".py" for name in imported(file.read_text(encoding="utf-8"))
        } - found
    for module in sorted(found):
        for file in _files(package, module):
            digest.update(file.relative_to(package).as_posix().encode() + file.read_bytes())
    return digest.hexdigest()[:12]


def _files(package: Path, module: str) -> list[Path]:
    """The files of a module, or all of a folder's that are code or data."""
    folder = package / module
    if folder.is_dir():
        return sorted(file for file in folder.rglob("*") if file.suffix in (".py", ".json"))
    return [package / f"{module}.py"]


def imported(source: str) -> set[str]:
    """Modules and folders of the package that a source imports, wherever in it."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module == "kit":
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("kit."):
            names.add(node.module.split(".")[1])
    return names


def data_checksum(path: str | Path) -> str:
    """SHA-256 over the names, sizes and bytes of a file, or of all files of a folder.

    Raises:
        ValueError: nothing is there.
    """
    path = Path(path)
    if not path.exists():
        raise ValueError(f"{path} does not exist: give the file or folder that holds the data")
    files = [file for file in (sorted(path.rglob("*")) if path.is_dir() else [path]) if file.is_file()]
    states = [(file.stat().st_size, file.stat().st_mtime_ns, file.stat().st_ino) for file in files]
    return _checksum(path.resolve(), tuple(files), tuple(states))


@lru_cache(maxsize=64)
def _checksum(path: Path, files: tuple[Path, ...], states: tuple[tuple[int, int, int], ...]) -> str:
    """The checksum; as long as sizes and times of the files stay, they are read once."""
    digest = hashlib.sha256()
    for file, (size, *_) in zip(files, states):
        digest.update(f"{file.resolve().relative_to(path.parent).as_posix()}\0{size}\0".encode())
        with file.open("rb") as stream:
            while chunk := stream.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()
