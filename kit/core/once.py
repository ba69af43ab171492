"""Methods that work once for each choice of arguments."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar, TypeVarTuple

_Owner = TypeVar("_Owner")
_Given = TypeVarTuple("_Given")
_Result = TypeVar("_Result")


def once(method: Callable[[_Owner, *_Given], _Result]) -> Callable[[_Owner, *_Given], _Result]:
    """Keep what a method of an object that does not change returns, as long as the object lives, by its arguments.

    ``functools.lru_cache`` would keep the objects alive, too. Arguments are hashable and are given by position.
    """

    @wraps(method)
    def kept(self: _Owner, *arguments: *_Given) -> _Result:
        memory = self.__dict__.setdefault("_once", {})
        place = (method.__name__, *arguments)
        if place not in memory:
            memory[place] = method(self, *arguments)
        return memory[place]

    return kept
