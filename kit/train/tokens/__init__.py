"""Texts as tokens: what a tokenizer has made of a text is remembered, in memory or on disk, and not made again."""
