"""One file a source, found by its name (``kit.data.registry``): ``corpus``, ``task`` and ``bitext``, those that it has."""
