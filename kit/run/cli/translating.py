"""``python -m kit translate``: a corpus in other languages, for training data that nobody has in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kit.core.printing import say
from kit.run.cli.arguments import at_least, listed

if TYPE_CHECKING:
    import argparse

NLLB = "facebook/nllb-200-distilled-600M"
"""What translates unless another model is named; its licence: CC BY-NC."""


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command to those of the command line."""
    translate = commands.add_parser(
        "translate",
        help="translate a corpus into other languages, each text once, and write it as one file",
        description="Translate queries, passages and hard negatives of a corpus in one language. Translations are kept by "
        "content in data/cache/translators, so that an interrupted run goes on where it stopped and no text is translated "
        "twice by one model.",
    )
    translate.add_argument("source", metavar="SOURCE", help="training data in one language, such as jsonl:data/nq.jsonl")
    translate.add_argument("--to", required=True, type=listed, metavar="TAGS", help="such as ar,zh,de")
    translate.add_argument(
        "--out", required=True, metavar="FILE", help=".jsonl or .jsonl.gz, in the project's folder, which jsonl:FILE reads"
    )
    model = "encoder-decoder of the hub, or its folder (default: %(default)s, which is not for commercial use)"
    translate.add_argument("--translator", default=NLLB, metavar="MODEL", help=model)
    batch = "texts at a time (default: %(default)s; more on a GPU)"
    translate.add_argument("--batch-size", type=at_least(1), default=16, metavar="N", help=batch)
    piece = "longest piece of a text, in tokens; longer texts are cut at sentence ends (default: %(default)s)"
    translate.add_argument("--max-tokens", type=at_least(8), default=256, metavar="N", help=piece)
    translate.set_defaults(function=do)


def do(parsed: argparse.Namespace) -> None:
    """Translate a corpus."""
    from kit.augment.groups import source_language
    from kit.augment.huggingface import HuggingFaceTranslator
    from kit.augment.translating import translate_corpus
    from kit.augment.translator import CachedTranslator
    from kit.core.languages import language_tag
    from kit.core.paths import cache, root
    from kit.data.registry import load_corpus

    corpus, targets = load_corpus(parsed.source), [language_tag(code) for code in parsed.to]
    source_language(corpus, targets)  # what is asked wrongly need not wait for a model
    model = HuggingFaceTranslator(parsed.translator, parsed.batch_size, parsed.max_tokens)
    n_rows = translate_corpus(corpus, CachedTranslator(model, cache() / "translators"), targets, root() / parsed.out)
    say(f"{parsed.out}: {n_rows:,} rows; train on it: -p train=jsonl:{parsed.out}")
