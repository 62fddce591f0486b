"""Per-anchor statistics of the hardest negatives, and the gates and exponents made of them: batched and detached."""

from anchorwise.tails.blend import Blend, LinkReading, read_link
from anchorwise.tails.exponents import (
    AnchorExponent,
    BatchExponent,
    Exponent,
    FixedExponent,
    HillTail,
    PooledExponent,
    RegressionTail,
    TailEstimator,
)
from anchorwise.tails.gates import (
    CapGate,
    ConstantGate,
    Gate,
    GateReading,
    HardGate,
    LikelihoodGate,
    PublishedGate,
)
from anchorwise.tails.negatives import Negatives, hardest_shortfall

__all__ = [
    "AnchorExponent",
    "BatchExponent",
    "Blend",
    "CapGate",
    "ConstantGate",
    "Exponent",
    "FixedExponent",
    "Gate",
    "GateReading",
    "HardGate",
    "HillTail",
    "LikelihoodGate",
    "LinkReading",
    "Negatives",
    "PooledExponent",
    "PublishedGate",
    "RegressionTail",
    "TailEstimator",
    "hardest_shortfall",
    "read_link",
]
