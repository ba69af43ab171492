"""pyarrow makes its compute functions when it is imported, so that no type checker sees them."""

from typing import Any

def __getattr__(name: str) -> Any: ...
