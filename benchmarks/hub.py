"""What getting a set costs: time and memory of a download that is killed, of the conversion, and of reading.

    python benchmarks/hub.py [passages]

Made sets in MIRACL's layout (five, of passages of 600 letters, default 500,000 in all) are served on this machine. A process
gets them and is killed (``kill -9``) five times, at random, while it downloads; the last gets the rest and converts. Then
one process reads the raw text and holds it, as a list, and another one reads the converted tables as tasks without making
equal texts one, as the kit does above five million passages.
"""

from __future__ import annotations

import gzip
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import threading
import time
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import yaml

N_FILES, N_KILLS, PACE_BYTES_S = 5, 5, 10_000_000
ENTRY = {
    "what": "made",
    "licence": "mit",
    "citation": "nobody",
    "home": "https://made.org",
    "layout": "miracl",
    "languages": {"en": "en"},
    "splits": ["dev"],
}


def letters(number: int) -> str:
    """A text of 600 letters, a different one for each number."""
    draw = random.Random(number)
    return " ".join(f"{draw.randrange(16**7):07x}" for _ in range(75))


def write_set(folder: Path, n_passages: int) -> dict:
    """The files of the set as their home has them; its entry for the manifest."""
    folder.mkdir(parents=True)
    for part in range(N_FILES):
        with gzip.open(folder / f"docs-{part}.jsonl.gz", "wt", compresslevel=1, encoding="utf-8") as file:
            for number in range(part, n_passages, N_FILES):
                file.write(json.dumps({"docid": f"{number}#0", "title": "T", "text": letters(number)}) + "\n")
    queries = range(0, n_passages, n_passages // 500 + 1)
    (folder / "topics.tsv").write_text("".join(f"{n}\tquestion {n}\n" for n in queries))
    (folder / "qrels.tsv").write_text("".join(f"{n}\tQ0\t{n}#0\t1\n" for n in queries))
    corpora = {f"docs{part}": f"docs-{part}.jsonl.gz" for part in range(N_FILES)}
    entries = {
        name: ENTRY
        | {
            "files": {
                "corpus": {"path": path},
                "topics": {"path": "topics.tsv", "head": ["qid", "query"]},
                "qrels": {"path": "qrels.tsv", "head": ["qid", "q0", "docid", "rel"]},
            }
        }
        for name, path in corpora.items()
    }
    return entries


def serve(folder: Path) -> ThreadingHTTPServer:
    """A server that sends at a steady pace, so that there is time to kill, and parts where they are asked for."""

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            path = folder / self.path.rpartition("/")[2]
            start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
            size = path.stat().st_size
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(size - start))
            self.send_header("ETag", f'"{size}"')
            if start:
                self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
            self.end_headers()
            with path.open("rb") as file:
                file.seek(start)
                while chunk := file.read(1 << 18):
                    self.wfile.write(chunk)
                    time.sleep(len(chunk) / PACE_BYTES_S)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            pass  # a client was killed

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


GET = """
from kit.data.hub.getting import get
for part in range({n}): get(f"docs{{part}}", log=lambda line: None)
"""
HOLD = """
import gzip, json, os
from pathlib import Path
held = [json.loads(line) for part in range({n}) for line in gzip.open(Path(os.environ["MADE"]) / f"docs-{{part}}.jsonl.gz")]
"""
READ = """
import warnings
from kit.data.hub import reading
reading.LARGEST_POOLED = 0
warnings.simplefilter("ignore")
for part in range({n}):
    n = sum(map(len, reading.read_task(f"docs{{part}}").candidates.column("text").slice(0, 1000).to_pylist()))
"""


def here(root: Path) -> int:
    """Bytes that were downloaded, in whole files and parts."""
    return sum(path.stat().st_size for path in root.glob("data/hub/*/files/*docs-*") if path.is_file())


def killed(root: Path) -> int:
    """Start a process that gets the sets, kill it soon after something came, and say how much is here."""
    before = here(root)
    process = subprocess.Popen([sys.executable, "-c", GET.format(n=N_FILES)])
    while here(root) <= before and process.poll() is None:
        time.sleep(0.01)
    time.sleep(random.uniform(0, 1))
    process.kill()
    process.wait()
    return here(root)


def run(code: str) -> tuple[float, float]:
    """Seconds and greatest memory in MiB of a process."""
    code = code.format(n=N_FILES) + "\nimport resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    begun = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    told, _ = process.communicate()
    if process.returncode:
        raise SystemExit("the process failed: see above")
    return time.perf_counter() - begun, int(told) / 1024


def main() -> None:
    """Print one line a step."""
    n_passages = int(sys.argv[1]) if len(sys.argv) > 1 else 500_000
    with tempfile.TemporaryDirectory() as scratch:
        root, made = Path(scratch) / "project", Path(scratch) / "made"
        (root / "notebooks").mkdir(parents=True)
        (root / "data").mkdir()
        (root / "data" / "hub.yaml").write_text(yaml.safe_dump(write_set(made, n_passages)))
        server = serve(made)
        os.environ |= {
            "KIT_HOME": str(root),
            "KIT_HUB_MIRROR": f"http://127.0.0.1:{server.server_address[1]}",
            "MADE": str(made),
            "PYTHONPATH": str(Path(__file__).resolve().parents[1]),
        }
        raw = sum(path.stat().st_size for path in made.glob("docs-*"))
        print(
            f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores; {n_passages:,} passages, {raw:,} bytes"
        )
        for _ in range(N_KILLS):
            print(f"killed: {killed(root):,} bytes are here", flush=True)
        seconds, memory = run(GET)
        for path in made.glob("docs-*"):
            (copy,) = root.glob(f"data/hub/*/files/{path.name}")
            assert copy.read_bytes() == path.read_bytes(), path
        print(f"got the rest and converted: {seconds:.1f} s, {memory:,.0f} MiB; every byte is as it was sent")
        for name, code in (("raw text as a list", HOLD), ("the tables as tasks", READ)):
            seconds, memory = run(code)
            print(f"{name}: {seconds:.1f} s, {memory:,.0f} MiB")
        server.shutdown()


if __name__ == "__main__":
    main()
