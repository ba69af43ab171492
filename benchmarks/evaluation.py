"""What an evaluation costs beside the bare product of its matrices, on a made task of the size of XQuAD-R.

    python benchmarks/evaluation.py [repeats]

Eleven languages, 13,090 queries, 13,014 candidates, random embeddings of 768 dimensions, float32, on the CPU. The product is
that of NumPy, 512 queries at a time into one buffer, with all threads of its BLAS: the fastest way to get every score once
without keeping them. Both are timed in turn in one process, and the best of the repeats counts.
"""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Callable
from os import cpu_count
from pathlib import Path

import numpy as np

from kit.data.corpus import RetrievalTask
from kit.evaluate.evaluator import evaluate_embeddings
from kit.evaluate.scores import default_device
from kit.run.evaluating import AGREEMENT_GROUPS

LANGUAGES = ("ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh")
N_QUESTIONS, N_PASSAGES, DIMENSIONS, CHUNK = 1190, 13_014, 768, 512


def made_task() -> RetrievalTask:
    """Every question in every language; a passage answers one or two of them, and so do its versions."""
    n_versions = N_PASSAGES // len(LANGUAGES)
    passages = [(language, number) for number in range(n_versions) for language in LANGUAGES]
    passages += [(LANGUAGES[0], n_versions + number) for number in range(N_PASSAGES - len(passages))]
    questions = [(language, number) for language in LANGUAGES for number in range(N_QUESTIONS)]
    return RetrievalTask.from_rows(
        "made",
        [{"query_id": f"{n}@{tag}", "group_id": str(n), "language": tag, "text": "question"} for tag, n in questions],
        [{"candidate_id": f"{tag}{n}", "language": tag, "text": "passage"} for tag, n in passages],
        [
            {"query_id": f"{n}@{tag}", "candidate_id": f"{other}{n % n_versions}"}
            for tag, n in questions
            for other in LANGUAGES
        ],
        LANGUAGES,
    )


def made_embeddings(task: RetrievalTask) -> list[np.ndarray]:
    """Random directions, of the queries and of the candidates."""
    random, embeddings = np.random.default_rng(0), []
    for n_rows in (len(task.queries), len(task.candidates)):
        vectors = random.standard_normal((n_rows, DIMENSIONS), dtype=np.float32)
        embeddings.append(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    return embeddings


def bare_product(queries: np.ndarray, candidates: np.ndarray) -> None:
    """Every score once, and nothing else."""
    buffer = np.empty((CHUNK, len(candidates)), np.float32)
    for low in range(0, len(queries), CHUNK):
        chunk = queries[low : low + CHUNK]
        np.matmul(chunk, candidates.T, out=buffer[: len(chunk)])


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def machine() -> str:
    """Processor, cores, and the versions that the numbers depend on."""
    model = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").is_file():
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), model)
    return f"{model}, {cpu_count()} cores, Python {platform.python_version()}, NumPy {np.__version__}"


def main(n_repeats: int = 5) -> None:
    task = made_task()
    embeddings = made_embeddings(task)
    if default_device() != "cpu":  # asked first, too, since it imports torch
        sys.exit("there is an accelerator: hide it (CUDA_VISIBLE_DEVICES=) to compare like with like")

    def evaluation(n_groups: int | None) -> Callable[[], object]:
        return lambda: evaluate_embeddings(*embeddings, task, "random", n_agreement_groups=n_groups)

    calls = {
        "bare product": lambda: bare_product(*embeddings),
        "evaluation, whole panel": evaluation(AGREEMENT_GROUPS),
        "… without list agreement": evaluation(0),
        "… with that of all questions": evaluation(None),
    }
    evaluation(1)()  # imports, and first pages of memory
    best = dict.fromkeys(calls, float("inf"))
    for _ in range(n_repeats):
        for name, call in calls.items():
            best[name] = min(best[name], seconds(call))
    print(machine())
    print(
        f"{len(task.queries):,} queries, {len(task.candidates):,} candidates, {DIMENSIONS} dimensions; best of {n_repeats}"
    )
    for name, value in best.items():
        print(f"{name:30} {value:6.2f} s   ratio {value / best['bare product']:.2f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
