"""One seed to every generator, and hashes that are the same on every machine."""

from __future__ import annotations

import hashlib
import random
from math import isqrt
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


class Shuffle:
    """A random order of the numbers 0 … n-1 of which each place is computed when it is asked for: none is held in memory.

    A Feistel network (Luby and Rackoff 1988) on number pairs (left < a, right < b) with a · b just above n (Black and
    Rogaway 2002): each round adds a hash of one half to the other, so that no two numbers meet; a result of n or above goes
    through again. Every number stands at exactly one place.

    Args:
        n: how many numbers, at least 1.
        rng: draws the keys of the rounds.

    >>> sorted(Shuffle(5, generator(0))[np.arange(5)].tolist())
    [0, 1, 2, 3, 4]
    """

    def __init__(self, n: int, rng: np.random.Generator) -> None:
        self._n, self._right = n, np.uint64(isqrt(n - 1) + 1)
        self._left = np.uint64(-(-n // int(self._right)))
        self._keys = rng.integers(2**64, size=_ROUNDS, dtype=np.uint64)

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, places: np.ndarray) -> np.ndarray:
        """The numbers at some places (0 <= place < n), any shape, int64."""
        found = self._once(np.asarray(places, np.uint64))
        while (outside := found >= self._n).any():
            found[outside] = self._once(found[outside])
        return found.astype(np.int64)

    def _once(self, numbers: np.ndarray) -> np.ndarray:
        left, right = np.divmod(numbers, self._right)
        for key in self._keys.reshape(-1, 2):
            left = (left + mixed(right + key[0])) % self._left
            right = (right + mixed(left + key[1])) % self._right
        return left * self._right + right


_ROUNDS = 8
"""Of ``Shuffle``, an even number; four give a pseudo-random order if their hashes are random."""


def mixed(numbers: np.ndarray) -> np.ndarray:
    """Hash of each number, uint64 to uint64, one to one, the same everywhere (the finaliser of SplitMix64)."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))


def seed_everything(seed: int) -> None:
    """Seed the generators of Python, NumPy and torch (all devices)."""
    import torch

    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
