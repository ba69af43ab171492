"""How a run uses engines: its jobs dealt out, told of while they run, and whole runs as jobs of a sweep."""
