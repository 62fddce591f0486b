"""Links: how a cosine becomes a logit, a kernel, or a weight.

A link works entry by entry and may have parameters: one for all anchors, learnable or not, or one per anchor, which is
what lets an objective treat every anchor by its own tail. `1 - s` is guarded in `links.base` and nowhere else.
"""

from anchorwise.links.base import MIN_SHORTFALL, Link, Parameter, shortfall, squared_distance
from anchorwise.links.divergences import (
    DIVERGENCES,
    Divergence,
    DivergenceName,
    NegativeTerm,
    PositiveTerm,
    Tsallis,
    as_divergence,
)
from anchorwise.links.kernels import (
    DistancePower,
    GaussianKernel,
    InverseMultiquadric,
    LogGaussianKernel,
    LogKernel,
    RieszKernel,
)
from anchorwise.links.logits import ArctanhLink, BlendLink, ShortfallLink, SigmoidLink, SoftmaxLink
from anchorwise.links.weights import BellWeight, Moment, WeightedLink

__all__ = [
    "DIVERGENCES",
    "MIN_SHORTFALL",
    "ArctanhLink",
    "BellWeight",
    "BlendLink",
    "DistancePower",
    "Divergence",
    "DivergenceName",
    "GaussianKernel",
    "InverseMultiquadric",
    "Link",
    "LogGaussianKernel",
    "LogKernel",
    "Moment",
    "NegativeTerm",
    "Parameter",
    "PositiveTerm",
    "RieszKernel",
    "ShortfallLink",
    "SigmoidLink",
    "SoftmaxLink",
    "Tsallis",
    "WeightedLink",
    "as_divergence",
    "shortfall",
    "squared_distance",
]
