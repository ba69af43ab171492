"""What the studies of notebooks 06 to 11 share and what each has of its own."""
