"""Hard negatives: passages that a model takes for answers and that are none."""
