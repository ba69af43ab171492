"""Synthetic parallel data: ``ParallelCorpus`` in, ``ParallelCorpus`` out.

``translator`` says what a translator is; ``huggingface`` (any translation model of transformers), ``small`` (a real one that
is trained in a minute, for work without a network), ``wordwise`` (word for word, by lexicons) and ``cached`` (nothing is
translated twice) are four, ``choice`` makes and compares them. ``groups`` turns a corpus in one language into parallel
groups, ``tasks`` translates the questions of a test, ``lexicon`` and ``switching`` mix languages within a text, ``filters``
drop what went wrong.
"""
