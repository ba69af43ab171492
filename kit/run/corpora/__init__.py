"""Corpora of any size: encoded by as many processes as there are, searched with the whole bias panel."""
