"""Trained models belong to people: they lie beside the tables of their run, whatever becomes of the cache."""
