"""What comes of a training and of what it leaves when a process is killed, a file damaged, a disk full.

    python benchmarks/damage.py [--quick]

A small encoder with dropout is trained on Atlas without a fault; then again and again with one. A fault came to a good end
if the training that is typed again gives the same weights and the same history, byte by byte, and says which checkpoint it
passed over; or, where what is kept is read, if one error names what is damaged. Anything else is bad, and makes the exit
status 1.
``--quick`` makes some twenty faults.
"""

from __future__ import annotations

import errno
import multiprocessing
import os
import pickle
import random
import resource
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"  # processes are forked

import torch
from transformers import TrainerState

from kit.data.registry import load_corpus, load_task
from kit.evaluate.evaluation import Evaluation
from kit.evaluate.evaluator import evaluate
from kit.run.evaluating import load_trained
from kit.train.checkpoints import checkpoints
from kit.train.config import EncoderConfig, TrainingConfig
from kit.train.encoders.making import make_encoder
from kit.train.samplers import Sampling
from kit.train.trainer import fine_tune

SOURCE = "atlas?languages=de,en"
ENCODER = EncoderConfig(dimension=32, vocabulary_size=1000, dropout=0.1)
TRAINING = TrainingConfig(updates=30, batch_size=16, evaluations=6, learning_rate=0.05)
HALFWAY = 20
GOOD = ("same result", "clear error")
Outcome = str


@cache
def start():
    """Corpus and encoder, made once."""
    corpus = load_corpus(SOURCE)
    return corpus, make_encoder(ENCODER, corpus.table.column("query").to_pylist()[:2000], seed=0)


def train(folder: Path, log: Callable[[str], None] = lambda line: None, prepare: Callable[[], None] = lambda: None) -> None:
    """The training, the same each time."""
    prepare()
    corpus, model = start()
    scores = lambda model: {
        "score": sum(weight.detach().square().sum().item() for weight in model.parameters()),
        "first": 1.0,
    }
    fine_tune(model, [corpus], Sampling.parse("Hybrid"), TRAINING, folder, seed=3, validation=scores, log=log)


def in_a_process(function: Callable, *arguments: object, kill_after_s: float | None = None) -> tuple[str, list[str]]:
    """What kind of error a function ends with in a forked process ("" for none), and the lines that it logs."""
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()
    process = context.Process(target=_told, args=(there, function, arguments))
    process.start()
    there.close()
    if kill_after_s is not None:
        process.join(kill_after_s)
        process.kill()
        process.join()
        return "killed", []
    try:
        told = here.recv()
    except EOFError:
        told = "the process died", []
    process.join()
    return told


def _told(there, function, arguments) -> None:
    lines: list[str] = []
    try:
        function(*arguments, lines.append)
        there.send(("", lines))
    except Exception as error:
        there.send((f"{type(error).__name__}: {error}", lines))


def train_in_a_process(folder: Path, prepare: Callable[[], None] = lambda: None, **options) -> tuple[str, list[str]]:
    """Train in a process of its own; see ``in_a_process``."""
    return in_a_process(lambda log: train(folder, log, prepare), **options)


def result(folder: Path) -> dict[str, bytes]:
    """Bytes of the weights and of the history."""
    names = ("history.json", *(str(path.relative_to(folder)) for path in folder.glob("model/**/*.safetensors")))
    return {name: (folder / name).read_bytes() for name in names}


def again(folder: Path, whole: dict[str, bytes], says: bool = False) -> Outcome:
    """Type the same once more, and hold the result against that of the training without a fault."""
    error, lines = train_in_a_process(folder)
    if error or result(folder) != whole or checkpoints(folder):
        return f"bad: {error or 'another result'}"
    return "same result" if not says or any("passed over" in line for line in lines) else "bad: not a word"


def damages(file: Path, chance: random.Random) -> Iterator[tuple[str, Callable[[], object]]]:
    """Ways to damage a file, by name."""
    content = file.read_bytes()
    bit = chance.randrange(8 * len(content))
    flipped = bytearray(content)
    flipped[bit // 8] ^= 1 << bit % 8
    yield "missing", file.unlink
    yield "empty", partial(file.write_bytes, b"")
    yield "half", partial(file.write_bytes, content[: len(content) // 2])
    yield "one bit", partial(file.write_bytes, bytes(flipped))
    yield "a pickle", partial(file.write_bytes, pickle.dumps({"a": 1}))


def files_of(folder: Path) -> list[Path]:
    """All but the card, which nobody reads numbers from."""
    return [file for file in sorted(folder.rglob("*")) if file.is_file() and file.name != "README.md"]


def kills(work: Path, whole: dict[str, bytes], n: int, took_s: float, chance: random.Random) -> Iterator[Outcome]:
    """kill -9 at a random time, once or twice, then again."""
    for number in range(n):
        folder = work / f"killed-{number}"
        for _ in range(1 + number % 2):
            train_in_a_process(folder, kill_after_s=chance.uniform(0, took_s))
        yield again(folder, whole)
        shutil.rmtree(folder)


class StoppedError(Exception):
    """The training was stopped on purpose."""


def interrupted(folder: Path) -> Path:
    """A training that ended after ``HALFWAY``."""

    def stop(line: str) -> None:
        if int(line.split("update")[1].split("/")[0]) > HALFWAY:
            raise StoppedError

    in_a_process(lambda log: train(folder, stop))
    return folder


def checkpoint_faults(work: Path, whole: dict[str, bytes], chance: random.Random) -> Iterator[Callable[[], Outcome]]:
    """Every file of the last checkpoint damaged in every way; all checkpoints; a folder that is none."""
    half = interrupted(work / "half")
    names = [file.relative_to(half) for file in files_of(checkpoints(half)[-1])]

    def one(number: int, name: Path, all_of_them: bool) -> Outcome:
        folder = Path(shutil.copytree(half, work / "damaged"))
        last = checkpoints(folder)[-1]
        for checkpoint in checkpoints(folder) if all_of_them else [last]:
            file = folder / checkpoint.name / name.relative_to(last.name)
            list(damages(file, chance))[number][1]()
        outcome = again(folder, whole, says=True)
        shutil.rmtree(folder)
        return outcome

    def foreign() -> Outcome:
        folder = Path(shutil.copytree(half, work / "foreign"))
        (folder / "checkpoint-x").mkdir()
        outcome = again(folder, whole)
        return outcome if (folder / "checkpoint-x").is_dir() else "bad: a folder of others was deleted"

    yield from (partial(one, number, name, False) for number in range(5) for name in names)
    yield from (partial(one, number, names[-1], True) for number in range(5))
    yield foreign


def full_disk(folder: Path, whole: dict[str, bytes], prepare: Callable[[], None]) -> Outcome:
    """A disk that takes no more, then again with room."""
    error, _ = train_in_a_process(folder, prepare)
    if not error.startswith("OSError") or "make room" not in error:
        return f"bad: {error or 'no error'}"
    return again(folder, whole)


def no_file_above(n_bytes: int) -> None:
    """Writing beyond so many bytes is an error (EFBIG), as beyond the end of a disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, n_bytes))


def no_room_for_the_state(nth: int) -> None:
    """The disk is full when half of the nth ``trainer_state.json`` is written."""
    save, seen = TrainerState.save_to_json, iter(range(1000))

    def saving(self: TrainerState, path: str) -> None:
        save(self, path)
        if next(seen) == nth:
            Path(path).write_bytes(Path(path).read_bytes()[:100])
            raise OSError(errno.ENOSPC, "No space left on device")

    TrainerState.save_to_json = saving


def read_faults(path: Path, files: list[Path], read: Callable[[], object], n_bits: int, chance: random.Random):
    """Damage what is kept, and read it: an error has to name the damaged file, or what its checksums are of."""
    for file in files:
        content = file.read_bytes()
        ways = [*damages(file, chance), *(list(damages(file, chance))[3] for _ in range(n_bits))]
        for name, damage in ways:
            damage()
            try:
                read()
                yield f"bad: {file.name}, {name}, read as good"
            except ValueError as error:
                named = file.name in str(error) or path.name in str(error)
                yield "clear error" if named else f"bad: {error}"
            finally:
                file.write_bytes(content)


def kept_evaluation(folder: Path, work: Path) -> Path:
    """The trained model's evaluation, in a file."""
    path = work / "evaluation.parquet"
    evaluate(load_trained(folder), load_task(SOURCE, split="validation").sample(20, 200)).write(path)
    return path


def main(quick: bool) -> int:
    """Make the faults, print the table, tell whether all came to a good end."""
    torch.set_num_threads(1)
    chance, work = random.Random(0), Path(tempfile.mkdtemp())
    start()
    folder = work / "whole"
    train_in_a_process(folder)  # the first one also warms up what all have in common
    shutil.rmtree(folder)
    began = time.monotonic()
    error, _ = train_in_a_process(folder)
    took_s = time.monotonic() - began
    assert not error, error
    whole = result(folder)
    of_checkpoints = list(checkpoint_faults(work, whole, chance))
    sizes = sorted({file.stat().st_size for file in files_of(checkpoints(work / "half")[-1])})
    limits = [size - 1 for size in sizes if size > 1]
    if quick:
        of_checkpoints, limits = [*chance.sample(of_checkpoints[:-1], 2), of_checkpoints[-1]], limits[-1:]
    disks = [partial(no_file_above, limit) for limit in limits]
    disks += [partial(no_room_for_the_state, nth) for nth in ([1] if quick else range(4))]
    path = kept_evaluation(folder, work)
    read = partial(Evaluation.read, path)
    table: dict[str, list[Outcome]] = {
        "process killed at a random time": list(kills(work, whole, 2 if quick else 60, took_s, chance)),
        "file of a checkpoint damaged": [make() for make in of_checkpoints],
        "disk full": [full_disk(work / f"full-{n}", whole, prepare) for n, prepare in enumerate(disks)],
    }
    files = files_of(folder / "model")
    shown = files[-1:] if quick else files
    table["file of a kept model damaged"] = list(
        read_faults(folder / "model", shown, partial(load_trained, folder), 0, chance)
    )
    files = [path, path.with_name(f"{path.name}.checksum")]
    shown = files[:1] if quick else files
    table["kept evaluation damaged"] = list(read_faults(path, shown, read, 2 if quick else 300, chance))
    shutil.rmtree(work)
    return show(table)


def show(table: dict[str, list[Outcome]]) -> int:
    """Print the counts, and what is bad; 1 if something is."""
    print("| fault | made | same result | clear error | bad |\n|---|---:|---:|---:|---:|")
    for kind, outcomes in table.items():
        counts = Counter(outcomes)
        good = [counts[name] for name in GOOD]
        print("|", " | ".join(map(str, (kind, len(outcomes), *good, len(outcomes) - sum(good)))), "|")
    bad = [f"{kind}: {outcome}" for kind, outcomes in table.items() for outcome in outcomes if outcome not in GOOD]
    for one in bad:
        print(one)
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main("--quick" in sys.argv[1:]))
