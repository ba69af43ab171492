"""Hard negatives mined with sentence-transformers' miner, of which none answers the question, in any wording or language."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING

import pyarrow as pa

from kit.core.configs import whole_number
from kit.core.printing import say
from kit.data.clusters import question_numbers
from kit.data.corpus import ParallelCorpus
from kit.train.encoders.loading import quiet

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_AT_A_TIME = 256
"""Queries whose scores are held in memory at a time."""


def mine_negatives(
    model: SentenceTransformer,
    corpus: ParallelCorpus,
    n_negatives: int,
    margin: float = 0.05,
    log: Callable[[str], None] = say,
) -> ParallelCorpus:
    """A corpus whose rows have as ``negatives`` the passages of their language that a model finds most like the query.

    Left out are all passages that answer the row's question: those of its cluster, and of the other clusters that do, as the
    loss leaves them out of a batch (``kit.train.pairs.PairDataset``). What the set does not know to be an answer may be one
    all the same: ``margin`` keeps away from it. ``sentence_transformers.util.mine_hard_negatives`` does the work.

    Args:
        model: encodes queries and passages with its own prompts.
        corpus: the rows; earlier ``negatives`` are replaced.
        n_negatives: of a row, the most similar ones first; rows for which there are fewer keep those.
        margin: a negative's similarity is below that of the passage by at least this share of it, in [0, 1]; of several
            passages the least similar one counts.
        log: takes a line where rows have fewer.

    Raises:
        ValueError: ``n_negatives`` below 1, or a margin out of range.
    """
    whole_number("n_negatives", n_negatives, 1)
    if not 0 <= margin <= 1:
        raise ValueError(f"margin {margin} is not between 0 and 1: use 0.05, or 0 for none")
    rows, question = corpus.table.to_pylist(), question_numbers(corpus.table)
    number_of = dict(zip(corpus.group_ids, question.tolist()))
    clusters, passages = defaultdict[int, set[str]](set), defaultdict[tuple[str, str], dict[str, None]](dict)
    for row in rows:
        clusters[number_of[row["group_id"]]].add(row["cluster_id"])
        passages[row["language"], row["cluster_id"]][row["passage"]] = None
    mined: list[list[str]] = [[] for _ in rows]
    for language in corpus.languages:
        places = [place for place, row in enumerate(rows) if row["language"] == language]
        answers: dict[str, dict[str, None]] = {}
        for place in places:
            known = answers.setdefault(rows[place]["query"], {})
            for cluster in sorted(clusters[number_of[rows[place]["group_id"]]]):
                known.update(passages[language, cluster])
        found = _mine(model, answers, list(dict.fromkeys(rows[place]["passage"] for place in places)), n_negatives, margin)
        for place in places:
            mined[place] = found.get(rows[place]["query"], [])
    short = sum(len(negatives) < n_negatives for negatives in mined)
    if short:
        log(f"{short:,} of {len(rows):,} rows have fewer than {n_negatives} negatives: a smaller margin finds more")
    place = corpus.table.schema.get_field_index("negatives")
    column = pa.array(mined, corpus.table.schema.field(place).type)
    return ParallelCorpus(corpus.table.set_column(place, "negatives", column), corpus.name)


def _mine(
    model: SentenceTransformer, answers: dict[str, dict[str, None]], passages: list[str], n_negatives: int, margin: float
) -> dict[str, list[str]]:
    """Negatives by query, out of the passages of one language."""
    import datasets
    from sentence_transformers.util import mine_hard_negatives

    pairs = [(query, passage) for query, known in answers.items() for passage in known]
    columns = {"query": [query for query, _ in pairs], "passage": [passage for _, passage in pairs]}
    with quiet():
        lists = mine_hard_negatives(
            datasets.Dataset.from_dict(columns),
            model,
            anchor_column_name="query",
            positive_column_name="passage",
            corpus=passages,
            relative_margin=margin or None,
            num_negatives=n_negatives,
            range_max=min(len(passages), 10 * n_negatives + max(map(len, answers.values()))),
            output_format="labeled-list",
            faiss_batch_size=_AT_A_TIME,
            verbose=False,
        )
    return {row["query"]: row["passage"][1:] for row in lists.to_list()}
