"""Hard negatives for a corpus, from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kit.core.printing import say

if TYPE_CHECKING:
    import argparse


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command to those of the command line."""
    command = commands.add_parser(
        "negatives",
        help="mine hard negatives for a corpus, with any model",
        description="Write a training corpus with hard negatives: passages of the row's language that the model finds most "
        "like the query, and that answer it nowhere in the corpus. Train on them with -p hard_negatives=N.",
    )
    command.add_argument("source", metavar="SOURCE", help="training data, such as jsonl:data/mine.jsonl")
    command.add_argument("model", metavar="MODEL", help="name on the hub, or folder")
    command.add_argument("file", metavar="FILE", help="to write, .jsonl or .parquet; not there yet")
    command.add_argument("-n", type=int, default=4, help="negatives of a row (default: 4)")
    less = "share by which a negative is less like the query than the passage is (default: 0.05)"
    command.add_argument("--margin", type=float, default=0.05, help=less)
    command.set_defaults(function=do_negatives)


def do_negatives(parsed: argparse.Namespace) -> None:
    """Mine hard negatives."""
    from kit.data.registry import load_corpus
    from kit.train.encoders.loading import load_encoder
    from kit.train.negatives.mining import mine_negatives

    file = Path(parsed.file)
    if file.exists():
        raise ValueError(f"{file} is there already: choose another name, or take it away first")
    mine_negatives(load_encoder(parsed.model), load_corpus(parsed.source), parsed.n, parsed.margin).write(file)
    say(f"{file}: train on it with -p train=jsonl:{file} -p hard_negatives={parsed.n}")
