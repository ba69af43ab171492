"""Texts as embeddings: computed quickly, kept on disk, or given by somebody else's service."""
