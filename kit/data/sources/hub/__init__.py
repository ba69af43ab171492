"""Public sets by the names of ``data/hub.yaml``: ``hub:miracl?languages=sw,te``; got by ``python -m kit data get``."""

from kit.data.sources.hub.forms import bitext, content_digest, corpus, judged, passages, task

__all__ = ["bitext", "content_digest", "corpus", "judged", "passages", "task"]
