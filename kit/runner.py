"""Run the numbered notebooks headless, in order: resumable, checked before it starts, with progress on the terminal."""

from __future__ import annotations

import ast
import hashlib
import json
import logging
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from kit import config, params, paths
from kit.config import Settings
from kit.progress import Progress
from kit.samplers import Sampling
from kit.sources import checksums
from kit.sources.bitext import checksums as bitext_checksums
from kit.tables import whole_file

if TYPE_CHECKING:
    import papermill

_SOURCES = ("train", "test", "domains", "parallel", "tests")
"""Settings that name sources of ``kit.sources``; a notebook reads those that its parameters cell names."""

STORY = ("00", "01", "02", "03", "04")
"""Numbers of the notebooks that ``run`` executes when none are named."""


QUIET_KERNEL = ["--IPKernelApp.log_level=50"]
"""Kernels that talk to their own machine only need not warn that they talk in plain text."""


def settings_of(profile: str, changes: dict[str, str]) -> Settings:
    """Settings of a profile with changes from the command line; see ``parameters_of``."""
    return Settings(**parameters_of(profile, changes))


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
        raise ValueError(f"profile {profile!r} is not known: choose from {', '.join(known)}")
    values = params.values(path)
    params.refuse_unknown("-p", changes)
    defaults = _defaults(sources)
    typed = {name: _typed(name, text, *defaults[name]) for name, text in changes.items()}
    if sources:
        _refuse_unused(set(changes) - {"run"}, sources)  # a run has a name, whether its notebooks read it or not
    parameters = {"run": profile, **values, **typed}
    settings = Settings(**parameters)
    if typed and "run" not in typed:
        parameters["run"] = f"{settings.run}-{settings.fingerprint()[:6]}"
    return {name: value for name, value in asdict(Settings(**parameters)).items() if name in parameters}


def _defaults(sources: Sequence[Path]) -> dict[str, tuple[object, str]]:
    """Each setting's default, and where it stands if a notebook has another than the settings; the first notebook counts."""
    general = asdict(Settings())
    found = {}
    for source in sources:
        own = asdict(notebook_settings(source, {}))
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
            + params.near(name, known)
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
        return type(default)(text)
    except ValueError:
        kind = type(default).__name__
        raise ValueError(f"-p {name}={text}: not a value of type {kind}, such as {default!r}{where}") from None


def _entries(name: str, text: str) -> list[str]:
    """Entries of a list: ``a,b``, or JSON where an entry holds a comma itself."""
    if not text.startswith("["):
        return [part for part in text.split(",") if part]
    try:
        return [str(part) for part in json.loads(text)]
    except ValueError:
        raise ValueError(f'-p {name}={text}: not a list: write a,b or ["a", "b"]') from None


def run(parameters: dict[str, object], numbers: tuple[str, ...], command: str, verbose: bool = False) -> Path:
    """Execute notebooks into ``reports/<run>/notebooks``; those that stand there, made from the same, are kept.

    Args:
        parameters: as ``parameters_of`` makes them; a notebook gets those that its parameters cell names. They are kept as
            ``params.yaml`` (``kit.params``).
        numbers: of the notebooks.
        command: for a shell, goes on after a failure.
        verbose: whether all that the notebooks print is printed, too, instead of the last line of it.

    Returns:
        The run's folder.

    Raises:
        ValueError: a number is of no notebook, a sampling or a source is not there.
        RuntimeError: a cell failed; the executed part is kept and the message says how to go on.
    """
    sources = [notebook(number) for number in numbers]
    for source in sources:
        _refuse_what_is_not_there(source, notebook_settings(source, parameters))
    folder = paths.reports() / Settings(**parameters).run
    (folder / "notebooks").mkdir(parents=True, exist_ok=True)
    params.write(folder, parameters, [source.name.partition("_")[0] for source in sources])
    for position, source in enumerate(sources, start=1):
        head = f"[{position}/{len(sources)}] {source.name}"
        settings = notebook_settings(source, parameters)
        target, key = folder / "notebooks" / source.name, _key(source, settings)
        if _done(target, key) and _left_what_it_writes(source, folder):
            print(f"{head}: done before", flush=True)
            continue
        with Progress(head, _n_cells(source), sys.stdout, sys.stdout.isatty() and not verbose) as progress:
            failure = _execute(source, target, _parameters(source, settings), progress, verbose)
            if failure:
                kept = f"the executed notebook is kept: {target}"
                raise RuntimeError(
                    f"{failure}\n{kept}\nmend the cause (a parameter of the command may be it) and go on with: {command}"
                )
        _stamp(target, key)
    return folder


def _refuse_what_is_not_there(source: Path, settings: Settings) -> None:
    """Raise ``ValueError`` for a sampling or a source that leads nowhere, before anything starts."""
    for sampling in settings.samplings:
        Sampling.parse(sampling)
    _data(source, settings)


def notebook(number: str) -> Path:
    """The notebook with a number.

    Raises:
        ValueError: there is none, or the number fits several.
    """
    found = sorted(paths.notebooks().glob(f"{number}*.ipynb"))
    if len(found) != 1:
        known = ", ".join(path.stem[:2] for path in sorted(paths.notebooks().glob("[0-9]*.ipynb")))
        hint = " (parameters are written -p NAME=VALUE)" if not number[:2].isdecimal() or len(number) > 2 else ""
        raise ValueError(f"notebook {number!r}: {len(found)} found: choose from {known}{hint}")
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
    """A notebook's own defaults, with those of the parameters that it names.

    Raises:
        ValueError: the notebook names what is no setting, or gives one a value of the wrong type; values that do not fit.
    """
    own = notebook_defaults(source)
    params.refuse_unknown(source.name, own)
    try:
        return Settings(**(own | {name: value for name, value in parameters.items() if name in own}))
    except ValueError as error:
        raise ValueError(f"{source.name}: {error}") from None


def _parameters(source: Path, settings: Settings) -> dict[str, object]:
    """The settings that a notebook asks for."""
    wanted = parameter_names(source)
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in asdict(settings).items()
        if name in wanted
    }


def _n_cells(source: Path) -> int:
    """Code cells of a notebook and the one that papermill adds; without empty ones, which Jupyter does not count."""
    cells = json.loads(source.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code" and "".join(cell["source"]).strip()]
    return len(code) + bool(parameter_names(source))


def _execute(source: Path, target: Path, parameters: dict[str, object], progress: Progress, verbose: bool) -> str | None:
    """Execute a notebook; returns what failed, if something did."""
    import papermill
    from nbclient.exceptions import DeadKernelError

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
            stdout_file=sys.stdout if verbose else progress,
            stderr_file=sys.stderr if verbose else progress,
            extra_arguments=QUIET_KERNEL,
            on_cell_execute=progress.next_cell,  # what papermill does not know it gives to nbclient
        )
    except papermill.PapermillExecutionError as error:
        return _failure(error, source, target)
    except DeadKernelError:
        return f"cell {progress.cell} of {source.name} ended the kernel: it may have used more memory than there is"
    return None


def _failure(error: papermill.PapermillExecutionError, source: Path, target: Path) -> str:
    """Which cell failed, as the executed notebook counts (In [n]) and as the notebook's cells stand, and why."""
    from papermill.execute import ERROR_MARKER_TAG

    added = {ERROR_MARKER_TAG, "injected-parameters"}
    cells = json.loads(target.read_text(encoding="utf-8"))["cells"][: error.cell_index + 3]  # two markers stand before it
    position = sum(not added & set(cell["metadata"].get("tags", [])) for cell in cells)
    lines = [line for line in error.source.splitlines() if line.strip() and not line.startswith("#")]
    return (
        f"cell {error.exec_count} of {source.name} failed: {error.ename}: {error.evalue}\n"
        f"it is In [{error.exec_count}] in the executed notebook, number {position} of all cells in {source.name}, "
        f"and begins: {lines[0].strip()}"
    )


def _stamp(target: Path, key: str) -> None:
    """Note in an executed notebook what it was made from."""
    import nbformat

    executed = nbformat.read(target, as_version=4)
    executed.metadata["kit"] = {"key": key}
    with whole_file(target) as partial:
        nbformat.write(executed, partial)
