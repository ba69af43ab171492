"""Training data that did not exist: machine-translated groups, paraphrases, switched words, and what is wrong with them.

It makes corpora out of corpora; what they are good for is measured elsewhere.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
