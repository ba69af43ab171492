"""The bias panel: one measure of language bias a file, and what reads them all."""
