"""Bitext mining: which sentences of two languages are translations of each other, and how well that is found (NumPy only).

``mine`` lists pairs with their margin scores, ``best_threshold`` says where to cut the list, ``score`` compares what is left
with the gold as BUCC does. ``tatoeba`` asks only whether the nearest neighbour is the translation. ``mine_task`` does
all of it with one model and one task, and ``MiningResults`` puts several of both side by side.
"""

from __future__ import annotations

from kit.mining.compared import ACCURACY, MEASURES, NEAREST, WAYS, Mined, MiningResults, contributions, mine_task
from kit.mining.margins import DIRECTIONS, MARGINS, MinedPairs, margin_scores, mine, mine_neighbourhood
from kit.mining.neighbours import Neighbourhood, encode_bitext, neighbourhood
from kit.mining.scores import MiningScore, Outcomes, best_threshold, intervals, score, tatoeba

__all__ = [
    "ACCURACY",
    "DIRECTIONS",
    "MARGINS",
    "MEASURES",
    "NEAREST",
    "WAYS",
    "Mined",
    "MinedPairs",
    "MiningResults",
    "MiningScore",
    "Neighbourhood",
    "Outcomes",
    "best_threshold",
    "contributions",
    "encode_bitext",
    "intervals",
    "margin_scores",
    "mine",
    "mine_neighbourhood",
    "mine_task",
    "neighbourhood",
    "score",
    "tatoeba",
]
