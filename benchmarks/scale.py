"""What drawing and reading batches costs as training data grow to the size of mMARCO: start, memory, batches a second.

    python benchmarks/scale.py [triples …]

Triples with synthetic ids in mMARCO's layout, 7 languages, 100 triples a positive passage, and up to 1e6 groups in two
languages as a table, in Parquet. Default: 1e5, 1e6 and 4e7 triples; the last, with 8.8 million passages a language, take
4 GB in the folder for temporary files (``TMPDIR``). Texts have some thirty letters: the ids are what counts here.

A start is all between the imports and the first batch. Seconds are those of the processor, which others on the machine
cannot lengthen as they do those of the clock. Memory is what belongs to the process alone (``RssAnon`` of Linux), no pages
of mapped files, beyond what it was after the imports. Each number is the best of three processes; conversion and training
are of one. The training is what ``kit run`` does: data, validation, a static encoder from scratch, 100 updates of 100 rows
with two validations, checkpoints, the saved model.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

from kit.core.printing import Table, say
from kit.core.seeding import generator

LANGUAGES = ("arabic", "chinese", "german", "spanish", "russian", "hindi", "english")
N_PASSAGES, N_A_PASSAGE, TEXT = (
    8_841_823,
    100,
    "a passage of about a hundred characters, as short as those of few words are ",
)
N_BATCHES, BATCH_SIZE, N_REPEATS, MOST_IN_A_TABLE = 500, 100, 3, 1_000_000
N_UPDATES = 100


def made_triples(folder: Path, n_triples: int) -> str:
    """Write mMARCO's layout; as many passages a triple as there are in it. Returns the source's name."""
    n_passages = max(1000, n_triples * N_PASSAGES // 40_000_000)
    n_positives = max(500, n_triples // N_A_PASSAGE)
    for place, name, n_texts in (("collections", "collection", n_passages), ("queries/train", "queries.train", n_positives)):
        home = folder / "data/google" / place
        home.mkdir(parents=True)
        _write_texts(home / f"{LANGUAGES[0]}_{name}.tsv", n_texts)
        for language in LANGUAGES[1:]:
            (home / f"{language}_{name}.tsv").symlink_to(f"{LANGUAGES[0]}_{name}.tsv")
    rng = generator(0)
    questions = rng.integers(n_positives, size=n_triples, dtype=np.int32)
    positives = questions.astype(np.int64) * 7919 % n_passages  # a query has one passage, some share it
    columns = [questions, positives, rng.integers(n_passages, size=n_triples, dtype=np.int32)]
    options = pacsv.WriteOptions(include_header=False, delimiter="\t")
    with pacsv.CSVWriter(
        folder / "data/triples.train.ids.small.tsv", pa.schema([(c, pa.int64()) for c in "qpn"]), write_options=options
    ) as file:
        for start in range(0, n_triples, 1 << 20):
            file.write(
                pa.table({c: column[start : start + (1 << 20)].astype(np.int64) for c, column in zip("qpn", columns)})
            )
    return f"mmarco:{folder}"


def _write_texts(file: Path, n_texts: int) -> None:
    with file.open("w", encoding="utf-8") as lines:
        for start in range(0, n_texts, 1 << 16):
            lines.writelines(f"{number}\t{TEXT}{number}\n" for number in range(start, min(n_texts, start + (1 << 16))))


def made_table(folder: Path, n_groups: int) -> str:
    """Write a table of groups in two languages, as Parquet. Returns the source's name."""
    import pyarrow.parquet as pq

    folder.mkdir(parents=True)
    schema = pa.schema([(name, pa.string()) for name in ("group_id", "language", "query", "passage")])
    with pq.ParquetWriter(folder / "table.parquet", schema) as file:
        for start in range(0, n_groups, MOST_IN_A_TABLE):
            groups = np.repeat(np.arange(start, min(n_groups, start + MOST_IN_A_TABLE)), 2)
            tags = np.tile(["de", "en"], len(groups) // 2)
            texts = [f"{TEXT}{group} {tag}" for group, tag in zip(groups.tolist(), tags.tolist())]
            queries = [f"query {text[-15:]}" for text in texts]
            columns = {"group_id": groups.astype(str), "language": tags, "query": queries, "passage": texts}
            file.write_table(pa.table(columns, schema=schema))
    return f"jsonl:{folder / 'table.parquet'}"


def anonymous_mib() -> float:
    """Memory of this process that belongs to no file, in MiB."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return int(next(line for line in lines if line.startswith("RssAnon")).split()[1]) / 1024


def measured(source: str) -> dict[str, float]:
    """Start, memory and speed, in a process of its own."""
    from kit.data.registry import load_training
    from kit.train.pairs import pair_dataset
    from kit.train.samplers import PairBatchSampler, Sampling

    before, start = anonymous_mib(), time.process_time()
    corpus = load_training(source)
    loaded = time.process_time()
    sampler = PairBatchSampler([corpus], Sampling.parse("Hybrid"), BATCH_SIZE, seed=0)
    data = pair_dataset([corpus])
    data.__getitems__(sampler.batch(0, 0).pairs())
    started = time.process_time()
    batches = [sampler.batch(0, index).pairs() for index in range(1, N_BATCHES + 1)]
    drawn = time.process_time()
    for batch in batches:
        data.__getitems__(batch)
    read = time.process_time()
    return {
        "rows": len(corpus),
        "load, CPU s": loaded - start,
        "start, CPU s": started - start,
        "memory, MiB": anonymous_mib() - before,
        "batches a CPU s": N_BATCHES / (drawn - started),
        "rows with texts a CPU s": N_BATCHES * BATCH_SIZE / (read - started),
    }


@contextmanager
def most_memory() -> Iterator[list[float]]:
    """The most memory beyond that at the beginning, in MiB, when it has ended."""
    most, done, before = [0.0], threading.Event(), anonymous_mib()

    def watch() -> None:
        while not done.wait(0.02):
            most[0] = max(most[0], anonymous_mib() - before)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield most
    finally:
        done.set()
        thread.join()


def converted(source: str) -> dict[str, float]:
    """Conversion of raw files, and the most memory that it took."""
    from kit.data.registry import load_training

    start = time.process_time()
    with most_memory() as most:
        load_training(source)
    return {"conversion, CPU s": time.process_time() - start, "conversion, MiB": most[0]}


def trained(source: str) -> dict[str, float]:
    """A whole training, as ``kit run`` does it: data, validation, an encoder from scratch, updates, the saved model."""
    from kit.run.training import TrainJob, train_job
    from kit.train.config import EncoderConfig, TrainingConfig
    from kit.train.encoders.making import make_encoder
    from kit.train.trainer import fine_tune

    assert make_encoder and fine_tune  # imported before memory and time count, as for the others
    recipe = TrainingConfig(updates=N_UPDATES, batch_size=BATCH_SIZE, evaluations=2)
    start = time.process_time()
    with tempfile.TemporaryDirectory() as folder, most_memory() as most:
        job = TrainJob((source,), "", EncoderConfig(dimension=128), recipe, "Hybrid", 0, Path(folder) / "model", 1)
        train_job(job, lambda line: None)
    return {"training, CPU s": time.process_time() - start, "training, MiB": most[0]}


def in_process(call: str, source: str, home: Path) -> dict[str, float]:
    """What ``measured``, ``converted`` or ``trained`` return in a fresh process whose cache is under ``home``."""
    command = [sys.executable, __file__, f"--{call}", source]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "KIT_HOME": str(home)}, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def best(source: str, home: Path) -> dict[str, float]:
    """The best of several processes: the shortest times, the least memory, the most in a second."""
    runs = [in_process("measured", source, home) for _ in range(N_REPEATS)]
    return {name: (max if " a CPU s" in name else min)(run[name] for run in runs) for name in runs[0]}


def rows(sizes: list[int], make: Callable[[Path, int], str], convert: bool) -> Iterator[dict[str, object]]:
    """A row for each size."""
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder)
            (home / "notebooks").mkdir()
            source = make(home / "raw", size)
            cost = in_process("converted", source, home) if convert else {}
            found = {**cost, **best(source, home), **in_process("trained", source, home)}
            yield {
                "groups": size,
                **{name: round(value, 2) if value < 10 else round(value) for name, value in found.items()},
            }
            say(Table([{"groups": size, **found}]))


def main(sizes: list[int]) -> None:
    triples = list(rows(sizes, made_triples, convert=True))
    tables = list(rows([size for size in sizes if size <= MOST_IN_A_TABLE], made_table, convert=False))
    for name, found in (("triples, 7 languages", triples), ("tables, 2 languages", tables)):
        say(f"\n{name}\n\n{Table(found).markdown()}")


if __name__ == "__main__":
    parts = {"--measured": measured, "--converted": converted, "--trained": trained}
    if sys.argv[1:2] and sys.argv[1] in parts:
        print(json.dumps(parts[sys.argv[1]](sys.argv[2])))
    else:
        main([int(float(size)) for size in sys.argv[1:]] or [100_000, 1_000_000, 40_000_000])
