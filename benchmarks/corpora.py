"""What a corpus of millions of passages costs, by its size: encoding, the search with the whole bias panel, whole lists.

    python benchmarks/corpora.py [passages …] [--picture FILE]

Passages of a made corpus in four languages and 50 questions asked in each, each answered by one passage in each language;
a hash stands for the model, in 16 dimensions: what is measured is what stands around a model. Each number is that of a
process of its own, its largest resident set (Linux) without what the libraries take, and its seconds; growth is the slope of
a line through both logarithms: 0 does not grow with the passages, 1 grows as they do. The smallest corpus is also searched
by faiss, to see what that loses.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from shards import peak_mib

from kit.core.printing import Table
from kit.core.seeding import generator, mixed
from kit.data.corpus import RetrievalTask
from kit.data.judged.collection import Passage
from kit.evaluate.encoding import unit_rows
from kit.evaluate.shards.agreement import spearman_over
from kit.evaluate.shards.approximate import evaluate_approximately
from kit.evaluate.shards.encoding import encode_corpus
from kit.evaluate.shards.panel import evaluate_pool
from kit.evaluate.shards.pool import Part, Pool

SIZES = (1_000_000, 3_000_000, 10_000_000)
LANGUAGES, N_GROUPS, DIMENSIONS = ("de", "en", "sw", "th"), 50, 16


class Hashed:
    """Embeds a number as the sum of two rows of a table, which its hash chooses."""

    prompts = None

    def __init__(self) -> None:
        self.table = generator(0, "table").standard_normal((4096, DIMENSIONS), np.float32)

    def encode_query(self, texts: Sequence[str], **options: object) -> np.ndarray:
        places = mixed(np.array(texts, np.uint64))
        return self.table[places % 4096] + self.table[places // 4096 % 4096]

    encode_document = encode_query


def passages(language: int, n_passages: int) -> Iterator[Passage]:
    """A quarter of the passages; texts are numbers."""
    for number in range(language, n_passages, len(LANGUAGES)):
        yield Passage(f"{number}#0", "", str(number))


def task() -> RetrievalTask:
    pairs = [(group, tag) for group in range(N_GROUPS) for tag in LANGUAGES]
    answer = {pair: f"{number}#0" for number, pair in enumerate(pairs)}
    return RetrievalTask.from_rows(
        "made",
        [
            {"query_id": f"q{g}{tag}", "group_id": str(g), "language": tag, "text": f"{9 * 10**9 + n}"}
            for n, (g, tag) in enumerate(pairs)
        ],
        [{"candidate_id": name, "language": tag, "text": name} for (_, tag), name in answer.items()],
        [{"query_id": f"q{g}{tag}", "candidate_id": answer[g, other]} for g, tag in pairs for other in LANGUAGES],
    )


def encode(folder: Path, n_passages: int) -> None:
    pool_of(folder, n_passages)


def search(folder: Path, n_passages: int) -> None:
    evaluate_pool(*asked(folder, n_passages), n_agreement_groups=0, device="cpu", log=len)


def agree(folder: Path, n_passages: int) -> None:
    """The whole lists of one question in four languages."""
    queries, pool, _ = asked(folder, n_passages)
    spearman_over(queries[: len(LANGUAGES)], pool, np.array([-1]))


def approximate(folder: Path, n_passages: int) -> None:
    (folder / "notebooks").mkdir()
    os.environ["KIT_HOME"] = str(folder)
    print(evaluate_approximately(*asked(folder, n_passages), device="cpu", log=len)[1])


def nothing(folder: Path, n_passages: int) -> None:
    """Libraries, and a small search."""
    folder = folder / "none"
    search(folder, 1000)


def pool_of(folder: Path, n_passages: int) -> Pool:
    parts = []
    for number, tag in enumerate(LANGUAGES):
        stream = partial(passages, number, n_passages)
        shards, counts = encode_corpus(Hashed(), stream, folder / tag, {"n": n_passages}, log=len)
        parts.append(Part(tag, shards, counts.n_passages))
    return Pool(parts)


def asked(folder: Path, n_passages: int) -> tuple[np.ndarray, Pool, RetrievalTask]:
    made = task()
    return unit_rows(Hashed(), made.queries.column("text").to_pylist(), "query"), pool_of(folder, n_passages), made


STEPS: dict[str, Callable[[Path, int], None]] = {one.__name__: one for one in (nothing, encode, search, agree, approximate)}


def measured(step: str, folder: Path, n_passages: int) -> dict[str, float]:
    """Peak memory in MiB and seconds of a step, in a process of its own; what it prints is passed on."""
    words = [sys.executable, __file__, "--step", step, str(folder), str(n_passages)]
    *told, last = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    print("\n".join(told), end="\n" if told else "", flush=True)
    return json.loads(last)


def slope(sizes: Sequence[int], values: Sequence[float]) -> float:
    return float(np.polyfit(np.log(sizes), np.log(np.maximum(values, 1e-9)), 1)[0])


def picture(rows: Sequence[dict[str, float]], path: str) -> None:
    """Memory and seconds against passages, both on logarithmic axes."""
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    figure = make_subplots(1, 2, subplot_titles=("seconds", "peak memory beside the libraries, MiB"))
    sizes = [row["passages"] for row in rows]
    steps = {
        "encode": ("encode", "#4477aa"),
        "search": ("search and panel", "#ee6677"),
        "agree": ("whole lists of one question", "#999999"),
    }
    for step, (label, colour) in steps.items():
        for column, what in enumerate(("s", "MiB"), start=1):
            line = go.Scatter(x=sizes, y=[row[f"{step}, {what}"] for row in rows], name=label, showlegend=column == 1)
            figure.add_trace(line.update(mode="lines+markers", line={"color": colour}), row=1, col=column)
    figure.update_xaxes(type="log", title="passages", tickvals=sizes, ticktext=[f"{size / 1e6:g} million" for size in sizes])
    figure.update_yaxes(type="log", dtick=1)
    figure.update_layout(
        template="plotly_white", legend={"orientation": "h", "y": -0.25}, margin={"t": 40, "l": 50, "r": 20}
    )
    figure.write_image(path, width=900, height=380)


def main(sizes: Sequence[int], path: str | None) -> None:
    from kit.show.report import machine

    print(", ".join(f"{name}: {value}" for name, value in machine().items()))
    rows = []
    with tempfile.TemporaryDirectory() as place:
        base = measured("nothing", Path(place), 0)["mib"]
        print(f"libraries, and a search of 1,000 passages: {base:,.0f} MiB", flush=True)
        for n_passages in sizes:
            folder, row = Path(place) / str(n_passages), {"passages": n_passages}
            for step in ("encode", "search", "agree"):
                found = measured(step, folder, n_passages)
                row |= {f"{step}, s": round(found["s"], 1), f"{step}, MiB": max(1, round(found["mib"] - base))}
            row["on disk, MiB"] = sum(path.stat().st_size for path in folder.rglob("*.arrow")) // 2**20
            rows.append(row)
            print(row, flush=True)
            if n_passages == min(sizes):
                print({step: round(value) for step, value in measured("approximate", folder, n_passages).items()})
            subprocess.run(["rm", "-r", str(folder)], check=True)  # room for the next
    growth = {name: f"{slope(sizes, [row[name] for row in rows]):.2f}" for name in rows[0]}
    print(Table([*({name: f"{value:,}" for name, value in row.items()} for row in rows), growth]).markdown())
    if path:
        picture(rows, path)


if __name__ == "__main__":
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
    if sys.argv[1:2] == ["--step"]:
        start = time.perf_counter()
        STEPS[sys.argv[2]](Path(sys.argv[3]), int(sys.argv[4]))
        print(json.dumps({"mib": peak_mib(), "s": time.perf_counter() - start}))
    else:
        parser = argparse.ArgumentParser()
        parser.add_argument("passages", nargs="*", type=int, default=SIZES)
        parser.add_argument("--picture", metavar="FILE")
        parsed = parser.parse_args()
        main(parsed.passages, parsed.picture)
