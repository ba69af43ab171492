"""One training on several devices of a machine: a process for each, which has its part of every batch."""
