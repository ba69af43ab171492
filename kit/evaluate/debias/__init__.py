"""Remedies against language bias that need no training: they change embeddings or scores."""
