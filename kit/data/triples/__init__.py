"""Training data larger than memory: triples by id over collections of texts, converted once and memory-mapped."""
