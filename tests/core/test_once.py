"""What is asked twice is worked out once, an object at a time."""

from __future__ import annotations

from dataclasses import dataclass, field

from kit.core.once import once


@dataclass(frozen=True, eq=False)
class Worker:
    asked: list = field(default_factory=list)

    @once
    def double(self, number: int) -> int:
        """Twice the number."""
        self.asked.append(number)
        return 2 * number

    @once
    def half(self, number: int) -> float:
        self.asked.append(-number)
        return number / 2


def test_by_method_and_arguments():
    worker = Worker()
    assert [worker.double(2), worker.double(3), worker.double(2), worker.half(2), worker.half(2)] == [4, 6, 4, 1, 1]
    assert worker.asked == [2, 3, -2]


def test_objects_do_not_share():
    first, second = Worker(), Worker()
    assert first.double(2) == second.double(2) and first.asked == second.asked == [2]


def test_the_method_keeps_its_name_and_words():
    assert (Worker.double.__name__, Worker.double.__doc__) == ("double", "Twice the number.")
