"""``python -m kit``: the command line. Heavy libraries are imported by the command that needs them, so --help is instant."""

from __future__ import annotations

import argparse
import re
import shlex
import sys
from typing import TYPE_CHECKING, NoReturn

from kit.core.printing import near, say, spell_out, visible

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns the exit status: 0, or 1 for a problem that was reported in a line or two."""
    for stream in (sys.stdout, sys.stderr):
        spell_out(stream)
    arguments = sys.argv[1:] if arguments is None else arguments
    parsed = _parser().parse_args(arguments)
    parsed.command = shlex.join(["python", "-m", "kit", *arguments])
    try:
        parsed.function(parsed)
    except (ValueError, RuntimeError, OSError, UserWarning) as error:  # the last one with python -W error::UserWarning
        say(f"kit: {error}", sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        print(
            f"kit: {error.name} is not installed here: type 'source .venv/bin/activate', or 'make setup' first",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        print("kit: interrupted; the same command goes on after the last finished step", file=sys.stderr)
        return 130
    return 0


class _Parser(argparse.ArgumentParser):
    """A parser whose complaints show what was typed and do not carry it out."""

    def error(self, message: str) -> NoReturn:
        super().error(visible(message))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m kit", description="Hybrid batch training for multilingual dense retrieval.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for add in (_add_run, _add_audit, _add_report, _add_open, _add_claims, _add_sweep, _add_bench, _add_refresh):
        add(commands)
    return parser


def _add_run(commands: argparse._SubParsersAction) -> None:
    run = commands.add_parser(
        "run",
        help="execute the notebooks headless and print the table of results",
        description="Execute the numbered notebooks with papermill into reports/<run>/, print the table of "
        "results. A run that was interrupted goes on after its last finished step. What was asked for is kept in "
        "reports/<run>/params.yaml. To look at a run: open. To compare several: report RUN RUN.",
    )
    run.add_argument("notebooks", nargs="*", metavar="NN", help="numbers of notebooks (default: 00 to 04)")
    _add_settings(run, "change one parameter; lists are written a,b; may be repeated")
    run.add_argument(
        "--again", metavar="RUN", help="what that run's params.yaml says: a name in reports/, or a folder's path"
    )
    run.add_argument("--verbose", action="store_true", help="print all that the notebooks print, not just its last line")
    run.add_argument(
        "--pictures",
        action="store_true",
        help="also draw the figures as PNG, in the notebooks, too (needs Chrome or Chromium)",
    )
    run.set_defaults(function=_run)


def _add_audit(commands: argparse._SubParsersAction) -> None:
    audit = commands.add_parser(
        "audit",
        help="which languages does a model prefer? evaluate any models, write the report",
        description="Evaluate sentence-transformers models as they are, with their own prompts, in the three retrieval "
        "settings and the bias panel, and write reports/<run>-<task>/index.html. An audit that was interrupted goes on.",
    )
    audit.add_argument("models", nargs="+", metavar="MODEL", help="name on the hub, or folder; LABEL=MODEL names it")
    tasks = "atlas (default, built in), lareqa:<folder> (XQuAD-R, MLQA-R), jsonl:<folder> (your own); may be repeated"
    audit.add_argument("--task", dest="tasks", action="append", metavar="SOURCE", help=tasks)
    audit.add_argument("--run", default="audit", help="start of the report's folder (default: audit)")
    audit.add_argument("--batch-size", type=_at_least(1), default=32, help="texts a forward pass (default: 32)")
    for side, texts in (("query", "questions"), ("passage", "candidates")):
        text = f"what models that bring no prompts get before {texts}, such as '{side}: '"
        audit.add_argument(f"--{side}-prompt", default="", metavar="TEXT", help=text)
    trust = "let code run that a model brings; read it first: it can do all that you can"
    audit.add_argument("--trust-remote-code", action="store_true", help=trust)
    audit.set_defaults(function=_audit)


def _add_report(commands: argparse._SubParsersAction) -> None:
    report = commands.add_parser(
        "report",
        help="write the report of a run again, or of several runs side by side",
        description="One run: draw its figures and write its page again, from its scores per query. Several runs on one "
        "task: a report with the models of all of them in reports/<run>-and-<run>/, compared with the first.",
    )
    report.add_argument("runs", nargs="+", metavar="RUN", help="name of a folder in reports/, or path of a run's folder")
    report.add_argument("--out", metavar="NAME", help="name of the folder in reports/ for several runs")
    report.set_defaults(function=_report)


def _add_open(commands: argparse._SubParsersAction) -> None:
    opened = commands.add_parser(
        "open",
        help="show the report of a run in the browser",
        description="Print the path of a run's report and open it in the browser, if there is one.",
    )
    opened.add_argument("run", metavar="RUN", help="name of a folder in reports/, or path of a run's folder")
    opened.set_defaults(function=_open)


def _add_claims(commands: argparse._SubParsersAction) -> None:
    claims = commands.add_parser(
        "claims",
        help="put the findings of several runs in one table",
        description="Gather what the studies and the training runs found, claim by claim, into reports/claims.md, "
        "reports/claims.json and the table in docs/claims.md.",
    )
    claims.add_argument("runs", nargs="+", metavar="RUN", help="names of folders in reports/, such as cpu ratio-real")
    claims.set_defaults(function=_claims)


def _add_sweep(commands: argparse._SubParsersAction) -> None:
    sweep = commands.add_parser(
        "sweep",
        help="choose a recipe on the validation task",
        description="Train all samplings with every combination of values and print the validation score, "
        "averaged over samplings and seeds, so that a recipe is chosen before their differences are seen.",
    )
    _add_settings(sweep, "a value to try; a parameter that is given several times is combined with all others")
    sweep.set_defaults(function=_sweep)


def _add_settings(command: argparse.ArgumentParser, meaning: str) -> None:
    """The arguments that choose settings; ``meaning`` is what ``-p`` does."""
    profiles = "file of parameters in notebooks/params: smoke (default), cpu, xquad-r …"
    command.add_argument("--profile", default="smoke", help=profiles)
    command.add_argument("-p", dest="parameters", action="append", default=[], metavar="NAME=VALUE", help=meaning)


def _add_bench(commands: argparse._SubParsersAction) -> None:
    bench = commands.add_parser(
        "bench",
        help="measure training throughput against the stock trainer",
        description="Train an encoder of XLM-R-base's shape (random weights) with this kit's trainer and "
        "with the stock one of sentence-transformers, on the same rows; print rows a second.",
    )
    bench.add_argument("--train", default="atlas", metavar="SOURCE", help="training data (default: atlas)")
    bench.add_argument("--updates", type=_at_least(1), default=50)
    bench.add_argument("--batch-size", type=_at_least(2), default=100)
    bench.add_argument("--layers", type=_at_least(1), default=12, help="12 is XLM-R base; fewer for a CPU")
    bench.add_argument("--dimension", type=_at_least(1), default=768, help="768 is XLM-R base; smaller for a CPU")
    bench.set_defaults(function=_bench)


def _at_least(low: int) -> Callable[[str], int]:
    """The type of an argument that is a whole number of at least so much."""

    def whole(text: str) -> int:
        if not re.fullmatch("-?[0-9]{1,9}", text) or int(text) < low:
            raise argparse.ArgumentTypeError(f"{text!r:.80}: choose a whole number of at least {low}")
        return int(text)

    return whole


def _add_refresh(commands: argparse._SubParsersAction) -> None:
    refresh = commands.add_parser(
        "refresh",
        help="execute the notebooks with their defaults and store the outputs, with pictures",
        description="Execute the notebooks in place with their default parameters, strip what differs "
        "between machines, and add a static picture to each figure (needs kaleido and Chrome or Chromium).",
    )
    refresh.add_argument("notebooks", nargs="*", metavar="NN", help="numbers of notebooks (default: all)")
    refresh.set_defaults(function=_refresh)


def _pairs(parsed: argparse.Namespace) -> list[tuple[str, str]]:
    """The ``-p NAME=VALUE`` of a command line."""
    pairs = [text.partition("=") for text in parsed.parameters]
    malformed = [name for name, equals, _ in pairs if not equals]
    if malformed:
        raise ValueError(f"-p {malformed[0]}: write NAME=VALUE, such as -p updates=500")
    return [(name, value) for name, _, value in pairs]


def _folder(run: str) -> Path:
    """The folder of a run that is named, or given by its path.

    Raises:
        ValueError: there is none.
    """
    from pathlib import Path

    from kit.core import paths

    named = [paths.run_folder(run)] if paths.is_run_name(run) else []
    found = next((folder for folder in [*named, Path(run)] if run and folder.is_dir()), None)
    if found is None:
        there = sorted(
            path.parent.name for name in ("notebooks", "index.html") for path in paths.reports().glob(f"*/{name}")
        )
        names = list(dict.fromkeys(there))
        known = f"there are: {', '.join(names)}{near(run, names)}" if names else "there is none yet"
        raise ValueError(f"no run {run!r} in reports/, and no folder of that name: {known}")
    return found


def _asked(parsed: argparse.Namespace) -> tuple[dict[str, object], tuple[str, ...]]:
    """Parameters, and numbers of notebooks, that ``run`` is asked for."""
    from kit.run import notebooks, profiles

    if parsed.again is not None:
        if parsed.notebooks or parsed.parameters or parsed.profile != "smoke":
            raise ValueError(f"--again {parsed.again}: repeats all of that run: leave notebooks, --profile and -p away")
        return profiles.read(_folder(parsed.again))
    numbers = tuple(parsed.notebooks) or notebooks.STORY
    sources = [profiles.notebook(number) for number in numbers]
    return profiles.parameters_of(parsed.profile, dict(_pairs(parsed)), sources), numbers


def _run(parsed: argparse.Namespace) -> None:
    from kit.run import notebooks, profiles
    from kit.run.settings import Settings

    parameters, numbers = _asked(parsed)
    folder = notebooks.run(parameters, numbers, parsed.command, parsed.verbose)

    from kit.compare.results import table_text
    from kit.run import refreshing  # what these read would make a mistyped name wait
    from kit.show import report

    if parsed.pictures:
        refreshing.clean(folder)
    metrics = profiles.metrics_of(folder, Settings().changed(**parameters))
    if metrics:
        page = report.write_pages(folder)
        if parsed.pictures:
            report.write_pictures(folder)
        n_seeds = max(metrics["about"]["n_seeds"].values())
        say(f"\n{metrics['about']['test']}: mean ± standard deviation over {n_seeds} seed(s)")
        say(table_text(metrics["headline"]))
        say(f"\n{page}")
    else:
        left = [str(path) for path in sorted(folder.glob("[0-9]*-tables.md"))]
        say("\n" + "\n".join(left or [f"{folder / 'notebooks'} (executed; notebook 04 writes the table of results)"]))
    name = shlex.quote(folder.name)
    if metrics:
        say(f"look at it: python -m kit open {name}; beside another run: python -m kit report {name} RUN")
    say(f"the same again: python -m kit run --again {name}")


def _open(parsed: argparse.Namespace) -> None:
    import webbrowser

    page = _folder(parsed.run).resolve() / "index.html"
    if not page.is_file():
        raise ValueError(f"{page} is not there: notebook 04 writes the page of a run, and an audit does: give such a run")
    say(page)
    webbrowser.open(page.as_uri())


def _audit(parsed: argparse.Namespace) -> None:
    from kit.compare.results import table_text
    from kit.run.audits import audit
    from kit.show.report.folder import run_metrics

    asked = (parsed.tasks or ["atlas"], parsed.run, parsed.batch_size)
    prompts = (parsed.query_prompt, parsed.passage_prompt)
    for folder in audit(parsed.models, *asked, *prompts, parsed.trust_remote_code):
        metrics = run_metrics(folder)
        say(f"\n{metrics['about']['test']}")
        say(table_text(metrics["headline"]))
        say(f"\nlanguage bias\n{table_text(metrics['bias'])}")
        say(f"\n{folder / 'index.html'}")


def _report(parsed: argparse.Namespace) -> None:
    from kit.show import report

    if parsed.out is not None and len(parsed.runs) == 1:
        raise ValueError(f"--out {parsed.out}: one run is written in its own folder: give several runs, or leave --out away")
    folders = [_folder(run) for run in parsed.runs]
    page = report.again(folders[0]) if len(folders) == 1 else report.side_by_side(folders, parsed.out) / "index.html"
    say(page)


def _claims(parsed: argparse.Namespace) -> None:
    from collections import Counter

    from kit.run.studies import write

    found = write.gather(parsed.runs)
    counts = Counter(finding.verdict for finding in found)
    say(f"{len(found)} claims: " + ", ".join(f"{n} {verdict}" for verdict, n in sorted(counts.items())))


def _sweep(parsed: argparse.Namespace) -> None:
    import itertools

    from kit.run import pipeline, profiles

    grid: dict[str, list[str]] = {}
    for name, value in _pairs(parsed):
        grid.setdefault(name, []).append(value)
    choices = [dict(zip(grid, values)) for values in itertools.product(*grid.values())]
    tried = [profiles.settings_of(parsed.profile, choice) for choice in choices]
    scores = []
    for choice, settings in zip(choices, tried):
        scores.append(pipeline.recipe_score(settings))
        varied = " ".join(f"{name}={value}" for name, value in choice.items() if len(grid[name]) > 1)
        say(f"score {scores[-1]:.4f}  {varied}")
    best = max(range(len(scores)), key=scores.__getitem__)
    if len(choices) > 1:
        chosen = [f"-p {name}={value}" for name, value in choices[best].items() if len(grid[name]) > 1]
        say(" ".join(["best:", *chosen]))


def _bench(parsed: argparse.Namespace) -> None:
    from kit.data.registry import load_corpus
    from kit.show import report
    from kit.train import bench
    from kit.train.config import EncoderConfig

    dimension = EncoderConfig(name="tiny", dimension=parsed.dimension).dimension
    corpus = load_corpus(parsed.train)
    measured = bench.throughput(
        lambda: bench.xlmr_base_shaped(corpus, parsed.layers, dimension), corpus, parsed.updates, parsed.batch_size
    )
    say(", ".join(f"{name}: {value}" for name, value in report.machine().items()))
    say(f"kit    {measured.kit_rows_per_s:,.0f} rows/s, peak GPU memory {measured.kit_memory_gib:.1f} GiB")
    say(f"stock  {measured.stock_rows_per_s:,.0f} rows/s")


def _refresh(parsed: argparse.Namespace) -> None:
    from kit.run import refreshing

    refreshing.refresh(tuple(parsed.notebooks))
