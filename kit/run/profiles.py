"""Parameters as files hold them: a profile, and the ``params.yaml`` in which a run's folder keeps what it was asked for."""

from __future__ import annotations

import ast
import json
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal, cast

import yaml

from kit.core import paths, records
from kit.core.files import whole_file
from kit.core.printing import near
from kit.core.records import Record
from kit.run.settings import FLAT, Settings

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
        Settings().changed(**parameters)
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
    known = list(FLAT)
    for name in sorted(map(str, set(names) - set(known))):
        raise ValueError(f"{where}: unknown parameter {name!r}: choose from {', '.join(known)}{near(name, known)}")


def settings_of(profile: str, changes: dict[str, str]) -> Settings:
    """Settings of a profile with changes from the command line; see ``parameters_of``."""
    return Settings().changed(**parameters_of(profile, changes))


def parameters_of(profile: str, changes: dict[str, str], sources: Sequence[Path] = ()) -> dict[str, object]:
    """What a profile and the command line say, by name; what they do not say is left to each notebook's own defaults.

    Args:
        profile: name of a file in ``notebooks/params``.
        changes: values as typed; a list is written ``a,b`` or ``["a", "b"]``. Without ``run``, changed settings get a
            folder of their own.
        sources: notebooks that are to run. Each change is a parameter of one of them; what a profile says need not be.

    Raises:
        ValueError: an unknown profile or name, a name that none of the notebooks has, or a value of the wrong type.
    """
    path = paths.notebooks() / "params" / f"{profile}.yaml"
    if not re.fullmatch(r"[\w-]+", profile) or not path.is_file():
        known = sorted(found.stem for found in path.parent.glob("*.yaml"))
        raise ValueError(f"profile {profile!r:.80} is not known: choose from {', '.join(known)}{near(profile, known)}")
    asked = values(path)
    refuse_unknown("-p", changes)
    defaults = _defaults(sources)
    typed = {name: _typed(name, text, *defaults[name]) for name, text in changes.items()}
    if sources:
        _refuse_unused(set(changes) - {"run"}, sources)  # a run has a name, whether its notebooks read it or not
    parameters = {"run": profile, **asked, **typed}
    settings = Settings().changed(**parameters)
    if typed and "run" not in typed:
        parameters["run"] = f"{settings.run}-{settings.fingerprint()[:6]}"
    return {name: value for name, value in Settings().changed(**parameters).flat().items() if name in parameters}


def _defaults(sources: Sequence[Path]) -> dict[str, tuple[object, str]]:
    """Each setting's default, and where it stands if a notebook has another than the settings; the first notebook counts."""
    general = Settings().flat()
    found = {}
    for source in sources:
        own = notebook_settings(source, {}).flat()
        for name in parameter_names(source):
            found.setdefault(name, (own[name], f" in {source.name}" if own[name] != general[name] else ""))
    return {name: (default, "") for name, default in general.items()} | found


def _refuse_unused(names: set[str], sources: Sequence[Path]) -> None:
    """Raise ``ValueError`` for the first name that none of the notebooks has in its parameters cell."""
    known = list(dict.fromkeys(name for source in sources for name in parameter_names(source)))
    for name in sorted(names - set(known)):
        having = [path.name for path in sorted(paths.notebooks().glob("[0-9]*.ipynb")) if name in parameter_names(path)]
        raise ValueError(
            f"-p {name}: not a parameter of {', '.join(source.name for source in sources)}: choose from {', '.join(known)}"
            + (f", or run a notebook that has it: {', '.join(having)}" if having else "")
            + near(name, known)
        )


def _typed(name: str, text: str, default: object, where: str) -> object:
    """A value from the command line in the type of the default, which stands ``where``."""
    if isinstance(default, tuple):
        return [_typed(name, part, default[0], where) for part in _entries(name, text)]
    if isinstance(default, bool):
        if text in ("true", "false"):
            return text == "true"
        raise ValueError(f"-p {name}={text}: write true or false")
    try:
        if not isinstance(default, str) and not re.fullmatch(r"[\x21-\x5e\x60-\x7e]+", text):
            raise ValueError  # Python would read 1_0, blanks around a number, and digits of any script
        return {int: int, float: float, str: str}[type(default)](text)
    except ValueError:
        kind = type(default).__name__
        several = f"; several, for a sweep: -p {name}=… for each" if "," in text else ""
        raise ValueError(f"-p {name}={text}: not a value of type {kind}, such as {default!r}{where}{several}") from None


def _entries(name: str, text: str) -> list[str]:
    """Entries of a list: ``a,b``, or JSON where an entry holds a comma itself."""
    if not text.startswith("["):
        return [part for part in text.split(",") if part]
    try:
        return [str(part) for part in json.loads(text)]
    except ValueError:
        raise ValueError(f'-p {name}={text}: not a list: write a,b or ["a", "b"]') from None


def notebook(number: str) -> Path:
    """The notebook with a number, such as 04 or 4, or with a name.

    Raises:
        ValueError: there is none, or the number fits several.
    """
    there = sorted(paths.notebooks().glob("[0-9]*.ipynb"))
    asked = number.zfill(2) if number.isdecimal() else Path(number).name
    found = [path for path in there if asked and path.name.startswith(asked)]
    if len(found) != 1:
        known = ", ".join(path.stem[:2] for path in there)
        hint = " (parameters are written -p NAME=VALUE)" if not number[:2].isdecimal() or len(number) > 2 else ""
        raise ValueError(f"notebook {number!r:.80}: {len(found)} found: choose from {known}{hint}")
    return found[0]


def parameter_names(source: Path) -> list[str]:
    """What a notebook takes: the names that its parameters cell assigns and, where it trains, the rest of the recipe."""
    own = list(notebook_defaults(source))
    recipe = [name for name, (part, _) in FLAT.items() if part in ("encoder", "training") or name == "validation"]
    return list(dict.fromkeys(own + recipe)) if "updates" in own else own


class _Metadata(Record):
    tags: tuple[str, ...] = ()


class Cell(Record):
    """A cell of a notebook."""

    cell_type: str
    source: str | tuple[str, ...]
    metadata: _Metadata = _Metadata()

    @property
    def text(self) -> str:
        """What was written into it."""
        return "".join(self.source)


class _Notebook(Record):
    nbformat: Literal[4]
    cells: tuple[Cell, ...]


def cells_of(source: Path) -> tuple[Cell, ...]:
    """The cells of a notebook.

    Raises:
        ValueError: the file holds no notebook of format 4.
    """
    return _read_notebook(source, source.stat().st_mtime_ns).cells


@lru_cache
def _read_notebook(source: Path, changed: int) -> _Notebook:
    """``changed`` is when the file was written, and is not read: with it, a file that was written again is another one."""
    return records.read(source, _Notebook, "no notebook: save it anew in Jupyter, or move it out of the folder")


def notebook_defaults(source: Path) -> dict[str, object]:
    """What a notebook's parameters cell assigns: literals, by name.

    Raises:
        ValueError: the cell is no Python, assigns to something else than a name, or what is no literal.
    """
    defaults: dict[str, object] = {}
    for cell in cells_of(source):
        if "parameters" not in cell.metadata.tags:
            continue
        try:
            lines = ast.parse(cell.text).body
        except (SyntaxError, ValueError) as error:
            raise ValueError(f"{source.name}: the parameters cell is no Python ({error}): {_PLAIN}") from None
        for line in lines:
            defaults |= _assigned(line, source.name)
    return defaults


_PLAIN = "write a line NAME = VALUE for each parameter, such as updates = 200"


def _assigned(line: ast.stmt, where: str) -> Mapping[str, object]:
    """Names and value of a line of a parameters cell."""
    if isinstance(line, (ast.Expr, ast.Import, ast.ImportFrom, ast.Pass)):  # they assign no parameter
        return {}
    targets = line.targets if isinstance(line, ast.Assign) else [line.target] if isinstance(line, ast.AnnAssign) else []
    names = [target.id for target in targets if isinstance(target, ast.Name)]
    try:
        if not names or len(names) < len(targets):
            raise ValueError
        return dict.fromkeys(names, ast.literal_eval(cast("ast.Assign", line).value))
    except ValueError:
        raise ValueError(f"{where}: the parameters cell has {ast.unparse(line)!r:.80}: {_PLAIN}") from None


def notebook_settings(source: Path, parameters: dict[str, object]) -> Settings:
    """A notebook's own defaults, with those of the parameters that it names.

    Raises:
        ValueError: the notebook names what is no setting, or gives one a value of the wrong type; values that do not fit.
    """
    own = notebook_defaults(source)
    refuse_unknown(source.name, own)
    try:
        taken = set(parameter_names(source))
        return Settings().changed(**(own | {name: value for name, value in parameters.items() if name in taken}))
    except ValueError as error:
        raise ValueError(f"{source.name}: {error}") from None


def metrics_of(folder: str | Path, settings: Settings) -> dict | None:
    """What ``metrics.json`` in a run's folder holds, or None if it is not there or other settings made it.

    Raises:
        ValueError: the file holds something else.
    """
    from kit.compare.stored import read_metrics  # what it reads is no light import

    path = Path(folder) / "metrics.json"
    metrics = read_metrics(path) if path.is_file() else None
    made_by = json.loads(json.dumps(settings.flat()))  # lists for tuples, as in the file
    return metrics if metrics and metrics["about"]["settings"] == made_by else None


def command(settings: Settings, *notebooks: str, default: Settings | None = None) -> str:
    """The command that makes a run again, for a shell: every setting that differs from the default, and the run's name.

    Args:
        notebooks: their numbers; without any it is the story.
        default: of the notebooks; those of ``Settings`` where none is given.
    """
    usual = (default or Settings()).flat()
    changed = {name: value for name, value in settings.flat().items() if value != usual[name]}
    named = {"run": settings.run, **changed} if changed else {}  # changed settings without a name would get another one
    return " ".join(
        [
            "python -m kit run",
            *notebooks,
            *(f"-p {shlex.quote(f'{name}={_typed_text(value)}')}" for name, value in named.items()),
        ]
    )


def _typed_text(value: object) -> str:
    """A setting as it is typed on the command line."""
    if not isinstance(value, tuple):
        return str(value)
    entries = [str(entry) for entry in value]
    plain = all(entries) and not any("," in entry for entry in entries) and not entries[0].startswith("[")
    return ",".join(entries) if plain else json.dumps(entries, ensure_ascii=False)
