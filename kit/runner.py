"""Run the numbered notebooks headless, in order: resumable, checked before it starts, with progress on the terminal."""

from __future__ import annotations

import ast
import hashlib
import json
import logging
import re
import sys
import time
from dataclasses import asdict, fields
from pathlib import Path

import yaml

from kit import config, paths
from kit.config import Settings
from kit.samplers import Sampling
from kit.sources import checksums
from kit.sources.bitext import checksums as bitext_checksums

_SOURCES = ("train", "test", "domains", "parallel", "tests")
"""Settings that name sources of ``kit.sources``; a notebook reads those that its parameters cell names."""

STORY = ("00", "01", "02", "03", "04")
"""Numbers of the notebooks that ``run`` executes when none are named."""


QUIET_KERNEL = ["--IPKernelApp.log_level=50"]
"""Kernels that talk to their own machine only need not warn that they talk in plain text."""


def settings_of(profile: str, changes: dict[str, str]) -> Settings:
    """Settings of a profile with changes from the command line; see ``parameters_of``."""
    return Settings(**parameters_of(profile, changes))


def parameters_of(profile: str, changes: dict[str, str]) -> dict[str, object]:
    """What a profile and the command line say, by name; what they do not say is left to each notebook's own defaults.

    Args:
        profile: name of a file in ``notebooks/params``.
        changes: values as typed; a list is written ``a,b`` or ``["a", "b"]``. Without ``run``, changed settings get a
            folder of their own.

    Raises:
        ValueError: an unknown profile or name, or a value of the wrong type.
    """
    path = paths.notebooks() / "params" / f"{profile}.yaml"
    if not re.fullmatch(r"[\w-]+", profile) or not path.is_file():
        known = sorted(found.stem for found in path.parent.glob("*.yaml"))
        raise ValueError(f"profile {profile!r} is not known: choose from {', '.join(known)}")
    values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    defaults = {field.name: field.default for field in fields(Settings)}
    for source, names in ((str(path), values), ("-p", changes)):
        unknown = sorted(set(names) - set(defaults))
        if unknown:
            raise ValueError(f"{source}: unknown parameter {unknown[0]!r}: choose from {', '.join(defaults)}")
    typed = {name: _typed(name, text, defaults[name]) for name, text in changes.items()}
    parameters = {"run": profile, **values, **typed}
    settings = Settings(**parameters)
    if typed and "run" not in typed:
        parameters["run"] = f"{settings.run}-{settings.fingerprint()[:6]}"
    return {name: value for name, value in asdict(Settings(**parameters)).items() if name in parameters}


def _typed(name: str, text: str, default: object) -> object:
    """A value from the command line in the type of the default."""
    if isinstance(default, tuple):
        return [_typed(name, part, default[0]) for part in _entries(name, text)]
    if isinstance(default, bool):
        if text in ("true", "false"):
            return text == "true"
        raise ValueError(f"-p {name}={text}: write true or false")
    try:
        return type(default)(text)
    except ValueError:
        raise ValueError(f"-p {name}={text}: not a value of type {type(default).__name__}, such as {default!r}") from None


def _entries(name: str, text: str) -> list[str]:
    """Entries of a list: ``a,b``, or JSON where an entry holds a comma itself."""
    if not text.startswith("["):
        return [part for part in text.split(",") if part]
    try:
        return [str(part) for part in json.loads(text)]
    except ValueError:
        raise ValueError(f'-p {name}={text}: not a list: write a,b or ["a", "b"]') from None


def run(parameters: dict[str, object], numbers: tuple[str, ...] = STORY) -> Path:
    """Execute notebooks into ``reports/<run>/notebooks``; those that stand there, made from the same, are kept.

    Args:
        parameters: as ``parameters_of`` makes them; a notebook gets those that its parameters cell names.
        numbers: of the notebooks.

    Returns:
        The run's folder.

    Raises:
        ValueError: a number is of no notebook, a sampling or a source is not there.
        RuntimeError: a cell failed; the executed part is kept and the message says how to go on.
    """
    sources = [notebook(number) for number in numbers]
    for source in sources:  # a name or path that leads nowhere is an error before anything starts
        settings = notebook_settings(source, parameters)
        for sampling in settings.samplings:
            Sampling.parse(sampling)
        _data(source, settings)
    folder = paths.reports() / Settings(**parameters).run
    (folder / "notebooks").mkdir(parents=True, exist_ok=True)
    for position, source in enumerate(sources, start=1):
        head = f"[{position}/{len(sources)}] {source.name}"
        settings = notebook_settings(source, parameters)
        target, key = folder / "notebooks" / source.name, _key(source, settings)
        if _done(target, key) and _left_what_it_writes(source, folder):
            print(f"{head}: done before", flush=True)
            continue
        print(f"{head}: running", flush=True)
        started = time.monotonic()
        _execute(source, target, _parameters(source, settings), key)
        print(f"{head}: {time.monotonic() - started:.0f} s", flush=True)
    return folder


def notebook(number: str) -> Path:
    """The notebook with a number.

    Raises:
        ValueError: there is none, or the number fits several.
    """
    found = sorted(paths.notebooks().glob(f"{number}*.ipynb"))
    if len(found) != 1:
        known = ", ".join(path.stem[:2] for path in sorted(paths.notebooks().glob("[0-9]*.ipynb")))
        raise ValueError(f"notebook {number!r}: {len(found)} found: choose from {known}")
    return found[0]


def _key(source: Path, settings: Settings) -> str:
    """Changes with the notebook's cells, the settings, the data, and the code that the notebook imports."""
    cells = [
        (cell["cell_type"], "".join(cell["source"])) for cell in json.loads(source.read_text(encoding="utf-8"))["cells"]
    ]
    modules = sorted(config.imported("\n".join(text for kind, text in cells if kind == "code")))
    content = [cells, settings.fingerprint(), _data(source, settings), config.code_fingerprint(*modules), config.versions()]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _data(source: Path, settings: Settings) -> dict[str, str]:
    """Checksums of the data that a notebook reads, by source."""
    from kit.augment.choice import text_sources  # what it reads is no light import

    named = set(parameter_names(source))
    found = {}
    for name, read in (*((name, checksums) for name in _SOURCES), ("bitexts", bitext_checksums)):
        value = getattr(settings, name)
        if name == "parallel":  # names translators, too
            value = text_sources(value)
        if name in named:
            found |= read([value] if isinstance(value, str) else value)
    return found


def _left_what_it_writes(source: Path, folder: Path) -> bool:
    """Whether the results that a notebook writes into the run's folder are (still) there."""
    if "report.write_run(" not in source.read_text(encoding="utf-8"):
        return True
    return all((folder / name).exists() for name in ("metrics.json", "claims.json", "per_query.parquet", "figures"))


def _done(target: Path, key: str) -> bool:
    if not target.is_file():
        return False
    try:
        return json.loads(target.read_text(encoding="utf-8"))["metadata"].get("kit", {}).get("key") == key
    except ValueError:  # half a file: the run was stopped while it was written
        return False


def parameter_names(source: Path) -> list[str]:
    """Names that a notebook's parameters cell assigns."""
    return list(notebook_defaults(source))


def notebook_defaults(source: Path) -> dict[str, object]:
    """What a notebook's parameters cell assigns: literals, by name."""
    cells = json.loads(source.read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if "parameters" in cell["metadata"].get("tags", [])]
    return {
        target.id: ast.literal_eval(node.value)
        for text in code
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign)
        for target in node.targets
    }


def notebook_settings(source: Path, parameters: dict[str, object]) -> Settings:
    """A notebook's own defaults, with those of the parameters that it names."""
    own = notebook_defaults(source)
    return Settings(**(own | {name: value for name, value in parameters.items() if name in own}))


def _parameters(source: Path, settings: Settings) -> dict[str, object]:
    """The settings that a notebook asks for."""
    wanted = parameter_names(source)
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in asdict(settings).items()
        if name in wanted
    }


def _execute(source: Path, target: Path, parameters: dict[str, object], key: str) -> None:
    import nbformat
    import papermill

    # It warns of values that hold "=" which its reader of defaults cannot parse; they arrive all the same.
    logging.getLogger("papermill").setLevel(logging.ERROR)
    try:
        papermill.execute_notebook(
            source,
            target,
            parameters,
            cwd=str(source.parent),
            progress_bar=False,
            kernel_name="python3",
            stdout_file=sys.stdout,
            stderr_file=sys.stderr,
            extra_arguments=QUIET_KERNEL,
        )
    except papermill.PapermillExecutionError as error:
        raise RuntimeError(
            f"cell {error.exec_count} of {source.name} failed: {error.ename}: {error.evalue}\n"
            f"the executed notebook is kept: {target}\n"
            "mend the cause and type the same command again: finished steps are not repeated"
        ) from None
    notebook = nbformat.read(target, as_version=4)
    notebook.metadata["kit"] = {"key": key}
    nbformat.write(notebook, target)
