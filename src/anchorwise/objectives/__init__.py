"""Contrastive objectives, one per file."""

from anchorwise.objectives.info_nce import InfoNCE
from anchorwise.objectives.mixture import Mixture, hardest_regularised
from anchorwise.objectives.objective import Objective, Outcome
from anchorwise.objectives.registry import OBJECTIVES, build
from anchorwise.objectives.selection import Selection
from anchorwise.objectives.weibit import Weibit
from anchorwise.objectives.weince import WEINCE

__all__ = [
    "OBJECTIVES",
    "WEINCE",
    "InfoNCE",
    "Mixture",
    "Objective",
    "Outcome",
    "Selection",
    "Weibit",
    "build",
    "hardest_regularised",
]
