"""NTREX-128, news of WMT 2019 that people translated into 128 languages: parallel sentences."""

from __future__ import annotations

from kit.data.sources.sentences import bitext, corpus

__all__ = ["bitext", "corpus"]
