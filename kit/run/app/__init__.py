"""A page without Jupyter: audit a model, ask it questions. Voilà serves it, as a notebook of one cell."""
