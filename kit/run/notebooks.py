"""Run the numbered notebooks headless, in order: resumable, checked before it starts, with progress on the terminal."""

from __future__ import annotations

import hashlib
import json
import logging
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from kit.core import fingerprints, paths, records
from kit.core.files import whole_file
from kit.core.printing import say
from kit.core.records import Record
from kit.data.registry import source_fingerprints
from kit.run import profiles
from kit.run.profiles import notebook, notebook_settings, parameter_names
from kit.run.progress import Progress, Whole, uncoloured
from kit.run.settings import Settings
from kit.run.training import located
from kit.train.encoders.finding import find_model
from kit.train.samplers import Sampling

if TYPE_CHECKING:
    import papermill

_SOURCES = ("train", "test", "domains", "parallel", "tests", "bitexts")
"""Settings that name sources of ``kit.data.registry``; a notebook reads those that its parameters cell names."""

STORY = ("00", "01", "02", "03", "04")
"""Numbers of the notebooks that ``run`` executes when none are named."""


QUIET_KERNEL = ["--IPKernelApp.log_level=50"]
"""Kernels that talk to their own machine only need not warn that they talk in plain text."""

_ENDS_AS_ORPHAN = (
    "--IPKernelApp.exec_lines="
    "if str(__import__('os').getppid()) != __import__('os').environ['JPY_PARENT_PID']: __import__('os')._exit(1)"
)
"""A kernel looks every second whether it still has the parent that it had when it began to look. This is the look before, in
case the command is killed while its kernel starts."""


def run(parameters: dict[str, object], numbers: tuple[str, ...], command: str, verbose: bool = False) -> Path:
    """Execute notebooks into ``reports/<run>/notebooks``; those that stand there, made from the same, are kept.

    Args:
        parameters: as ``parameters_of`` makes them; a notebook gets those that its parameters cell names. They are kept as
            ``params.yaml`` (``kit.run.profiles``).
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
    folder = paths.run_folder(Settings().changed(**parameters).run)
    (folder / "notebooks").mkdir(parents=True, exist_ok=True)
    _tell_of_other_settings(folder, parameters)
    profiles.write(folder, parameters, [source.name.partition("_")[0] for source in sources])
    for position, source in enumerate(sources, start=1):
        head = f"[{position}/{len(sources)}] {source.name}"
        settings = notebook_settings(source, parameters)
        target, key = folder / "notebooks" / source.name, _key(source, settings)
        if _done(target, key) and _left_what_it_writes(source, folder):
            say(f"{head}: done before")
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


def _tell_of_other_settings(folder: Path, parameters: dict[str, object]) -> None:
    """Say so if the run's folder holds what other settings made: it gives way, piece by piece."""
    if not (folder / "params.yaml").is_file():
        return
    try:
        before, now = (Settings().changed(**one).flat() for one in (profiles.read(folder)[0], parameters))
    except ValueError:  # somebody wrote in it
        return
    others = [f"{name} {before[name]}, now {now[name]}" for name in now if before[name] != now[name]]
    if others:
        say(f"run {folder.name} was made with other settings ({'; '.join(others)}): what is made now takes their place")


def _refuse_what_is_not_there(source: Path, settings: Settings) -> None:
    """Raise ``ValueError`` for a sampling, an encoder or a source that leads nowhere, before anything starts."""
    if "encoder" in parameter_names(source):
        find_model(located(settings.encoder).name)
    for sampling in settings.samplings:
        Sampling.parse(sampling)
    _data(source, settings)


def _key(source: Path, settings: Settings) -> str:
    """Changes with the notebook's cells, the settings, the data, and the code that the notebook imports."""
    cells = [(cell.cell_type, cell.text) for cell in profiles.cells_of(source)]
    modules = sorted(set[str]().union(*(_imported(text) for kind, text in cells if kind == "code")))
    content = [
        cells,
        settings.fingerprint(),
        _data(source, settings),
        fingerprints.code_fingerprint(*modules),
        fingerprints.versions(),
    ]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _imported(code: str) -> set[str]:
    """Modules of the kit that a cell imports, which may hold whatever Jupyter runs; a mistake in it is told by its run."""
    if code.startswith("%%"):
        code = code.partition("\n")[2]  # Python under %%time, no Python under %%bash
    try:
        return fingerprints.imported(code)
    except (SyntaxError, ValueError):
        pass

    from IPython.core.inputtransformer2 import TransformerManager  # no light import, and few cells need it

    try:
        return fingerprints.imported(TransformerManager().transform_cell(code))
    except (SyntaxError, ValueError):
        return set()


def _data(source: Path, settings: Settings) -> dict[str, str]:
    """What the data that a notebook reads depends on, by source."""
    from kit.augment.quality import text_sources  # what it reads is no light import

    named = set(parameter_names(source))
    found = {}
    for name in _SOURCES:
        value = settings.flat()[name]
        if name == "parallel":  # names translators, too
            value = text_sources(value)
        if name in named:
            found |= source_fingerprints([value] if isinstance(value, str) else value)
    return found


def _left_what_it_writes(source: Path, folder: Path) -> bool:
    """Whether the results that a notebook writes into the run's folder are (still) there."""
    if not any("report.write_run(" in cell.text for cell in profiles.cells_of(source)):
        return True
    if not all((folder / name).exists() for name in ("metrics.json", "claims.json", "per_query.parquet", "figures")):
        return False

    from kit.show.report.folder import run_findings, run_metrics, run_results  # no light import

    try:
        run_results(folder, run_metrics(folder))
        run_findings(folder)
    except ValueError as error:
        say(f"{source.name} again: {error}")
        return False
    return True


class _Stamped(Record):
    metadata: dict[str, object]


def _done(target: Path, key: str) -> bool:
    try:
        return records.read(target, _Stamped, "").metadata.get("kit") == {"key": key}
    except ValueError:  # none, or half a file: the run was stopped while it was written
        return False


def _parameters(source: Path, settings: Settings) -> dict[str, object]:
    """The settings that a notebook asks for."""
    wanted = parameter_names(source)
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in settings.flat().items() if name in wanted
    }


def _n_cells(source: Path) -> int:
    """Code cells of a notebook and the one that papermill adds; without empty ones, which Jupyter does not count."""
    code = [cell for cell in profiles.cells_of(source) if cell.cell_type == "code" and cell.text.strip()]
    return len(code) + bool(parameter_names(source))


def _execute(source: Path, target: Path, parameters: dict[str, object], progress: Progress, verbose: bool) -> str | None:
    """Execute a notebook; returns what failed, if something did."""
    import papermill
    from nbclient.exceptions import DeadKernelError

    # It warns of values that hold "=" which its reader of defaults cannot parse; they arrive all the same.
    logging.getLogger("papermill").setLevel(logging.ERROR)
    try:
        with _terminated_as_interrupted():
            papermill.execute_notebook(
                source,
                target,
                parameters,
                cwd=str(source.parent),
                progress_bar=False,
                kernel_name="python3",
                language="python",
                stdout_file=Whole(sys.stdout) if verbose else progress,
                stderr_file=Whole(sys.stderr) if verbose else progress,
                extra_arguments=[*QUIET_KERNEL, _ENDS_AS_ORPHAN],
                on_cell_execute=progress.next_cell,  # what papermill does not know it gives to nbclient
            )
    except papermill.PapermillExecutionError as error:
        return _failure(error, source, target)
    except DeadKernelError:
        return f"cell {progress.cell} of {source.name} ended the kernel: it may have used more memory than there is"
    return None


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM stops as Ctrl-C does: the kernel is ended, what was executed is kept, and the user is told how to go on."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # nobody waits any more for the cell, which failed by this
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


def _failure(error: papermill.PapermillExecutionError, source: Path, target: Path) -> str:
    """Which cell failed, as the executed notebook counts (In [n]) and as the notebook's cells stand, and why."""
    from papermill.execute import ERROR_MARKER_TAG

    added = {ERROR_MARKER_TAG, "injected-parameters"}
    cells = json.loads(target.read_text(encoding="utf-8"))["cells"][: error.cell_index + 3]  # two markers stand before it
    position = sum(not added & set(cell["metadata"].get("tags", [])) for cell in cells)
    lines = [line for line in error.source.splitlines() if line.strip() and not line.startswith("#")]
    return (
        f"cell {error.exec_count} of {source.name} failed: {error.ename}: {shortened(error.evalue)}\n"
        f"it is In [{error.exec_count}] in the executed notebook, number {position} of all cells in {source.name}, "
        f"and begins: {(lines or [''])[0].strip():.100}"
    )


_SCREEN = 1600
"""Characters of an error that are shown: a screen of them."""


def shortened(text: str) -> str:
    r"""What an error says, without colours, at most a screen of it: its head and its tail.

    >>> shortened("\x1b[31mred\x1b[0m")
    'red'
    """
    text = uncoloured(text)
    left_out = len(text) - _SCREEN
    half = _SCREEN // 2
    return text if left_out <= 0 else f"{text[:half]}\n… {left_out:,} characters left out …\n{text[-half:]}"


def _stamp(target: Path, key: str) -> None:
    """Note in an executed notebook what it was made from."""
    import nbformat

    executed = nbformat.read(target, as_version=4)
    executed.metadata["kit"] = {"key": key}
    with whole_file(target) as partial:
        nbformat.write(executed, partial)
