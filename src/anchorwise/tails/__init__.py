"""Per-anchor statistics of the hardest negatives, and the gates and exponents made of them: batched and detached."""

from anchorwise.tails.blend import Blend, LinkReading, read_link
from anchorwise.tails.bootstrap import BootstrapInterval, block_bootstrap
from anchorwise.tails.endpoint import EndpointEstimate, endpoint_estimate
from anchorwise.tails.estimators import HillTail, RegressionTail, TailEstimator
from anchorwise.tails.evidence import (
    LawComparison,
    LikelihoodEvidence,
    PublishedEvidence,
    law_comparison,
    likelihood_evidence,
    published_evidence,
)
from anchorwise.tails.exponents import (
    AnchorExponent,
    BatchExponent,
    Exponent,
    FixedExponent,
    LaggedExponent,
    PooledExponent,
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
from anchorwise.tails.hill import HillEstimate, hill_estimate
from anchorwise.tails.names import EXPONENTS, GATES, TAILS, ExponentName, GateName, TailName
from anchorwise.tails.negatives import Negatives, hardest_shortfall
from anchorwise.tails.pareto import ParetoEstimate, pareto_estimate
from anchorwise.tails.rows import Note, RowResult

__all__ = [
    "EXPONENTS",
    "GATES",
    "TAILS",
    "AnchorExponent",
    "BatchExponent",
    "Blend",
    "BootstrapInterval",
    "CapGate",
    "ConstantGate",
    "EndpointEstimate",
    "Exponent",
    "ExponentName",
    "FixedExponent",
    "Gate",
    "GateName",
    "GateReading",
    "HardGate",
    "HillEstimate",
    "HillTail",
    "LaggedExponent",
    "LawComparison",
    "LikelihoodEvidence",
    "LikelihoodGate",
    "LinkReading",
    "Negatives",
    "Note",
    "ParetoEstimate",
    "PooledExponent",
    "PublishedEvidence",
    "PublishedGate",
    "RegressionTail",
    "RowResult",
    "TailEstimator",
    "TailName",
    "block_bootstrap",
    "endpoint_estimate",
    "hardest_shortfall",
    "hill_estimate",
    "law_comparison",
    "likelihood_evidence",
    "pareto_estimate",
    "published_evidence",
    "read_link",
]
