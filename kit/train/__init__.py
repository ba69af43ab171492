"""How an encoder learns: which texts meet in a batch, the loss, the trainer, the recipe.

It does not judge: what is watched while a model learns is handed in as a function.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
