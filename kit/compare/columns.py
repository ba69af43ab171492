"""What the columns of tables are called, and which number of an evaluation stands in each."""

from __future__ import annotations

from typing import NamedTuple

from kit.evaluate.bias.measures import PANEL


class Where(NamedTuple):
    """Which number of an evaluation: a setting (of mining tasks: a way to mine) and a measure in it."""

    setting: str
    measure: str


HEADLINE = {
    "mono mAP": Where("monolingual", "average_precision"),
    "cross mAP": Where("cross-lingual", "average_precision"),
    "multi mAP": Where("multilingual", "average_precision"),
    "mono R@1": Where("monolingual", "recall_at_1"),
    "cross R@1": Where("cross-lingual", "recall_at_1"),
    "multi R@10": Where("multilingual", "recall_at_10"),
    "rank distance": Where("multilingual", "rank_distance"),
}
"""Columns of the paper's tables."""

BIAS_COLUMNS = {measure.label: Where("multilingual", measure.column) for measure in PANEL}
"""Columns of the bias panel, in its order; rank distance, its first, also closes the headline."""

NDCG = Where("monolingual", "ndcg_at_10")

COLUMNS = HEADLINE | BIAS_COLUMNS | {"mono nDCG@10": NDCG, "nDCG@10": NDCG}  # the last where a task has one language
"""All of them, and what tests that others made are judged by."""

LOWER_IS_BETTER = frozenset(measure.column for measure in PANEL if measure.fair == "low")
"""Measures of which a lower value is the better one."""

RANGES = {measure.column: (measure.low, measure.high) for measure in PANEL}
"""Ends of the range of each measure of the panel; all others lie between 0 and 1."""

DIGITS = {name: 3 for name in HEADLINE} | {measure.label: measure.digits for measure in PANEL}
"""Digits after the point in a printed table."""
