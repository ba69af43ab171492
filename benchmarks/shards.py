"""What a corpus in shards costs, by its size: memory at its peak, time, room on disk; and whether its lists are exact.

    python benchmarks/shards.py [passages …]

Passages of a made corpus, 600 characters each, and 1,000 questions, embedded by a hash of the text in 384 dimensions: what
is measured is what stands around a model. Each row is two processes of its own, one that encodes and one that searches, and
their largest resident set (Linux), of which the libraries alone are told first. The smallest corpus is also searched in
memory (``kit.evaluate.search``), and the lists are compared.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from kit.core.printing import Table
from kit.core.seeding import generator, stable_hash
from kit.data.judged.collection import Passage
from kit.evaluate.encoding import unit_rows
from kit.evaluate.shards.encoding import encode_corpus
from kit.evaluate.shards.search import top_passages

SIZES = (100_000, 300_000, 1_000_000)
N_QUERIES, DIMENSIONS, K = 1_000, 384, 100
FILLER = "word " * 115


class Hashed:
    """Embeds a text as the sum of two rows of a table, which its hash chooses."""

    prompts = None

    def __init__(self) -> None:
        self.table = generator(0, "table").standard_normal((4096, DIMENSIONS), np.float32)

    def encode_query(self, texts: Sequence[str], **options: object) -> np.ndarray:
        places = np.array([stable_hash(text) for text in texts], np.uint64)
        return self.table[places % 4096] + self.table[places // 4096 % 4096]

    encode_document = encode_query


def passages(n_passages: int) -> Iterator[Passage]:
    for number in range(n_passages):
        yield Passage(f"{number}#0", f"Title {number}", f"{FILLER}{number}")


def questions() -> np.ndarray:
    return unit_rows(Hashed(), [f"question {number}" for number in range(N_QUERIES)], "query")


def nothing(folder: Path, n_passages: int, precision: str) -> None:
    """Libraries, and a table of random numbers."""
    Hashed()


def encode(folder: Path, n_passages: int, precision: str) -> None:
    encode_corpus(Hashed(), partial(passages, n_passages), folder, {"n": n_passages}, precision=precision, log=len)


def search(folder: Path, n_passages: int, precision: str) -> None:
    shards, _ = encode_corpus(Hashed(), lambda: iter(()), folder, {"n": n_passages}, precision=precision, log=len)
    np.save(folder / "found.npy", top_passages(questions(), shards, K, device="cpu", log=len).row)


def search_in_memory(folder: Path, n_passages: int, precision: str) -> None:
    """As an audit does: all texts, all embeddings."""
    from kit.data.corpus import RetrievalTask
    from kit.evaluate.search import search as search_all

    task = RetrievalTask.from_rows(
        "made",
        [{"query_id": f"q{number}", "language": "en", "text": "question"} for number in range(N_QUERIES)],
        [{"candidate_id": one.passage_id, "language": "en", "text": one.text} for one in passages(n_passages)],
        [{"query_id": f"q{number}", "candidate_id": "0#0"} for number in range(N_QUERIES)],
    )
    rows = unit_rows(Hashed(), task.candidates.column("text").to_pylist(), "passage")
    np.save(folder / "in_memory.npy", search_all(questions(), rows, task, k=K, device="cpu").top)


STEPS: dict[str, Callable[[Path, int, str], None]] = {
    one.__name__: one for one in (nothing, encode, search, search_in_memory)
}


def measured(step: str, folder: Path, n_passages: int = 0, precision: str = "float32") -> dict[str, float]:
    """Peak memory in MiB and seconds of a step, in a process of its own."""
    words = [sys.executable, __file__, "--step", step, str(folder), str(n_passages), precision]
    return json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def do_step(step: str, folder: str, n_passages: str, precision: str) -> None:
    start = time.perf_counter()
    STEPS[step](Path(folder), int(n_passages), precision)
    print(json.dumps({"mib": peak_mib(), "s": time.perf_counter() - start}))


def peak_mib() -> float:
    """Largest resident set of this process; getrusage would tell that of its parent, if that was larger."""
    told = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(re.search(r"^VmHWM:\s+(\d+) kB$", told, re.M)[1]) / 1024


def main(sizes: Sequence[int]) -> None:
    from kit.show.report import machine

    print(", ".join(f"{name}: {value}" for name, value in machine().items()))
    with tempfile.TemporaryDirectory() as place:
        print(f"libraries alone: {measured('nothing', Path(place))['mib']:,.0f} MiB")
        rows = []
        for n_passages in sizes:
            for precision in ("float32", "float16") if n_passages == max(sizes) else ("float32",):
                folder = Path(place) / f"{n_passages}-{precision}"
                encoded, searched = (measured(step, folder, n_passages, precision) for step in ("encode", "search"))
                rows.append(
                    {
                        "passages": n_passages,
                        "numbers": precision,
                        "on disk, MiB": sum(path.stat().st_size for path in folder.glob("*.arrow")) // 2**20,
                        "encode, peak MiB": round(encoded["mib"]),
                        "encode, s": round(encoded["s"]),
                        "search, peak MiB": round(searched["mib"]),
                        "search, s": round(searched["s"]),
                    }
                )
        print(Table(rows).markdown())
        folder = Path(place) / f"{min(sizes)}-float32"
        whole = measured("search_in_memory", folder, min(sizes))
        found, expected = (np.load(folder / f"{name}.npy") for name in ("found", "in_memory"))
        same = int((found == expected).all(axis=1).sum())
        print(f"in memory, {min(sizes):,} passages: {whole['mib']:,.0f} MiB, {whole['s']:.0f} s")
        print(f"{same:,} of {N_QUERIES:,} lists are the same, the others but for scores that differ by rounding")


if __name__ == "__main__":
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
    if sys.argv[1:2] == ["--step"]:
        do_step(*sys.argv[2:])
    else:
        main([int(text) for text in sys.argv[1:]] or SIZES)
