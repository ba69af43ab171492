"""Methods that work once for each choice of arguments."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps


def once(method: Callable) -> Callable:
    """Keep what a method of an object that does not change returns, as long as the object lives, by its arguments.

    ``functools.lru_cache`` would keep the objects alive, too. Arguments are hashable and are given by position.
    """

    @wraps(method)
    def kept(self, *arguments):
        memory = self.__dict__.setdefault("_once", {})
        place = (method.__name__, *arguments)
        if place not in memory:
            memory[place] = method(self, *arguments)
        return memory[place]

    return kept
