"""Contrastive representation learning that takes the tail of the hardest negatives seriously."""

__version__ = "0.1.0"
