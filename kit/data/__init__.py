"""What models learn from and are judged on: parallel corpora, retrieval tasks, bitext tasks, and where they come from.

It reads and checks texts, and knows nothing of scores or experiments, and of models only what they read of a text
(``inputs``). A new source is one file in ``sources``.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
