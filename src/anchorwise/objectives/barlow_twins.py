"""Barlow Twins: every dimension of one view goes with the same dimension of the other, and with none of the rest.

Source: Zbontar et al. 2021, "Barlow Twins: Self-Supervised Learning via Redundancy Reduction", Eqs. 1 and 2,
https://arxiv.org/abs/2103.03230, and its released code.
"""

from typing import final

from jaxtyping import Float
from torch import Tensor

from anchorwise import _checks, _tensor_checks
from anchorwise._precision import products
from anchorwise.objectives.objective import Objective, Outcome, mean_outcome
from anchorwise.objectives.parts.unscaled import unscaled_views

# n = samples, v = views, d = embedding width

_EPS = 1e-5  # What batch normalisation adds to a variance; the released code standardises with it.


@final
class BarlowTwins(Objective):
    """`sum_i (1 - C_ii)^2 + off_diagonal_weight sum_{i != j} C_ij^2` of the cross-correlation of two views.

        C_ij = mean over samples of z0_i z1_j, every dimension of every view standardised over the samples

    The anchors are the d dimensions: each has d times its row of the sum, so that their mean is the loss. Dimensions
    are standardised as batch normalisation does without scale and shift, with 1e-5 added to the variance, so embeddings
    far below length 1 count as constant. Over several ranks C is that of all samples, and so is its gradient, where
    a plain sum of the ranks' C has a gradient that is too small by their number. At least 2 samples.

    Args:
        off_diagonal_weight: At least 0. The released code multiplies learning rates for the scale of this loss.

    Raises:
        ValueError: If the weight is out of range.
    """

    def __init__(self, *, off_diagonal_weight: float = 0.0051) -> None:
        super().__init__()
        self.off_diagonal_weight = _checks.at_least("off_diagonal_weight", off_diagonal_weight, 0.0)

    def detail(self, view0: Float[Tensor, "n d"], view1: Float[Tensor, "n d"]) -> Outcome:
        """Return the loss with the dimensions' losses, and both sums, the second without its weight.

        Args:
            view0: Rows of the samples.
            view1: Another view of them.
        """
        views = unscaled_views(view0, view1)
        _tensor_checks.num_samples(self, views.shape[1])
        first, second = _standardised(views)
        correlations = products(first.T, second.T) / views.shape[1]
        diagonal = correlations.diagonal()
        alone = (1.0 - diagonal).square()
        among = correlations.square().sum(dim=1) - diagonal.square()
        per_dimension = len(diagonal) * (alone + self.off_diagonal_weight * among)
        return mean_outcome(per_dimension, {"on_diagonal": alone.sum(), "off_diagonal": among.sum()})


def _standardised(views: Float[Tensor, "v n d"]) -> Float[Tensor, "v n d"]:
    centred = views - views.mean(dim=1, keepdim=True)
    return centred * (centred.square().mean(dim=1, keepdim=True) + _EPS).rsqrt()
