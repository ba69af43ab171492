"""One seed to every generator."""

from __future__ import annotations

import os
import random
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st

from kit.core.seeding import generator, seed_everything, stable_fraction, stable_hash

PATHS = st.lists(st.integers(0, 2**32 - 1) | st.sampled_from(["plan", "batch", "order"]), max_size=5).map(tuple)


def first(seed, *path):
    return int(generator(seed, *path).integers(2**62))


class TestGenerator:
    def test_the_same_path_gives_the_same_stream(self):
        assert generator(3, "batch", 1).random(4).tolist() == generator(3, "batch", 1).random(4).tolist()

    def test_seeds_and_paths_give_other_streams(self):
        places = [(0,), (1,), (0, "plan"), (0, "batch"), (0, "batch", 1), (0, "batch", 2), (0, 1, "batch")]
        assert len({first(*place) for place in places}) == len(places)

    def test_a_path_that_ends_in_zeros_is_not_the_path_without_them(self):
        # SeedSequence([seed, 0]) equals SeedSequence([seed]).
        assert len({first(0), first(0, 0), first(0, 0, 0), first(0, "epoch"), first(0, "epoch", 0)}) == 5

    def test_a_seed_beyond_32_bits_is_not_a_seed_and_a_step(self):
        assert first(2**32) != first(0, 1)

    @given(PATHS, PATHS)
    def test_different_paths_never_agree(self, one, other):
        assert (first(7, *one) == first(7, *other)) == (one == other)

    def test_streams_are_uniform(self):
        drawn = np.array([generator(0, "batch", index).random() for index in range(2000)])
        assert abs(drawn.mean() - 0.5) < 4 * np.sqrt(1 / 12 / len(drawn))


class TestStableHash:
    def test_seed_and_text_matter(self):
        assert len({stable_hash("a"), stable_hash("b"), stable_hash("a", 1), stable_hash("a", -1)}) == 4

    @pytest.mark.parametrize("salt", ["0", "1"])
    def test_the_same_in_every_process(self, salt):
        code = (
            "from kit.core.seeding import generator, stable_hash\n"
            "print(stable_hash('Straße', 5), generator(1, 'x', 2).integers(2**62))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": salt},
        )
        assert [int(word) for word in done.stdout.split()] == [stable_hash("Straße", 5), first(1, "x", 2)]

    @given(st.text(), st.integers(-(2**63), 2**63 - 1))
    def test_a_fraction_is_below_one(self, text, seed):
        assert 0 <= stable_fraction(text, seed) < 1

    def test_fractions_are_uniform(self):
        counts = np.histogram([stable_fraction(str(number)) for number in range(4000)], bins=10, range=(0, 1))[0]
        assert ((counts - 400) ** 2 / 400).sum() < 27.9  # chi-square with 9 degrees of freedom, p = 0.001


def test_seed_everything_seeds_python_numpy_and_torch():
    def draw(seed):
        seed_everything(seed)
        return random.random(), np.random.random(), torch.rand(1).item()

    assert draw(2**40) == draw(2**40)
    assert all(one != other for one, other in zip(draw(1), draw(2)))
