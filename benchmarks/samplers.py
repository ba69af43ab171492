"""What it costs to begin drawing batches and to draw them, beside NO_DUPLICATES of sentence-transformers, as the rows grow.

    python benchmarks/samplers.py [--rows 10000 1000000 40000000] [--rounds 3]

Rows are query, passage, language and group, two languages a group, in one Parquet file. The kit reads it as any table of a
user; the peer as a data set of ``datasets``, whose Arrow file is mapped into memory. More than 2,000,000 rows the kit
reads as it reads mMARCO: as many triples of ids, each in 7 languages, mapped as well. Each is measured in a process of its
own: its start, from the imports to the first batch; the rows of batches that it draws in a second, without their texts; and
the memory that belongs to the process alone (``RssAnon`` of Linux) after that. Both have drawn from a small table before, so
that nothing is left to import, and what both convert once into mapped files is there. Seconds are those of the processor,
which others cannot lengthen. 40,000,000 rows take 20 GB in the folder for temporary files (``TMPDIR``), and half an hour.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from scale import MOST_IN_A_TABLE, anonymous_mib, made_table, made_triples
from turns import keep, load, machine, rounded, slope

BATCH_SIZE, N_BATCHES = 100, 500
KIT, PEER = "kit", "NO_DUPLICATES"


def batches_of_kit(source: str) -> Iterator[object]:
    from kit.data.registry import load_training
    from kit.train.samplers import PairBatchSampler, Sampling

    sampler = PairBatchSampler([load_training(source)], Sampling.parse("Hybrid"), BATCH_SIZE, seed=0)
    return (sampler.batch(*divmod(number, len(sampler))).pairs() for number in range(N_BATCHES + 1))


def batches_of_peer(source: str) -> Iterator[object]:
    import datasets
    import torch
    from sentence_transformers.base.sampler import NoDuplicatesBatchSampler

    datasets.disable_progress_bars()
    file = source.removeprefix("jsonl:")
    data = datasets.Dataset.from_parquet(file, columns=["query", "passage"], cache_dir=str(Path(file).parent / "datasets"))
    sampler = NoDuplicatesBatchSampler(data, BATCH_SIZE, drop_last=True, generator=torch.Generator(), seed=0)

    def again() -> Iterator[object]:
        while True:
            yield from sampler

    return islice(again(), N_BATCHES + 1)


def measured(name: str, small: str, source: str) -> dict[str, float]:
    """Start, speed and memory of one of the two."""
    draw = batches_of_kit if name == KIT else batches_of_peer
    next(draw(small))
    memory, start = anonymous_mib(), time.process_time()
    batches = draw(source)
    next(batches)
    began = time.process_time()
    n_batches = sum(1 for _ in batches)
    drawn = time.process_time()
    return {
        "start, CPU s": began - start,
        "rows a CPU s": n_batches * BATCH_SIZE / max(drawn - began, 1e-9),
        "memory, MiB": anonymous_mib() - memory,
    }


def in_process(name: str, small: str, source: str, home: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--measured", name, small, source]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "KIT_HOME": str(home)}, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def at_size(n_rows: int, n_rounds: int) -> Iterator[dict[str, object]]:
    """Medians over the rounds, for each of the samplers, which take turns."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "notebooks").mkdir()
        small, table = made_table(home / "small", 200), made_table(home / "raw", n_rows // 2)
        large = made_triples(home / "triples", n_rows) if n_rows > 2 * MOST_IN_A_TABLE else table
        sources = {KIT: large, PEER: table}
        for name, source in sources.items():
            in_process(name, small, source, home)  # converts it
        rounds = [{name: in_process(name, small, source, home) for name, source in sources.items()} for _ in range(n_rounds)]
    for name, source in sources.items():
        found = {what: rounded(statistics.median(one[name][what] for one in rounds)) for what in rounds[0][name]}
        yield {"rows": n_rows, "": f"{name}, triples" if source != table else name, **found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("reports/bench"))
    sizes = parser.parse_args()
    rows = [row for n_rows in sizes.rows for row in at_size(n_rows, sizes.rounds)]
    growth = []
    for name in (KIT, PEER):
        of_it = [row for row in rows if row[""] == name]
        if len(of_it) > 1:
            values = {what: [max(float(str(row[what])), 1.0) for row in of_it] for what in ("rows", "memory, MiB")}
            starts = [float(str(row["start, CPU s"])) for row in of_it]
            growth.append(
                {"": name, "start": slope(values["rows"], starts), "memory": slope(values["rows"], values["memory, MiB"])}
            )
    facts = {"machine": machine("torch", "sentence-transformers", "datasets"), "load": load(), "rounds": sizes.rounds}
    tables = {"Start, speed, memory": rows} | ({"Slopes by the number of rows": growth} if growth else {})
    keep(sizes.out, "samplers", "Samplers: the kit's pair batches and NO_DUPLICATES", tables, facts)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measured"]:
        print(json.dumps(measured(*sys.argv[2:])))
    else:
        main()
