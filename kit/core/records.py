"""JSON files that the kit reads back: each is held against the shape that a type says, in one place."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from kit.core.tables import parsed_json


class Record(BaseModel):
    """A JSON object with these fields; others are not looked at. Nothing is converted."""

    model_config = ConfigDict(strict=True, frozen=True)


def read(path: str | Path, shape: Any, remedy: str) -> Any:
    """Read a JSON file.

    Args:
        path: of the file.
        shape: a ``Record``, a dataclass, or any type of these, such as ``list[Finding]``. ``null`` is NaN.
        remedy: what to do about another file; ends the message.

    Raises:
        ValueError: no such file, no JSON, or JSON of another shape; the message names file and field.
    """
    try:
        return parse(Path(path).read_bytes(), shape)
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror}): {remedy}") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}: {remedy}") from None


def parse(text: str | bytes, shape: Any) -> Any:
    """A JSON text in the shape of a type.

    Raises:
        ValueError: no JSON, or JSON of another shape; names the first field that is wrong.
    """
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:  # covers bytes that are no text
        raise ValueError(f"no JSON ({error})") from None
    try:
        return TypeAdapter(shape).validate_json(json.dumps(_with_nan(content)))
    except ValidationError as error:
        first = error.errors()[0]
        place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]).lstrip(".")
        if first["type"] == "missing":
            raise ValueError(f"{place} is missing") from None
        if first["type"] == "value_error":  # what the type itself refuses
            raise ValueError(": ".join(filter(None, [place, str(first.get("ctx", {})["error"])]))) from None
        raise ValueError(f"{place or 'it'} is {first['input']!r:.60}: {first['msg'].lower()}") from None


def without_nan(value: Any) -> Any:
    """The same with ``None`` for NaN, which JSON does not know; lists for tuples."""
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_nan(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _with_nan(value: object) -> object:
    """The same with NaN for ``None``, as it was before it was written."""
    if isinstance(value, dict):
        return {key: _with_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_nan(item) for item in value]
    return float("nan") if value is None else value


def read_task_settings(path: Path) -> dict:
    """Name and languages of a task, from its ``task.json``.

    Raises:
        ValueError: no such file, or not of that form.
    """
    if path.parent.is_file():
        raise ValueError(f"{path.parent} is a file, and a task is a folder: docs/own-data.md says how to write one")
    if not path.is_file():
        raise ValueError(f'{path}: no such file: write {{"name": "mine", "languages": ["de", "en"]}} there')
    settings: dict = {}
    try:
        settings = cast("dict", parsed_json(path.read_bytes()))
        right = isinstance(settings["name"], str) and isinstance(settings["languages"], list)
        right = right and all(isinstance(tag, str) for tag in settings["languages"])
    except (ValueError, KeyError, TypeError):
        right = False
    if not right or not settings["languages"]:
        raise ValueError(f'{path}: not of the form {{"name": "mine", "languages": ["de", "en"]}}: write it so')
    return settings
