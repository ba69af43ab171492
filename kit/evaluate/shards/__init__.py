"""Corpora of any size: embeddings in shards on disk, exact search over them, and scores as trec_eval computes them."""
