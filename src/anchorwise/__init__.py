"""Contrastive representation learning that takes the tail of the hardest negatives seriously.

    loss = anchorwise.WEINCE()(view0, view1)

Importing this package imports torch and nothing heavier.
"""

from anchorwise import adapters, engine, objectives, tails
from anchorwise.objectives import (
    WEINCE,
    InfoNCE,
    Mixture,
    Objective,
    Outcome,
    Selection,
    Weibit,
    hardest_regularised,
)
from anchorwise.tails import CapGate, ConstantGate, HardGate, LikelihoodGate, PublishedGate

__version__ = "0.1.0"

__all__ = [
    "WEINCE",
    "CapGate",
    "ConstantGate",
    "HardGate",
    "InfoNCE",
    "LikelihoodGate",
    "Mixture",
    "Objective",
    "Outcome",
    "PublishedGate",
    "Selection",
    "Weibit",
    "adapters",
    "engine",
    "hardest_regularised",
    "objectives",
    "tails",
]
