"""What ``python -m kit translate`` costs besides the model, and what a kill costs, with a translator that is no work.

    python benchmarks/translating.py [--rows N]

N English rows (default: 20,000) of a question and a passage of 600 characters go into eight languages. The translator writes
the language before a text, so that all that is measured is the cache, the rows and the file. Printed: rows a second of the
first run; the same where every translation is kept; the peak memory of both; the size of the cache and of the file. A third
run is killed (SIGKILL) half-way and started again: the file must be the same to the byte, and the texts that were asked for
twice are counted. Some minutes.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from kit.augment.translating import translate_corpus
from kit.augment.translator import CachedTranslator, translate_distinct
from kit.data.corpus import ParallelCorpus

TARGETS = "ar zh de es ru th tr hi".split()


class Marker:
    """Writes the language before each text, and each text that it is asked for into a file, one byte a text."""

    name = "marker"

    def __init__(self, count: Path):
        self.count = count

    def translate(self, texts, source, target):
        return translate_distinct(texts, source, target, lambda distinct: self._translate(distinct, target))

    def _translate(self, texts, target):
        with self.count.open("ab") as file:
            file.write(b"." * len(texts))
        return [f"{target}: {text}" for text in texts]


def corpus(n_rows: int) -> ParallelCorpus:
    rows = (
        {
            "group_id": str(number),
            "language": "en",
            "query": f"What is the {number}th thing that anybody would like to know?",
            "passage": f"{hashlib.sha256(str(number).encode()).hexdigest()} ".ljust(600, "x"),
        }
        for number in range(n_rows)
    )
    return ParallelCorpus.from_rows(rows, "made")


def translate(home: Path, n_rows: int) -> None:
    """One run: what the processes below do."""
    started = time.monotonic()
    made = corpus(n_rows)
    translator = CachedTranslator(Marker(home / "asked"), home)
    n_made = translate_corpus(made, translator, TARGETS, home / "out.jsonl.gz", log=lambda line: None)
    elapsed_s = time.monotonic() - started
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{n_made:,} rows in {elapsed_s:.0f} s, {n_made / elapsed_s:,.0f} rows/s, peak memory {peak_mib:,.0f} MiB")


def process(home: Path, n_rows: int) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, __file__, "--rows", str(n_rows), "--in", str(home)])


def finished(home: Path, n_rows: int) -> None:
    if process(home, n_rows).wait():
        raise SystemExit(1)


def digest(home: Path) -> str:
    return hashlib.sha256((home / "out.jsonl.gz").read_bytes()).hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--in", dest="home", type=Path, help="used by the script itself: one run in this folder")
    parsed = parser.parse_args()
    if parsed.home:
        return translate(parsed.home, parsed.rows)
    with tempfile.TemporaryDirectory() as scratch:
        whole, killed = Path(scratch) / "whole", Path(scratch) / "killed"
        for home in (whole, killed):
            home.mkdir()
        for what in ("all is new", "all is kept"):
            print(f"{what}: ", end="", flush=True)
            finished(whole, parsed.rows)
        mib = {name: (whole / name).stat().st_size / 2**20 for name in ("translations.sqlite", "out.jsonl.gz")}
        print(", ".join(f"{name} {size:,.0f} MiB" for name, size in mib.items()))
        n_texts = (whole / "asked").stat().st_size
        first = process(killed, parsed.rows)
        while first.poll() is None and (not (killed / "asked").exists() or (killed / "asked").stat().st_size < n_texts / 2):
            time.sleep(0.01)
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
        print("killed half-way, and again: ", end="", flush=True)
        finished(killed, parsed.rows)
        same = digest(whole) == digest(killed)
        print(
            f"asked for twice: {(killed / 'asked').stat().st_size - n_texts:,} of {n_texts:,} texts; the same file: {same}"
        )


if __name__ == "__main__":
    main()
