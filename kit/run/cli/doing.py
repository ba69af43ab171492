"""What each command of ``python -m kit`` does; heavy libraries are imported by the command that needs them."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from kit.core.printing import near, say
from kit.run.cli.arguments import engine_of, pairs_of

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from sentence_transformers import SentenceTransformer


def run_folder(run: str) -> Path:
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


def asked_of(parsed: argparse.Namespace) -> tuple[dict[str, object], tuple[str, ...]]:
    """Parameters, and numbers of notebooks, that ``run`` is asked for."""
    from kit.run import notebooks, profiles

    if parsed.again is not None:
        if parsed.notebooks or parsed.parameters or parsed.profile != "smoke":
            raise ValueError(f"--again {parsed.again}: repeats all of that run: leave notebooks, --profile and -p away")
        return profiles.read(run_folder(parsed.again))
    numbers = tuple(parsed.notebooks) or notebooks.STORY
    sources = [profiles.notebook(number) for number in numbers]
    return profiles.parameters_of(parsed.profile, dict(pairs_of(parsed)), sources), numbers


def do_run(parsed: argparse.Namespace) -> None:
    """Execute notebooks."""
    from kit.core.engines.engine import choose
    from kit.run import notebooks, profiles
    from kit.run.settings import Settings

    parameters, numbers = asked_of(parsed)
    with choose(engine_of(parsed)):
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
        over = f"mean ± standard deviation over {n_seeds} seeds" if n_seeds > 1 else "one seed"
        say(f"\n{metrics['about']['test']}: {over}")
        say(table_text(metrics["headline"]))
        say(f"\n{page}")
    else:
        left = [str(path) for path in sorted(folder.glob("[0-9]*-tables.md"))]
        say("\n" + "\n".join(left or [f"{folder / 'notebooks'} (executed; notebook 04 writes the table of results)"]))
    _keep_models(parameters, numbers)
    name = shlex.quote(folder.name)
    if metrics:
        say(f"look at it: python -m kit open {name}; beside another run: python -m kit report {name} RUN")
    say(f"the same again: python -m kit run --again {name}")


def _keep_models(parameters: dict[str, object], numbers: tuple[str, ...]) -> None:
    """Put the models of the notebooks that train and evaluate beside their tables."""
    from kit.run import profiles
    from kit.run.models.keeping import keep_models

    sources = [profiles.notebook(number) for number in numbers]
    training = next((source for source in sources if source.name[:2] in ("03", "04")), None)
    if training:
        say(f"the models: {keep_models(profiles.notebook_settings(training, parameters))}")


def do_train(parsed: argparse.Namespace) -> None:
    """Train models."""
    from kit.run.cli import training

    training.train(parsed.profile, dict(pairs_of(parsed)), parsed.devices, parsed.command, engine_of(parsed))


def do_open(parsed: argparse.Namespace) -> None:
    """Show the page of a run."""
    import webbrowser

    page = run_folder(parsed.run).resolve() / "index.html"
    if not page.is_file():
        tables = ", ".join(str(path) for path in sorted(page.parent.glob("[0-9]*-tables.md")))
        left = f"; what a study left there: {tables}" if tables else ": give such a run"
        raise ValueError(f"{page} is not there: notebook 04 writes the page of a run, and an audit does{left}")
    say(page)
    webbrowser.open(page.as_uri())


def do_audit(parsed: argparse.Namespace) -> None:
    """Judge models as they are."""
    from kit.compare.results import table_text
    from kit.run.audits import audit
    from kit.show.report.folder import run_metrics

    asked = (parsed.tasks or ["atlas"], parsed.run, parsed.query_prompt, parsed.passage_prompt, parsed.trust_remote_code)
    for folder in audit(parsed.models, *asked, parsed.languages, parsed.limit):
        metrics = run_metrics(folder)
        say(f"\n{metrics['about']['test']}")
        say(table_text(metrics["headline"]))
        say(f"\nlanguage bias\n{table_text(metrics['bias'])}")
        say(f"\n{folder / 'index.html'}")


def do_judge(parsed: argparse.Namespace) -> None:
    """Judge models on collections of any size."""
    from kit.compare.stats import legend
    from kit.run.judging.judge import judge

    precision = "float16" if parsed.float16 else "float32"
    asked = (parsed.run, parsed.query_prompt, parsed.passage_prompt, parsed.trust_remote_code, precision)
    folder, table = judge(parsed.models, parsed.tasks, *asked)
    say(f"\n{table!r}")
    if "†" in repr(table):
        say(f"\n{legend(repr(table))}")
    say(f"\n{folder}")


def do_mend(parsed: argparse.Namespace) -> None:
    """Lessen the language bias of a model."""
    from kit.compare.results import table_text
    from kit.run.mending import METHODS, NONE, mend
    from kit.show.report.folder import run_metrics

    methods, prompts = tuple(parsed.methods or METHODS), (parsed.query_prompt, parsed.passage_prompt)
    mended = mend(parsed.model, parsed.parallel, methods, parsed.run, parsed.trust_remote_code, *prompts)
    metrics = run_metrics(mended.folder)
    say(f"\n{metrics['about']['test']}")
    say(table_text(metrics["headline"]))
    say(f"\nlanguage bias\n{table_text(metrics['bias'])}")
    good = "needs no mending" if mended.recommended == NONE else f"recommended: {mended.recommended}"
    say(f"\n{parsed.model}: {good}: {mended.reason}")
    say("\n".join(str(path) for path in (mended.model, mended.folder / "index.html") if path))


def do_report(parsed: argparse.Namespace) -> None:
    """Write the report of a run again, or of several side by side."""
    from kit.show import report

    if parsed.out is not None and len(parsed.runs) == 1:
        raise ValueError(f"--out {parsed.out}: one run is written in its own folder: give several runs, or leave --out away")
    folders = [run_folder(run) for run in parsed.runs]
    page = report.again(folders[0]) if len(folders) == 1 else report.side_by_side(folders, parsed.out) / "index.html"
    for path in [page, *(report.run_lists(page.parent) if parsed.trec else ())]:
        say(path)


def do_claims(parsed: argparse.Namespace) -> None:
    """Judge every claim on kept runs."""
    from collections import Counter

    from kit.run.studies import write

    found = write.gather(parsed.runs)
    counts = Counter(finding.verdict for finding in found)
    say(f"{len(found)} claims: " + ", ".join(f"{n} {verdict}" for verdict, n in sorted(counts.items())))


def do_bench(parsed: argparse.Namespace) -> None:
    """Measure the speed of training."""
    from kit.data.registry import load_corpus
    from kit.show import report
    from kit.train import bench
    from kit.train.config import EncoderConfig
    from kit.train.encoders.making import make_encoder

    dimension = EncoderConfig(name="tiny", dimension=parsed.dimension).dimension
    corpus = load_corpus(parsed.train)

    def make() -> SentenceTransformer:
        if not parsed.encoder:
            return bench.shaped(corpus, parsed.shape, parsed.layers, dimension)
        texts = [text for side in ("query", "passage") for text in corpus.table.column(side).to_pylist()]
        return make_encoder(EncoderConfig(name=parsed.encoder, trim_vocabulary=parsed.trim), texts, seed=0)

    how = {"pass_tokens": parsed.pass_tokens, "attention": parsed.attention, "compile": parsed.compile}
    measured = bench.throughput(make, corpus, parsed.updates, parsed.batch_size, parsed.rounds, **how)
    say(", ".join(f"{name}: {value}" for name, value in report.machine().items()))
    say(str(measured))


def do_refresh(parsed: argparse.Namespace) -> None:
    """Execute the notebooks in place."""
    from kit.run import refreshing

    refreshing.refresh(tuple(parsed.notebooks))


def do_cache_list(parsed: argparse.Namespace) -> None:
    """Show what the cache holds."""
    from kit.run.cli import cache

    cache.show()


def do_cache_clear(parsed: argparse.Namespace) -> None:
    """Take what the cache holds away."""
    from kit.run.cli import cache

    cache.clear(parsed.kinds)
