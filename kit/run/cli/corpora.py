"""``python -m kit encode`` and ``python -m kit search``: corpora of any size, in shards on disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kit.core.printing import say
from kit.run.cli.arguments import add_engine_options, add_model_options, at_least, engine_of

if TYPE_CHECKING:
    import argparse


def add(commands: argparse._SubParsersAction) -> None:
    """Add the commands to those of the command line."""
    encode = commands.add_parser(
        "encode",
        help="a corpus of any size into shards of embeddings on disk",
        description="Encode the passages of a source, language by language, into shards with checksums. The same command, "
        "typed again while it runs, here or on another machine that shares the folder, takes part; killed, it goes on.",
    )
    passages = "candidates of a task, such as lareqa:<folder>; read as a stream: hub:<set>, miracl:<folder>, beir:<folder>"
    encode.add_argument("source", metavar="CORPUS", help=passages)
    encode.add_argument("model", metavar="MODEL", help="name on the hub, or folder; LABEL=MODEL names it")
    encode.add_argument("folder", type=Path, metavar="OUT", help="to fill")
    n_shards = "of each language, each held by one process at a time and then in memory (default: of 16,384 passages each)"
    encode.add_argument("--shards", type=at_least(1), default=0, metavar="N", help=n_shards)
    encode.add_argument("--float16", action="store_true", help="keep embeddings in float16: half the room on disk")
    jobs = "that share the work, each with the model in memory (default: one for each GPU of this machine, or one)"
    encode.add_argument("--jobs", type=at_least(1), default=0, metavar="N", help=jobs)
    add_model_options(encode)
    add_engine_options(encode, stores=False)  # shards go into a folder that the machines share
    encode.set_defaults(function=do_encode)
    search = commands.add_parser(
        "search",
        help="a task over such shards: the three settings and the bias panel, exact for millions of passages",
        description="Ask the questions of a task against all passages of some folders that 'encode' filled, in bounded "
        "memory, and write reports/<run>-<task>/index.html. Ranks are exact down to the last place.",
    )
    task = "such as lareqa:<folder>, whose candidates are among the passages"
    search.add_argument("source", metavar="TASK", help=task)
    search.add_argument("model", metavar="MODEL", help="that encoded the passages")
    search.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="that 'encode' filled; one pool of all")
    search.add_argument("--run", default="search", help="start of the report's folder (default: search)")
    whole = "questions whose whole lists are compared, each a pass over all passages (default: %(default)s)"
    search.add_argument("--agreement", type=at_least(0), default=20, metavar="N", help=whole)
    quick = "by faiss: quicker, and its recall and error in rank distance are told"
    search.add_argument("--approximate", action="store_true", help=quick)
    add_model_options(search)
    search.set_defaults(function=do_search)


def do_encode(parsed: argparse.Namespace) -> None:
    """Encode a corpus."""
    from kit.core.engines.engine import choose
    from kit.core.paths import root
    from kit.run.corpora.encoding import encode_source

    precision, prompts = "float16" if parsed.float16 else "float32", (parsed.query_prompt, parsed.passage_prompt)
    asked = parsed.source, parsed.model, root() / parsed.folder, parsed.shards, precision, prompts, parsed.trust_remote_code
    with choose(engine_of(parsed)):
        counts = encode_source(*asked, n_jobs=parsed.jobs)
    for language, one in counts.items():
        empty = f", {one.n_empty:,} without text left out" if one.n_empty else ""
        say(f"{language}: {one.n_passages:,} passages in {one.n_shards:,} shards{empty}")
    say(f"{parsed.folder}: ask it: python -m kit search TASK {parsed.model} {parsed.folder}")


def do_search(parsed: argparse.Namespace) -> None:
    """Search a corpus."""
    from kit.compare.results import table_text
    from kit.core.paths import root
    from kit.run.corpora.searching import search_source
    from kit.show.report.folder import run_metrics

    prompts = (parsed.query_prompt, parsed.passage_prompt)
    asked = (parsed.run, parsed.agreement, prompts, parsed.trust_remote_code, parsed.approximate)
    folders = [root() / folder for folder in parsed.folders]
    folder = search_source(parsed.source, parsed.model, folders, *asked)
    metrics = run_metrics(folder)
    say(f"\n{metrics['about']['test']}, {metrics['about']['n_candidates']:,} passages")
    say(table_text(metrics["headline"]))
    say(f"\nlanguage bias\n{table_text(metrics['bias'])}")
    say(f"\n{folder / 'index.html'}")
