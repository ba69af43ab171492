"""A page without Jupyter: audit a model, ask it questions. Voilà serves the notebook beside this file."""
