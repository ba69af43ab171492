"""Which model is better, and how sure one can be: results of several models and seeds, intervals, tests, claims.

It reads evaluations and knows nothing of how models were made, or of how results are shown.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
