"""kit: hybrid batch training for multilingual dense retrieval, from data to language bias (arXiv 2408.10536).

Data flows one way: corpus, sources -> samplers, losses, encoders, trainer -> search, metrics, bias, stats, evaluate
-> plots, report -> pipeline, __main__. Importing ``kit`` imports nothing else, so that ``python -m kit --help`` is instant.
"""

__version__ = "0.1.0"
