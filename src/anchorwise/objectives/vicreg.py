"""VICReg: views agree, every dimension varies, and no two dimensions vary together.

Source: Bardes, Ponce and LeCun 2021, "VICReg: Variance-Invariance-Covariance Regularization for Self-Supervised
Learning", Eqs. 1 to 6, https://arxiv.org/abs/2105.04906, and its released code.
"""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from anchorwise import _checks, _tensor_checks
from anchorwise._precision import products
from anchorwise.objectives.objective import Objective, Outcome, mean_outcome
from anchorwise.objectives.parts.unscaled import unscaled_views

# n = samples, v = views, d = embedding width

_EPS = 1e-4  # Added to a variance before its root is taken, in paper and code.


@final
class VICReg(Objective):
    """`invariance_weight s + variance_weight v + covariance_weight c` of two views of d dimensions.

        s = mean over samples and dimensions of (z0 - z1)^2
        v = mean over both views and all dimensions of max(0, 1 - sqrt(variance + 1e-4))
        c = sum over both views of (sum over pairs of dimensions of covariance^2) / d

    The anchors are the dimensions, whose mean is the loss. Variances and covariances divide by the samples less one.
    Rows are taken as they are: their lengths count, and embeddings of length 1 can never vary enough. All terms are
    over the samples of all ranks. The released code has a half before v, as here; solo-learn has not, and its
    `variance_weight` counts twice. At least 2 samples.

    Args:
        invariance_weight: At least 0.
        variance_weight: At least 0.
        covariance_weight: At least 0.

    Raises:
        ValueError: If a weight is out of range.
    """

    def __init__(
        self, *, invariance_weight: float = 25.0, variance_weight: float = 25.0, covariance_weight: float = 1.0
    ) -> None:
        super().__init__()
        self.invariance_weight = _checks.at_least("invariance_weight", invariance_weight, 0.0)
        self.variance_weight = _checks.at_least("variance_weight", variance_weight, 0.0)
        self.covariance_weight = _checks.at_least("covariance_weight", covariance_weight, 0.0)

    def detail(self, view0: Float[Tensor, "n d"], view1: Float[Tensor, "n d"]) -> Outcome:
        """Return the loss with the dimensions' losses, and the three terms without their weights.

        Args:
            view0: Rows of the samples.
            view1: Another view of them.
        """
        views = unscaled_views(view0, view1)
        _tensor_checks.num_samples(self, views.shape[1])
        centred = views - views.mean(dim=1, keepdim=True)
        invariance = (views[0] - views[1]).square().mean(dim=0)
        variances = centred.square().sum(dim=1) / (views.shape[1] - 1)
        variance = torch.relu(1.0 - (variances + _EPS).sqrt()).mean(dim=0)
        covariance = torch.stack([_off_diagonal(view) for view in centred]).sum(dim=0)
        terms = {"invariance": invariance, "variance": variance, "covariance": covariance}
        weights = (self.invariance_weight, self.variance_weight, self.covariance_weight)
        weighted = [weight * term for weight, term in zip(weights, terms.values(), strict=True)]
        return mean_outcome(torch.stack(weighted).sum(dim=0), {name: term.mean() for name, term in terms.items()})


def _off_diagonal(centred: Float[Tensor, "n d"]) -> Float[Tensor, " d"]:
    """Return for every dimension the sum of its squared covariances with the others."""
    covariances = products(centred.T, centred.T) / (len(centred) - 1)
    return covariances.square().sum(dim=1) - covariances.diagonal().square()
