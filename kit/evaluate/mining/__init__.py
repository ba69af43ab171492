"""Bitext mining: which sentences of two languages are translations of each other, and how well that is found (NumPy only).

``mine`` lists pairs with their margin scores, ``best_threshold`` says where to cut the list, ``score`` compares what is left
with the gold as BUCC does. ``tatoeba`` asks only whether the nearest neighbour is the translation. ``mine_task`` does
all of it with one model and one task.
"""

from __future__ import annotations

from kit.evaluate.mining.margins import DIRECTIONS, MARGINS, MinedPairs, margin_scores, mine, mine_neighbourhood
from kit.evaluate.mining.mined import ACCURACY, MEASURES, NEAREST, WAYS, Mined, contributions, mine_task
from kit.evaluate.mining.neighbours import Neighbourhood, encode_bitext, neighbourhood
from kit.evaluate.mining.scores import MiningScore, Outcomes, best_threshold, score, tatoeba

__all__ = [
    "ACCURACY",
    "DIRECTIONS",
    "MARGINS",
    "MEASURES",
    "NEAREST",
    "WAYS",
    "Mined",
    "MinedPairs",
    "MiningScore",
    "Neighbourhood",
    "Outcomes",
    "best_threshold",
    "contributions",
    "encode_bitext",
    "margin_scores",
    "mine",
    "mine_neighbourhood",
    "mine_task",
    "neighbourhood",
    "score",
    "tatoeba",
]
