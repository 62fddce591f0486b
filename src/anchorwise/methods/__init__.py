"""Who encodes what, and which rows meet: one method per file.

A method is a module: views of a batch in, the objective's outcome out. `anchorwise.methods.registry` has them by name.
"""

from anchorwise.methods.base import Clock, Method, MethodConfig, Projected, Step
from anchorwise.methods.byol import BYOL
from anchorwise.methods.moco import MoCo
from anchorwise.methods.moco_v3 import MoCoV3
from anchorwise.methods.nnclr import NNCLR
from anchorwise.methods.registry import METHODS, AnyMethodConfig
from anchorwise.methods.simclr import SimCLR
from anchorwise.methods.simsiam import SimSiam
from anchorwise.methods.swav import SwAV
from anchorwise.modalities.base import Batch, ViewPlan

__all__ = [
    "BYOL",
    "METHODS",
    "NNCLR",
    "AnyMethodConfig",
    "Batch",
    "Clock",
    "Method",
    "MethodConfig",
    "MoCo",
    "MoCoV3",
    "Projected",
    "SimCLR",
    "SimSiam",
    "Step",
    "SwAV",
    "ViewPlan",
]
