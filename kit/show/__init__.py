"""What people see: tables, figures, explorers, the page of a run.

Nothing is computed here that is not shown at once, and nothing is trained or evaluated.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
