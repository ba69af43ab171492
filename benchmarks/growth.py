"""How an evaluation with the panel grows with languages, questions, candidates and dimensions: slopes on axes of logarithms.

    python benchmarks/growth.py [--questions 800] [--versions 800] [--dimensions 256] [--rounds 3]

One size is multiplied at a time, by 1, 2 and 4; the others stay. 1 is linear. Languages multiply queries and candidates, so
that 2 is expected of them. The last lines are jobs, evaluations in processes of their own (``kit.core.processes``): how much
longer one takes beside others, up to the number of cores.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable

from evaluation import LANGUAGES, made_embeddings, made_task
from turns import arguments, in_turns, keep, load, machine, rounded, slope

from kit.core.processes import run_all
from kit.evaluate.evaluator import evaluate_embeddings

Job = tuple[int, int, int, int]
"""Languages, questions, versions of passages (passages a language), dimensions."""


def prepared(job: Job) -> Callable[[], object]:
    """An evaluation of some size, made before the clock starts."""
    n_languages, n_questions, n_versions, dimensions = job
    task = made_task(n_questions, n_versions * n_languages, LANGUAGES[:n_languages])
    embeddings = made_embeddings(task, dimensions)
    return lambda: evaluate_embeddings(*embeddings, task, "made", n_agreement_groups=20)


def evaluated(job: Job, log: object) -> None:
    """The same in a process of its own, some times over, so that the start counts little."""
    call = prepared(job)
    for _ in range(5):
        call()


def main() -> None:
    sizes = arguments(__doc__ or "", questions=800, versions=800, dimensions=256, rounds=3)
    base = (2, sizes.questions, sizes.versions, sizes.dimensions)
    rows = []
    for place, name in enumerate(("languages", "questions", "candidates", "dimensions")):
        jobs = {factor: (*base[:place], base[place] * factor, *base[place + 1 :]) for factor in (1, 2, 4)}
        times = in_turns({str(factor): prepared(job) for factor, job in jobs.items()}, sizes.rounds)
        values = [statistics.median(processor for _, processor in times[str(factor)]) for factor in jobs]
        row = {"": name, **{f"{job[place]}": rounded(value) for job, value in zip(jobs.values(), values)}}
        rows.append({"": name, "sizes": ", ".join(list(row)[1:]), "CPU s": ", ".join(map(str, list(row.values())[1:]))})
        rows[-1]["slope"] = slope(list(jobs), values)
    counts = sorted({1, os.cpu_count() or 1})
    calls = {str(n): lambda n=n: run_all(evaluated, [base] * n, lambda line: None, n) for n in counts}
    jobs_rows = [
        {"jobs at a time": name, "s": rounded(statistics.median(clock for clock, _ in taken))}
        for name, taken in in_turns(calls, sizes.rounds).items()
    ]
    facts = {
        "machine": machine("torch"),
        "load": load(),
        "smallest": f"2 languages, {base[1]} questions and {base[2]} passages in each, {base[3]} dimensions",
        "rounds": sizes.rounds,
    }
    keep(sizes.out, "growth", "How an evaluation grows", {"Slopes": rows, "Jobs": jobs_rows}, facts)


if __name__ == "__main__":
    main()
