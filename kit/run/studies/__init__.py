"""What the studies of notebooks 06 to 10 share and what each has of its own."""
