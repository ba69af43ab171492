"""What a kept result was made from, as a few digits: settings, data, the code that was executed, library versions."""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import json
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from pathlib import Path

COMPUTING = ("accelerate", "numpy", "scipy", "sentence-transformers", "tokenizers", "torch", "transformers")
"""Libraries whose version is part of every key: those that compute what is kept."""

_PACKAGE = Path(__file__).resolve().parents[1]


def fingerprint(content: object) -> str:
    """Twelve hexadecimal digits of what can be written as JSON.

    >>> fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    True
    """
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()[:12]


@cache
def versions(names: Sequence[str] = COMPUTING) -> dict[str, str]:
    """Versions of libraries, by name; "none" of one that is not installed, as those for training need not be."""
    return {name: _version(name) for name in names}


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "none"


@cache
def code_fingerprint(*modules: str) -> str:
    """Twelve hexadecimal digits of the code that some modules execute: theirs, and that of all that they import.

    What counts is the syntax tree without comments and docstrings, so that an explanation retrains nothing. Files of data
    (``.json``) in the folder of a module count too.

    Args:
        modules: dotted names, such as ``kit.train.trainer``; of a package, all modules in it.
    """
    digest = hashlib.sha256()
    for file in code_files(*modules):
        content = _executed(file.read_text(encoding="utf-8")) if file.suffix == ".py" else file.read_bytes()
        digest.update(f"{file.relative_to(_PACKAGE).as_posix()}\0".encode() + content)
    return digest.hexdigest()[:12]


def code_files(*modules: str) -> list[Path]:
    """The files that ``code_fingerprint`` reads, sorted.

    Imports count wherever they stand in a file, but not those that only type checkers read. A name that is imported from
    the face of a room (``from kit.data import load_corpus``) counts as the module that has it; faces themselves, which
    compute nothing, do not count.
    """
    waiting = [name for module in modules for name in _modules_in(module)]
    found: set[Path] = set()
    while waiting:
        file = _file(waiting.pop())
        if file is None or file in found:
            continue
        found.add(file)
        waiting += imported(file.read_text(encoding="utf-8"))
    return sorted(found | {data for file in found if file.name == "__init__.py" for data in _data_beside(file.parent)})


def imported(source: str) -> set[str]:
    """Modules of the kit that a source imports, wherever in it, as dotted names."""
    return {_home(module, name) if name else module for module, name in _imports(source)}


@lru_cache(maxsize=1024)
def _imports(source: str) -> frozenset[tuple[str, str]]:
    """What a source imports of the kit, as (module, name), the name empty for a whole module; a source is parsed once."""
    found: set[tuple[str, str]] = set()
    for node in _without_type_checking(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {(alias.name, "") for alias in node.names if alias.name.split(".")[0] == "kit"}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "kit":
            found |= {(node.module or "", alias.name) for alias in node.names}
    return frozenset(found)


def _without_type_checking(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"):
            yield child
            yield from _without_type_checking(child)


def _home(module: str, name: str) -> str:
    """The module that ``from module import name`` executes: a submodule, what the stub of a face says, or itself."""
    if _file(f"{module}.{name}"):
        return f"{module}.{name}"
    stub = _PACKAGE.joinpath(*module.split(".")[1:], "__init__.pyi")
    offered = _offered(stub.read_text(encoding="utf-8")) if stub.is_file() else {}
    if name in offered:
        return _home(f"{module}.{offered[name]}" if offered[name] else module, name)
    return module


@lru_cache(maxsize=64)
def _offered(stub: str) -> dict[str, str]:
    """Names that the stub of a face offers, and the module below the room that has each."""
    nodes = [node for node in ast.parse(stub).body if isinstance(node, ast.ImportFrom)]
    return {alias.asname or alias.name: node.module or "" for node in nodes for alias in node.names}


def _file(module: str) -> Path | None:
    """The file of a module, or of a package that has code of its own; ``None`` where there is none."""
    path = _PACKAGE.joinpath(*module.split(".")[1:])
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file():
            return file
    return None


def _data_beside(folder: Path) -> Iterator[Path]:
    """Files of data in a package and in its folders that are no packages."""
    yield from folder.glob("*.json")
    for inner in folder.iterdir():
        if inner.is_dir() and not (inner / "__init__.py").is_file():
            yield from inner.rglob("*.json")


def _modules_in(module: str) -> list[str]:
    folder = _PACKAGE.joinpath(*module.split(".")[1:])
    return [
        module,
        *(
            ".".join((module, *file.relative_to(folder).with_suffix("").parts)).removesuffix(".__init__")
            for file in folder.rglob("*.py")
        ),
    ]


@lru_cache(maxsize=1024)
def _executed(source: str) -> bytes:
    """A source without what does not act: comments, layout, docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [  # type: ignore[attr-defined]
                one for one in body if not (isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant))
            ]
    return ast.dump(tree).encode()


def data_checksum(path: str | Path) -> str:
    """SHA-256 over the names, sizes and bytes of a file, or of all files of a folder; wherever it is, whatever it is called.

    Files that are links, as in the cache of the hub, count as what they lead to, under their own names.

    Raises:
        ValueError: nothing is there.
    """
    path = Path(path)
    if not path.exists():
        raise ValueError(f"{path} does not exist: give the file or folder that holds the data")
    home = path if path.is_dir() else path.parent
    files = [file.absolute() for file in (sorted(path.rglob("*")) if path.is_dir() else [path]) if file.is_file()]
    states = [(file.stat().st_size, file.stat().st_mtime_ns, file.stat().st_ino) for file in files]
    return _checksum(home.absolute(), tuple(files), tuple(states))


@lru_cache(maxsize=64)
def _checksum(home: Path, files: tuple[Path, ...], states: tuple[tuple[int, int, int], ...]) -> str:
    """The checksum; as long as sizes and times of the files stay, they are read once."""
    digest = hashlib.sha256()
    for file, (size, *_) in zip(files, states):
        digest.update(f"{file.relative_to(home).as_posix()}\0{size}\0".encode())
        with file.open("rb") as stream:
            while chunk := stream.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()
