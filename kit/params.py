"""Parameters as files hold them: a profile, and the ``params.yaml`` in which a run's folder keeps what it was asked for."""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import fields
from pathlib import Path

import yaml

from kit.config import Settings
from kit.tables import whole_file

_HEAD = """\
# What this run was asked for. The same again, or on after a failure:
#   python -m kit run --again {run}
# A file of parameters for papermill, too: papermill NOTEBOOK OUT -f params.yaml
# notebooks: {numbers}
"""


def write(folder: Path, parameters: dict[str, object], numbers: Sequence[str]) -> None:
    """Write a run's ``params.yaml``: the parameters, and the numbers of the notebooks in a comment.

    Numbers that stand there with the same parameters stay, before the new ones: a folder that several commands made is made
    again by one.
    """
    plain = {name: list(value) if isinstance(value, tuple) else value for name, value in parameters.items()}
    body = yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)
    path = folder / "params.yaml"
    earlier = path.read_text(encoding="utf-8") if path.is_file() else ""
    if body == "".join(line for line in earlier.splitlines(keepends=True) if not line.startswith("#")):
        numbers = list(dict.fromkeys([*_numbers(earlier), *numbers]))
    head = _HEAD.format(run=shlex.quote(str(parameters["run"])), numbers=" ".join(numbers))
    with whole_file(path) as partial:
        partial.write_text(head + body, encoding="utf-8")


def read(folder: Path) -> tuple[dict[str, object], tuple[str, ...]]:
    """Parameters, and numbers of notebooks, in a run's ``params.yaml``.

    Raises:
        ValueError: no file; one without notebooks or run, with unknown parameters or values of the wrong type.
    """
    path = folder / "params.yaml"
    if not path.is_file():
        raise ValueError(f"{path} is not there: give a run in reports/ that has one, or the path of its folder")
    parameters, numbers = values(path), _numbers(path.read_text(encoding="utf-8"))
    if not numbers:
        raise ValueError(f"{path} names no notebooks: write a line such as '# notebooks: 03 04'")
    if "run" not in parameters:
        raise ValueError(f"{path} names no run: write a line such as 'run: mine'")
    try:
        Settings(**parameters)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return parameters, numbers


def _numbers(text: str) -> tuple[str, ...]:
    line = re.search(r"^# notebooks:(.*)$", text, re.M)
    return tuple(line[1].split()) if line else ()


def values(path: Path) -> dict[str, object]:
    """Parameters in a file.

    Raises:
        ValueError: no YAML, or a name that is no setting.
    """
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is no YAML: {' '.join(str(error).split())}") from None
    if not isinstance(found, dict):
        raise ValueError(f"{path} holds no parameters: write lines such as 'updates: 500'")
    refuse_unknown(str(path), found)
    return found


def refuse_unknown(where: str, names: Iterable[str]) -> None:
    """Raise ``ValueError`` for the first name that is no setting; ``where`` says who names it."""
    known = [field.name for field in fields(Settings)]
    for name in sorted(map(str, set(names) - set(known))):
        raise ValueError(f"{where}: unknown parameter {name!r}: choose from {', '.join(known)}{near(name, known)}")


def near(name: str, known: Iterable[str]) -> str:
    """What ends a message on a name that is not known: the known one that is most like it, if one is."""
    found = difflib.get_close_matches(name, known, n=1)
    return f" (did you mean {found[0]!r}?)" if found else ""
