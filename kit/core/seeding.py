"""One seed to every generator, and hashes that are the same on every machine."""

from __future__ import annotations

import hashlib
import random
from operator import index

import numpy as np

from kit.core.configs import whole_number


def stable_hash(text: str, seed: int = 0) -> int:
    """Hash of a text as an integer in [0, 2**64), the same in every process (Python's own ``hash`` is salted).

    >>> stable_hash("xquad") == stable_hash("xquad"), stable_hash("xquad", seed=1) == stable_hash("xquad")
    (True, False)
    """
    try:
        key = index(seed).to_bytes(8, "little", signed=True)
    except (OverflowError, TypeError):
        raise ValueError(f"seed is {seed!r:.80}: choose a whole number from -2**63 to 2**63 - 1") from None
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8, key=key).digest(), "little")


def stable_fraction(text: str, seed: int = 0) -> float:
    """Hash of a text as a number in [0, 1): an item keeps its place in a split when other items come or go."""
    return stable_hash(text, seed) / 2**64


def generator(seed: int, *path: int | str) -> np.random.Generator:
    """Random generator for one place in the program, a pure function of the seed and the path to that place.

    ``path`` names the place, such as ``("epoch", 3, "batch", 17)``; two different paths give independent streams.
    """
    whole_number("seed", seed, 0)
    words = [step if isinstance(step, int) else stable_hash(step) for step in path]
    # A spawn key, since NumPy pads short entropy with zeros: ("epoch",) and ("epoch", 0) would be one stream.
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(int(seed), spawn_key=words)))


def seed_everything(seed: int) -> None:
    """Seed the generators of Python, NumPy and torch (all devices)."""
    import torch

    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
