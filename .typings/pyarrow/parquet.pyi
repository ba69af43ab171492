"""pyarrow makes most of itself when it is imported, so that no type checker sees it."""

from typing import Any

def __getattr__(name: str) -> Any: ...
