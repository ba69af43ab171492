"""Public sets by their names: what is known of each (``manifest``), its files (``remote``, ``fetching``), its tables.

Everything that differs between two sets stands in ``data/hub.yaml``; everything that differs between two forms of files is a
layout (``layouts``). Only ``getting`` calls out, when it is asked to; what reads a set never does.
"""
