"""How good and how fair a ranking is: every score of one model on one task, from one pass.

It compares no models and draws no conclusions; it needs nothing of a model but that it encodes texts. ``bias`` holds the
measures of the panel, ``debias`` the remedies without training, ``mining`` the search for translations.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
