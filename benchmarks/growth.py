"""How an evaluation grows with its sizes, and what more nodes and more processes cost: slopes on axes of logarithms.

    python benchmarks/growth.py [--questions 800] [--versions 800] [--dimensions 256] [--rounds 3] [--nodes 4] [--ranks 4]

- An evaluation with the panel: languages, questions, candidates, dimensions, one of them multiplied at a time by 1, 2 and 4;
  the others stay. 1 is linear. Languages multiply queries and candidates, so that 2 is expected of them.
- Evaluations in processes of their own (``kit.core.processes``): how much longer one takes beside another.
- Nodes: jobs that wait for two seconds, on a Ray cluster of a head and 1, 2 and 4 machines for two jobs each, all simulated
  on this one: what is left of a perfect -1 is what the engine takes. Workers have been started before. Left out without Ray,
  or with ``--nodes 0``.
- Ranks: the same training, batch and all, shared by 1, 2 and 4 processes (gloo): seconds of the processor of all together,
  since they share the cores. A perfect 0 would be work that is only divided; the rest is what each process does by itself
  (the optimiser, gathering, evaluating), here the more since the encoder is tiny.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

from evaluation import LANGUAGES, made_embeddings, made_task
from turns import arguments, in_turns, keep, load, machine, rounded, slope

from kit.core.engines.carrying import carry_out
from kit.core.engines.engine import Engine
from kit.core.processes import run_all
from kit.evaluate.evaluator import evaluate_embeddings

N_WAITING, WAIT_S = 32, 2.0

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


def wait(seconds: float, log: object) -> None:
    """A job that needs no processor."""
    time.sleep(seconds)


def powers(most: int) -> list[int]:
    """1, 2, 4 …, as far as asked for."""
    return [n for n in (1, 2, 4, 8) if n <= most]


def on_nodes(most: int) -> Iterator[tuple[int, float]]:
    """Seconds by the clock of jobs that wait, by the number of machines."""
    from machines import Cluster, kill_tree

    home = Path(tempfile.mkdtemp())  # for logs of jobs
    (home / "notebooks").mkdir()
    os.environ |= {
        "KIT_HOME": str(home),
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": "0" * 64,
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    for n in powers(most):
        cluster = Cluster()
        others = [cluster.start_other() for _ in range(n - 1)]
        try:
            engine = Engine(name="ray", address=cluster.address)
            for n_jobs, pause_s in ((4 * n, 0.1), (N_WAITING, WAIT_S)):  # the first ones start the workers
                began = time.monotonic()
                carry_out(wait, [pause_s] * n_jobs, ["waits"] * n_jobs, lambda *told: None, engine)
            yield n, time.monotonic() - began
        finally:
            for other in others:
                kill_tree(other)
            cluster.end()


def on_ranks(most: int) -> Iterator[tuple[int, float]]:
    """Seconds of the processor of a training, by the number of processes that share it."""
    import kills

    kills.start()
    for n in powers(most):
        with tempfile.TemporaryDirectory() as folder:
            before = os.times()
            for process in kills.started(Path(folder), n):
                process.join()
            after = os.times()
        yield n, after.children_user + after.children_system - before.children_user - before.children_system


def row_of(name: str, measure: str, found: dict[int, float]) -> dict[str, object]:
    sizes, values = (", ".join(map(str, some)) for some in (found, map(rounded, found.values())))
    return {"": name, "sizes": sizes, measure: values, "slope": slope(list(found), list(found.values()))}


def main() -> None:
    sizes = arguments(__doc__ or "", questions=800, versions=800, dimensions=256, rounds=3, nodes=4, ranks=4)
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
    tables = {"Slopes": rows, "Jobs": jobs_rows}
    if sizes.nodes and find_spec("ray"):
        tables["Nodes"] = [row_of(f"{N_WAITING} jobs of {WAIT_S:g} s", "s", dict(on_nodes(sizes.nodes)))]
    if sizes.ranks:
        tables["Ranks"] = [row_of("one training", "CPU s", dict(on_ranks(sizes.ranks)))]
    facts = {
        "machine": machine("torch"),
        "load": load(),
        "smallest": f"2 languages, {base[1]} questions and {base[2]} passages in each, {base[3]} dimensions",
        "rounds": sizes.rounds,
    }
    keep(sizes.out, "growth", "How an evaluation grows", tables, facts)


if __name__ == "__main__":
    main()
