"""Experiments from the outside: settings, the steps with their cache, notebooks, commands, studies.

The only room that knows all others.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
