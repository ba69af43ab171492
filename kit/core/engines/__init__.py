"""Engines, which carry out jobs: this machine, a Ray cluster, or Slurm. One call for all three: ``carrying.carry_out``."""
