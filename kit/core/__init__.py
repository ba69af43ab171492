"""What every other room stands on: paths, seeds, languages, tables in files, fingerprints, processes, devices.

It knows nothing of retrieval: no corpus, no task, no model. Nothing here imports another room.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
