"""kit: hybrid batch training for multilingual dense retrieval, from data to language bias (arXiv 2408.10536).

Eight rooms; imports go only to the left: core < data < {augment, train, evaluate} < compare < show < run.
Importing ``kit`` imports nothing else, so that ``python -m kit --help`` is instant.
"""

__version__ = "0.3.0"
