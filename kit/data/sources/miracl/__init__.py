"""The layout of MIRACL (arXiv 2210.09984): passages of Wikipedia in 18 languages, questions judged in their own language.

Two published sets, side by side or in folders beside each other::

    miracl-v1.0-sw/topics/topics.miracl-v1.0-sw-dev.tsv     question id, tab, question
    miracl-v1.0-sw/qrels/qrels.miracl-v1.0-sw-dev.tsv       question id, Q0, passage id, 0 or 1
    miracl-corpus-v1.0-sw/docs-0.jsonl.gz …                 docid, title, text
"""

from kit.data.sources.miracl.files import judged, task

__all__ = ["judged", "task"]
