"""The bias panel: the measures that there are, each a file of this folder that declares a ``MEASURE``.

What happens to parallel answers, and to languages, in one pool. Measures return one number a list, shape (n_lists,),
float64, NaN where it is not defined; who averages leaves those out and says how many there were. No list gives an empty
array. ``expected_…`` is what a random order of the pool gives. The ranking is complete and without ties
(``kit.evaluate.scores`` breaks them). Languages are indices from 0. To add a measure is to add a file.
"""

from __future__ import annotations

import importlib
import pkgutil

from kit.evaluate.metrics import BiasMeasure

_PACKAGE = "kit.evaluate.bias"


def _declared() -> tuple[BiasMeasure, ...]:
    names = [module.name for module in pkgutil.iter_modules(importlib.import_module(_PACKAGE).__path__)]
    modules = [importlib.import_module(f"{_PACKAGE}.{name}") for name in names if name not in ("measures", "panel")]
    found = [module.MEASURE for module in modules if hasattr(module, "MEASURE")]
    return tuple(sorted(found, key=lambda measure: (measure.order, measure.column)))


PANEL = _declared()
"""The measures of the panel, in the order in which tables and pages show them."""
