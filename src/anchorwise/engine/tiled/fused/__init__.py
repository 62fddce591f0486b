"""Steps of a tile in one pass each, by kernels that the machine's own C compiler makes; where it has none, by torch."""

from anchorwise.engine.tiled.fused.compiled import kernels, kernels_for
from anchorwise.engine.tiled.fused.reducers import FusedCommonSoftmax, FusedExceedances, FusedLogShortfallSum

__all__ = ["FusedCommonSoftmax", "FusedExceedances", "FusedLogShortfallSum", "kernels", "kernels_for"]
