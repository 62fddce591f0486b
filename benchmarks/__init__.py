"""Measurements: what they found is in `results/`. A package, since installed ones may have that name too."""
