"""What settings are made of: frozen, checked when they are made, with messages that name the value and the way out."""

from __future__ import annotations

from numbers import Integral
from typing import TYPE_CHECKING, Annotated, Any, Self, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo


def whole_number(name: str, value: Any, low: int, high: int | None = None, what: str = "") -> None:
    """Raise ``ValueError`` unless an argument is a whole number in a range, for functions that take no settings.

    Args:
        what: the upper end is; stands at the end of the message.
    """
    right = isinstance(value, Integral) and not isinstance(value, bool)
    if not right or int(value) < low or (high is not None and int(value) > high):
        ends = f"at least {low}" if high is None else f"{low} to {high}{what and f', {what}'}"
        raise ValueError(f"{name} is {value!r:.80}: choose {ends}{'' if right else ', a whole number'}")


class Config(BaseModel):
    """Fields with types, ranges and defaults; unknown names and values of another type are refused.

    A whole number is taken where a fraction is wanted, a list where a tuple is; nothing else is converted.

    Raises:
        ValueError: an unknown name, or a value of the wrong type or out of range; the first one found.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, validate_default=True)

    if not TYPE_CHECKING:

        def __init__(self, **values: Any) -> None:
            try:
                super().__init__(**values)
            except ValidationError as error:
                raise ValueError(_message(type(self), error)) from None

    def changed(self, **values: Any) -> Self:
        """The same with other values; they are checked as all are."""
        return type(self)(**(dict(self) | values))


def _once(value: object) -> object:
    """Lists as tuples; an entry stands once, since two trainings would share a folder."""
    if not isinstance(value, (list, tuple)) or not value:
        raise ValueError("write a list with at least one entry")
    if len(set(value)) < len(value):
        raise ValueError("write each entry once")
    return tuple(value)


ONCE = BeforeValidator(_once)
"""For fields that are lists."""

Text = Annotated[str, Field(min_length=1)]
Texts = Annotated[tuple[Text, ...], ONCE]


def _message(kind: type[Config], error: ValidationError) -> str:
    first = error.errors()[0]
    name, index = str(first["loc"][0]) if first["loc"] else "", first["loc"][1:]
    if first["type"] == "extra_forbidden":
        return f"{name!r} is unknown: choose from {', '.join(kind.model_fields)}"
    if not name:  # a check over several fields
        return str(first.get("ctx", {})["error"])
    default = kind.model_fields[name].get_default(call_default_factory=True)
    seen = f"{name}{''.join(f'[{part}]' for part in index)} is {first['input']!r:.120}"
    if first["type"] == "value_error":
        remedy = str(first.get("ctx", {})["error"])
        return f"{seen}: {remedy}" + (f", such as {list(default)!r}" if "at least one entry" in remedy else "")
    if {"ge", "le"} & set(first.get("ctx", {})):
        return f"{seen}: {_range(kind.model_fields[name], bool(index))}"
    sample = default[0] if index and isinstance(default, tuple) else default
    if first["type"] == "string_too_short":
        return f"{seen}: it is empty: write a text, such as {sample!r}"
    return f"{seen}: write a value of type {type(sample).__name__}, such as {sample!r}"


def _range(field: FieldInfo, is_entry: bool) -> str:
    (limits,) = (get_args(get_args(field.annotation)[0])[1:]) if is_entry else (field,)
    ends = {name: getattr(limit, name) for limit in limits.metadata for name in ("ge", "le") if hasattr(limit, name)}
    return f"it lies between {ends['ge']} and {ends['le']}"
