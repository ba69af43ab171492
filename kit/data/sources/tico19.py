"""TICO-19, texts on COVID-19 that people translated, into low-resource languages too: parallel sentences."""

from __future__ import annotations

from kit.data.sources.sentences import bitext, corpus

__all__ = ["bitext", "corpus"]
