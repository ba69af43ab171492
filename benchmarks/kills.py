"""Whether a training that is killed again and again has the batches and losses of one that is left alone.

    python benchmarks/kills.py [--kills N]

A small encoder with dropout, a static one and a transformer, is trained on Atlas; then the same again, and ten times a
process is killed by signal 9 at a random time: after so many updates, and a part of the next one, or of a checkpoint. Of two
processes it is either; how long the other one outlives it is measured. At the end all batches and losses, those that were
computed again, too, are compared with the undisturbed training's, and so are history and weights, byte by byte. Anything
else than equality makes the exit status 1.

Processes are forked from one that has imported all, so that a start takes no time; torchrun, which starts them otherwise and
ends all when one dies, is tested in ``tests/train/test_devices.py``.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import random
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"  # processes are forked

import torch

from kit.data.registry import load_corpus
from kit.train.checkpoints import CheckedTrainer
from kit.train.config import EncoderConfig, TrainingConfig
from kit.train.encoders.making import make_encoder
from kit.train.samplers import Sampling
from kit.train.trainer import fine_tune

SHAPE = EncoderConfig(dimension=32, vocabulary_size=1000, dropout=0.1)
ENCODERS = {"static": SHAPE, "transformer": SHAPE.changed(name="tiny", dropout=0.0, max_tokens=16)}  # it has dropout itself
TRAINING = TrainingConfig(updates=300, batch_size=16, evaluations=60, learning_rate=0.05)
RATES = {"static": 0.05, "transformer": 0.001}
AT_MOST = 30
"""Updates that a process makes before it is killed, at most: nine kills of ten come before the end."""

Seen = dict[tuple[int, int], set[tuple[str, str]]]
"""By rank and update: digests of the batches and losses, as they were, each time that it was computed."""


@cache
def start(encoder: str):
    """Corpus and encoder, made once."""
    corpus = load_corpus("atlas?languages=de,en")
    return corpus, make_encoder(ENCODERS[encoder], corpus.table.column("query").to_pylist()[:2000], seed=0)


def train(folder: Path, encoder: str, rank: int, n_ranks: int, port: int) -> None:
    """What a process does: its part of the training; each update leaves a line."""
    step = CheckedTrainer.training_step
    record = (folder / f"seen-{rank}").open("a", buffering=1)

    def recording(self: CheckedTrainer, model, inputs, *more) -> torch.Tensor:
        digest = hashlib.sha256()
        for name, value in sorted(inputs.items()):
            digest.update(f"{name}{value.tolist() if isinstance(value, torch.Tensor) else value}".encode())
        loss = step(self, model, inputs, *more)
        print(self.state.global_step + 1, digest.hexdigest()[:16], loss.item().hex(), file=record)
        return loss

    CheckedTrainer.training_step = recording
    if n_ranks > 1:
        places = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": n_ranks, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        os.environ.update({name: str(value) for name, value in places.items()})
    corpus, model = start(encoder)
    recipe = TRAINING.changed(learning_rate=RATES[encoder])
    scores = lambda model: {"score": sum(weight.detach().square().sum().item() for weight in model.parameters())}
    os.dup2(os.open(folder / f"output-{rank}", os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)  # complaints of lost connections
    fine_tune(model, [corpus], Sampling.parse("Hybrid"), recipe, folder, 3, scores, log=lambda line: None)


def started(folder: Path, encoder: str, n_ranks: int) -> list[multiprocessing.Process]:
    """The processes of the training in a folder."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=train, args=(folder, encoder, rank, n_ranks, port)) for rank in range(n_ranks)]
    for process in processes:
        process.start()
    return processes


def n_updates(folder: Path) -> int:
    """Lines that the first process has left."""
    path = folder / "seen-0"
    return path.read_bytes().count(b"\n") if path.is_file() else 0


def killed(folder: Path, encoder: str, n_ranks: int, chance: random.Random) -> float | None:
    """Kill one process at a random time; seconds until the others had ended, None where all had ended before."""
    processes, until = started(folder, encoder, n_ranks), n_updates(folder) + chance.randrange(1, AT_MOST)
    while n_updates(folder) < until and processes[0].is_alive():
        time.sleep(0.001)
    time.sleep(chance.uniform(0, 0.05))
    victim = chance.choice(processes)
    died = victim.is_alive()
    victim.kill()
    since = time.monotonic()
    for process in processes:
        process.join(60)
        if process.is_alive():
            process.kill()
            raise SystemExit(f"a process outlived another one by a minute: see {folder}")
    return time.monotonic() - since if died else None


def seen(folder: Path, n_ranks: int) -> Seen:
    """What the processes left."""
    found: Seen = {}
    for rank in range(n_ranks):
        for line in (folder / f"seen-{rank}").read_text().splitlines():
            update, digest, loss = line.split()
            found.setdefault((rank, int(update)), set()).add((digest, loss))
    return found


def result(folder: Path) -> dict[str, bytes]:
    """Bytes of the weights and of the history."""
    names = ("history.json", *(str(path.relative_to(folder)) for path in folder.glob("model/**/*.safetensors")))
    return {name: (folder / name).read_bytes() for name in names}


def whole(folder: Path, encoder: str, n_ranks: int) -> None:
    """Train to the end."""
    for process in started(folder, encoder, n_ranks):
        process.join()
        assert process.exitcode == 0, f"see {folder}"


def differing(ours: Seen, theirs: Seen, part: Callable[[tuple[str, str]], str]) -> int:
    """Updates of a process with another batch, or loss, than the undisturbed training's, or with several."""
    return sum({part(one) for one in ours.get(at, ())} != {part(one) for one in theirs[at]} for at in theirs)


def main(n_kills: int) -> int:
    """Print the table; 1 if something differs."""
    torch.set_num_threads(1)
    print(
        "| encoder | processes | kills | updates | computed again | other batches | other losses | weights and history "
        "| ended after |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|---|---|")
    wrong = 0
    for encoder in ENCODERS:
        start(encoder)
        for n_ranks in (1, 2):
            wrong += row(encoder, n_ranks, n_kills)
    return int(bool(wrong))


def row(encoder: str, n_ranks: int, n_kills: int) -> int:
    """Print a row; returns how much differs."""
    chance, work = random.Random(n_ranks), Path(tempfile.mkdtemp())
    for name in ("alone", "killed"):
        (work / name).mkdir()
    whole(work / "alone", encoder, n_ranks)
    took_s = [killed(work / "killed", encoder, n_ranks, chance) for _ in range(n_kills)]
    whole(work / "killed", encoder, n_ranks)
    ours, theirs = seen(work / "killed", n_ranks), seen(work / "alone", n_ranks)
    again = n_updates(work / "killed") - TRAINING.updates
    others = [differing(ours, theirs, lambda one, part=part: one[part]) for part in (0, 1)]
    equal = result(work / "killed") == result(work / "alone")
    real = [one for one in took_s if one is not None]
    told = (encoder, n_ranks, len(real), TRAINING.updates, again, *others, "equal" if equal else "differ")
    print("|", " | ".join(map(str, told)), f"| {max(real):.1f} s at most |", flush=True)
    return sum(others) + (not equal)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[2]) if sys.argv[1:2] == ["--kills"] else 10))
