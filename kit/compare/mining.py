"""What several models mine, side by side: scores with intervals in groups of tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from kit.compare.columns import Where
from kit.compare.stats import Interval, confidence_interval, macro_mean
from kit.evaluate.mining.mined import Mined


class MiningResults:
    """What several models mine in several tasks, training seed by training seed.

    Args:
        mined: task -> model -> one ``Mined`` a seed; the same models and numbers of seeds in all tasks.

    Raises:
        ValueError: no task or no model; models or numbers of seeds that differ between tasks, or sentences between models.
    """

    def __init__(self, mined: Mapping[str, Mapping[str, Sequence[Mined]]]) -> None:
        seeds = [{model: len(runs) for model, runs in models.items()} for models in mined.values()]
        if not seeds or not seeds[0] or any(found != seeds[0] for found in seeds) or not all(seeds[0].values()):
            raise ValueError(f"mined has {seeds}, numbers of seeds by model: give the same models and seeds for every task")
        for task, models in mined.items():
            runs = [run for found in models.values() for run in found]
            if any(not np.array_equal(run.sentences, runs[0].sentences) for run in runs):
                raise ValueError(f"task {task!r}: models were judged on different sentences: mine one task with all of them")
        self._mined = mined
        self.tasks, self.models = tuple(mined), tuple(seeds[0])

    def values(self, model: str, where: Where, tasks: Sequence[str]) -> list[np.ndarray]:
        """What ``kit.compare.claims.judge`` takes of one model: (way, measure) by sentence and task, one array a seed.

        Shape (n_sentences, n_tasks), NaN where a task does not have a sentence; the same rows for every model.
        """
        if not tasks:
            raise ValueError("tasks is empty: name at least one")
        runs = [self._mined[task][model] for task in tasks]
        known, rows = np.unique(np.concatenate([of_task[0].sentences for of_task in runs]), return_inverse=True)
        ends = np.cumsum([0, *(len(of_task[0].sentences) for of_task in runs)])
        made = []
        for seed in range(len(runs[0])):
            table = np.full((len(known), len(tasks)), np.nan)
            for cell, of_task in enumerate(runs):
                table[rows[ends[cell] : ends[cell + 1]], cell] = of_task[seed].values[where]
            made.append(table)
        return made

    def by_seed(self, model: str, where: Where, tasks: Sequence[str]) -> list[float]:
        """The score of each training seed, a mean over tasks."""
        return [macro_mean(values) for values in self.values(model, where, tasks)]

    def interval(self, model: str, where: Where, tasks: Sequence[str]) -> Interval:
        """Mean over seeds and tasks, with its 95 % interval over sentences."""
        return confidence_interval(np.mean(self.values(model, where, tasks), axis=0), bounds=(0.0, 1.0))
