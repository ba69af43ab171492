"""``python -m kit``: the command line. Heavy libraries are imported by the command that needs them, so --help is instant."""

from __future__ import annotations

import argparse
import os
import re
import select
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import kit
from kit.core.printing import near, say, spell_out, visible
from kit.run.app import serving
from kit.run.cli import corpora, data, doing, export, models, negatives, sweeping, translating
from kit.run.cli.arguments import add_engine_options, add_model_options, add_settings, at_least, listed

SCRIPT = "hybrid-batch-kit"
"""Name of the command that is installed beside ``python -m kit``."""


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns the exit status: 0, or 1 for a problem that was reported in a line or two."""
    for stream in (sys.stdout, sys.stderr):
        spell_out(stream)
    arguments = sys.argv[1:] if arguments is None else arguments
    parsed = parsed_by(parser(SCRIPT if Path(sys.argv[0]).name == SCRIPT else "python -m kit"), arguments)
    parsed.command = shlex.join(["python", "-m", "kit", *arguments])
    try:
        parsed.function(parsed)
    except BrokenPipeError as error:
        if _somebody_reads():
            say(f"kit: {error}", sys.stderr)  # the pipe is one to a process, or a hub
            return 1
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 141  # as a command that the signal ends
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


def _somebody_reads() -> bool:
    """Whether the output still goes somewhere; in ``kit … | head`` it may not."""
    poll = select.poll()
    poll.register(1, 0)
    return not any(event & select.POLLERR for _, event in poll.poll(0))


class _Parser(argparse.ArgumentParser):
    """A parser whose complaints show what was typed and do not carry it out."""

    def error(self, message: str) -> NoReturn:
        choice = re.search(r"invalid choice: '(.*)' \(choose from (.*)\)$", message)
        meant = near(choice[1], re.findall(r"[\w-]+", choice[2])) if choice else ""
        super().error(visible(message) + meant)


def parsed_by(whole: argparse.ArgumentParser, arguments: Sequence[str]) -> argparse.Namespace:
    """What a command line asks for; the parser of the command itself complains of an option that it does not have."""
    parsed, unknown = whole.parse_known_args(arguments)
    if unknown:
        commands = next(action for action in whole._actions if isinstance(action, argparse._SubParsersAction))
        of_it = commands.choices[parsed.asked]
        known = [option for action in of_it._actions for option in action.option_strings]
        of_it.error(f"unrecognized arguments: {' '.join(unknown)}{near(unknown[0], known)}")
    return parsed


def parser(name: str) -> argparse.ArgumentParser:
    """What understands a command line that begins with ``name``."""
    whole = _Parser(prog=name, description="Hybrid batch training for multilingual dense retrieval.")
    whole.add_argument("--version", action="version", version=f"{SCRIPT} {kit.__version__}")
    commands = whole.add_subparsers(required=True, metavar="COMMAND", dest="asked")
    for add in (
        _add_run,
        _add_train,
        _add_audit,
        serving.add,
        _add_judge,
        corpora.add,
        _add_mend,
        models.add,
        export.add,
        negatives.add,
        _add_report,
        _add_open,
        _add_claims,
        sweeping.add,
        _add_bench,
        _add_refresh,
        _add_cache,
        data.add,
        translating.add,
        _add_completion,
    ):
        add(commands)
    return whole


def _add_run(commands: argparse._SubParsersAction) -> None:
    run = commands.add_parser(
        "run",
        help="execute the notebooks headless and print the table of results",
        description="Execute the numbered notebooks with papermill into reports/<run>/, print the table of "
        "results. A run that was interrupted goes on after its last finished step. What was asked for is kept in "
        "reports/<run>/params.yaml. To look at a run: open. To compare several: report RUN RUN.",
    )
    run.add_argument("notebooks", nargs="*", metavar="NN", help="numbers of notebooks (default: 00 to 04)")
    add_settings(run, "change one parameter; lists are written a,b; may be repeated")
    run.add_argument(
        "--again", metavar="RUN", help="what that run's params.yaml says: a name in reports/, or a folder's path"
    )
    run.add_argument("--verbose", action="store_true", help="print all that the notebooks print, not just its last line")
    run.add_argument(
        "--pictures",
        action="store_true",
        help="also draw the figures as PNG, in the notebooks, too (needs Chrome or Chromium)",
    )
    add_engine_options(run)
    run.set_defaults(function=doing.do_run)


def _add_train(commands: argparse._SubParsersAction) -> None:
    train = commands.add_parser(
        "train",
        help="train models without notebooks, on several devices if need be",
        description="Train the models of notebook 03 that are not in the cache yet; 'run' then finds them there. A training "
        "that was interrupted goes on from its last whole checkpoint, on any number of devices.",
    )
    add_settings(train, "change one parameter; lists are written a,b; may be repeated")
    shared = "GPUs, or without any processes, that share each training (default: 1); batch_size is that of all together"
    train.add_argument("--devices", type=at_least(1), default=1, metavar="N", help=shared)
    add_engine_options(train)
    train.set_defaults(function=doing.do_train)


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
    only = "only these, such as de,en,th: a first look at a part"
    audit.add_argument("--languages", type=listed, default=(), metavar="TAGS", help=only)
    few = "only so many questions, their answers and twice as many other candidates: a first look at a sample"
    audit.add_argument("--limit", type=at_least(1), default=0, metavar="N", help=few)
    add_model_options(audit)
    audit.set_defaults(function=doing.do_audit)


def _add_judge(commands: argparse._SubParsersAction) -> None:
    judge = commands.add_parser(
        "judge",
        help="nDCG@10 and R@100 on judged collections of any size, such as MIRACL and BEIR",
        description="Encode corpora of millions of passages into shards under data/cache, search them exactly in bounded "
        "memory, print the scores by language as published, write reports/<run>/ with run files in TREC's form. What was "
        "interrupted goes on.",
    )
    judge.add_argument("models", nargs="+", metavar="MODEL", help="name on the hub, or folder; LABEL=MODEL names it")
    tasks = "miracl:<folder>, such as miracl:data/miracl?languages=sw,yo, or beir:<folder>; may be repeated"
    judge.add_argument("--task", dest="tasks", action="append", required=True, metavar="SOURCE", help=tasks)
    judge.add_argument("--run", default="judge", help="name of the folder in reports/ (default: judge)")
    half = "keep embeddings of passages in float16: half the room on disk"
    judge.add_argument("--float16", action="store_true", help=half)
    add_model_options(judge)
    judge.set_defaults(function=doing.do_judge)


def _add_mend(commands: argparse._SubParsersAction) -> None:
    mend = commands.add_parser(
        "mend",
        help="lessen the language bias of a model with your own parallel questions",
        description="Fit remedies on a part of the questions, judge them on the rest, recommend the simplest that gains for "
        "certain, and write it and the report into reports/<run>. A model that needs no mending is told so.",
    )
    mend.add_argument("model", metavar="MODEL", help="name on the hub, folder, or embeddings:<folder>")
    rows = "a file of parallel questions or sentences (docs/own-model.md), or a source such as lareqa:<folder>"
    mend.add_argument("--parallel", required=True, metavar="FILE", help=rows)
    tried = "centring, removal or head; may be repeated (default: all three)"
    mend.add_argument("--method", dest="methods", action="append", metavar="METHOD", help=tried)
    mend.add_argument("--run", default="mend", help="name of the report's folder (default: mend)")
    add_model_options(mend)
    mend.set_defaults(function=doing.do_mend)


def _add_report(commands: argparse._SubParsersAction) -> None:
    report = commands.add_parser(
        "report",
        help="write the report of a run again, or of several runs side by side",
        description="One run: draw its figures and write its page again, from its scores per query. Several runs on one "
        "task: a report with the models of all of them in reports/<run>-and-<run>/, compared with the first.",
    )
    report.add_argument("runs", nargs="+", metavar="RUN", help="name of a folder in reports/, or path of a run's folder")
    report.add_argument("--out", metavar="NAME", help="name of the folder in reports/ for several runs")
    lists = "also write the first candidates of every query into runs/ of the run's folder, in TREC's form"
    report.add_argument("--trec", action="store_true", help=lists)
    report.set_defaults(function=doing.do_report)


def _add_open(commands: argparse._SubParsersAction) -> None:
    opened = commands.add_parser(
        "open",
        help="show the report of a run in the browser",
        description="Print the path of a run's report and open it in the browser, if there is one.",
    )
    opened.add_argument("run", metavar="RUN", help="name of a folder in reports/, or path of a run's folder")
    opened.set_defaults(function=doing.do_open)


def _add_claims(commands: argparse._SubParsersAction) -> None:
    claims = commands.add_parser(
        "claims",
        help="put the findings of several runs in one table",
        description="Gather what the studies and the training runs found, claim by claim, into reports/claims.md, "
        "reports/claims.json and the table in docs/claims.md.",
    )
    claims.add_argument("runs", nargs="+", metavar="RUN", help="names of folders in reports/, such as cpu ratio-real")
    claims.set_defaults(function=doing.do_claims)


def _add_bench(commands: argparse._SubParsersAction) -> None:
    bench = commands.add_parser(
        "bench",
        help="measure training throughput against the stock trainer",
        description="Train an encoder, by default of XLM-R base's shape with random weights, with this kit's trainer and "
        "with the stock one of sentence-transformers, in turns, on the same rows and in the same precision; print rows a "
        "second and their ratio.",
    )
    bench.add_argument("--train", default="atlas", metavar="SOURCE", help="training data (default: atlas)")
    bench.add_argument("--updates", type=at_least(1), default=50, help="of each turn (default: 50)")
    bench.add_argument("--rounds", type=at_least(1), default=3, help="turns of each trainer (default: 3)")
    bench.add_argument("--batch-size", type=at_least(2), default=100)
    bench.add_argument("--encoder", default="", metavar="MODEL", help="a model of the hub or a folder, not random weights")
    bench.add_argument("--trim", action="store_true", help="keep only the tokens of the training data of that model")
    bench.add_argument("--shape", choices=("xlmr", "labse"), default="xlmr", help="of random weights (default: xlmr)")
    bench.add_argument("--layers", type=at_least(1), default=12, help="of random weights; fewer for a CPU (default: 12)")
    bench.add_argument("--dimension", type=at_least(1), default=768, help="the same (default: 768)")
    bench.add_argument("--pass-tokens", type=at_least(0), default=0, metavar="N", help="the kit's setting pass_tokens")
    bench.add_argument("--attention", default="", metavar="NAME", help="the kit's setting attention")
    bench.add_argument("--compile", action="store_true", help="the kit's setting compile")
    bench.set_defaults(function=doing.do_bench)


def _add_refresh(commands: argparse._SubParsersAction) -> None:
    refresh = commands.add_parser(
        "refresh",
        help="execute the notebooks with their defaults and store the outputs, with pictures",
        description="Execute the notebooks in place with their default parameters, strip what differs "
        "between machines, and add a static picture to each figure (needs kaleido and Chrome or Chromium).",
    )
    refresh.add_argument("notebooks", nargs="*", metavar="NN", help="numbers of notebooks (default: all)")
    refresh.set_defaults(function=doing.do_refresh)


def _add_cache(commands: argparse._SubParsersAction) -> None:
    cache = commands.add_parser(
        "cache",
        help="what is kept of earlier runs, and its removal",
        description="Show what data/cache holds: trained models, evaluations, embeddings. All of it can be made again.",
    )
    steps = cache.add_subparsers(required=True, metavar="list | clear")
    listing = steps.add_parser("list", help="sizes by kind, and the embeddings by model", description="Show what is kept.")
    listing.set_defaults(function=doing.do_cache_list)
    clear = steps.add_parser("clear", help="take it away", description="Take kept things away.")
    clear.add_argument("kinds", nargs="*", metavar="KIND", help="such as embeddings (default: all)")
    clear.set_defaults(function=doing.do_cache_clear)


def _add_completion(commands: argparse._SubParsersAction) -> None:
    command = commands.add_parser(
        "completion",
        help="print what completes commands and options in a shell",
        description='Print a script by which a shell completes the command hybrid-batch-kit: eval "$(hybrid-batch-kit '
        'completion bash)".',
    )
    command.add_argument("shell", choices=("bash", "zsh", "tcsh"))
    command.set_defaults(function=_print_completion)


def _print_completion(parsed: argparse.Namespace) -> None:
    import shtab

    say(shtab.complete(parser(SCRIPT), parsed.shell))
