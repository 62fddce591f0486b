"""Alignment and uniformity, each a term of its own.

Source: Wang and Isola 2020, "Understanding Contrastive Representation Learning through Alignment and Uniformity on the
Hypersphere", https://arxiv.org/abs/2005.10242.
"""

from typing import final

import torch
from jaxtyping import Float, Integer
from torch import Tensor

from anchorwise import _checks, _tensor_checks, engine
from anchorwise.links import DistancePower, LogGaussianKernel
from anchorwise.objectives.objective import Inputs, Objective, Outcome, mean_outcome
from anchorwise.pairs import Views, views_of

# n = samples, d = embedding width


@final
class AlignUniform(Objective):
    """`align_weight mean |u - v|^alpha + uniform_weight (uniform(u) + uniform(v)) / 2`.

        uniform(x) = log mean over pairs of exp(-t |x_i - x_j|^2)

    The logarithm is of the mean over the whole view. An anchor's loss is its own alignment and its view's uniformity,
    over the 2n anchors. At least 2 samples.

    Args:
        align_weight: At least 0.
        uniform_weight: At least 0.
        alpha: Power of the distance of a positive pair, above 0; below 2 the slope is infinite where they coincide.
        t: Sharpness of the Gaussian, above 0.

    Raises:
        ValueError: If an argument is out of range.
    """

    inputs: Inputs = Inputs(takes=("ids",))

    def __init__(
        self, *, align_weight: float = 1.0, uniform_weight: float = 1.0, alpha: float = 2.0, t: float = 2.0
    ) -> None:
        super().__init__()
        self.align_weight = _checks.at_least("align_weight", align_weight, 0.0)
        self.uniform_weight = _checks.at_least("uniform_weight", uniform_weight, 0.0)
        self.alpha = _checks.positive("alpha", alpha)
        self.t = _checks.positive("t", t)

    def detail(
        self, view0: Float[Tensor, "n d"], view1: Float[Tensor, "n d"], *, ids: Integer[Tensor, " n"] | None = None
    ) -> Outcome:
        """Return the loss with the anchors' losses, the alignment and both views' uniformity.

        Args:
            view0: Rows of the samples.
            view1: Another view of them.
            ids: Whole numbers. Samples of one id, such as duplicates, are no negatives of each other.
        """
        views = views_of(view0, view1, ids=ids)
        _tensor_checks.num_samples(self, views.num_distinct)
        alignment = -DistancePower(self.alpha)(views.positive_scores)
        uniformity = torch.stack([_uniformity(views, view, self.t) for view in (0, 1)])
        shared = uniformity.repeat_interleave(views.num_samples)
        per_anchor = self.align_weight * alignment + self.uniform_weight * shared
        return mean_outcome(per_anchor, {"alignment": alignment.mean(), "uniformity": uniformity.mean()})


def _uniformity(views: Views, view: int, t: float) -> Float[Tensor, ""]:
    log_sums = engine.logsumexp_rows(views.within(view), LogGaussianKernel(t))
    return log_sums.logsumexp(dim=0) - views.num_others.sum().to(log_sums).log()
