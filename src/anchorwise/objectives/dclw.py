"""DCLW: DCL whose positives count more where they are far apart.

Source: Yeh et al. 2021, "Decoupled Contrastive Learning", https://arxiv.org/abs/2110.06848.
"""

from typing import final

from jaxtyping import Float, Integer
from torch import Tensor

from anchorwise import _checks
from anchorwise.links import SoftmaxLink
from anchorwise.objectives.cross_entropy import repulsion
from anchorwise.objectives.objective import Inputs, Objective, Outcome, mean_outcome
from anchorwise.pairs import views_of

# n = images, d = embedding width


@final
class DCLW(Objective):
    """`-w s_positive / temperature + log sum over negatives of exp(s / temperature)`, mean over the 2n anchors.

        w_i = 2 - exp(s_i / sigma) / mean over images of exp(s / sigma)

    with s_i the cosine of image i's positive pair. At least 2 images.

    Args:
        temperature: Divides every cosine. Dimensionless, above 0.
        sigma: Sharpness of the weight: divides the positives' cosines. Dimensionless, above 0.
        detach_weights: Whether w has no gradient. The formula as written has one; of the public implementations one
            keeps it and lightly's does not.

    Raises:
        ValueError: If an argument is out of range.
    """

    inputs: Inputs = Inputs(takes=("ids",))

    def __init__(self, *, temperature: float = 0.1, sigma: float = 0.5, detach_weights: bool = False) -> None:
        super().__init__()
        self.temperature = _checks.positive("temperature", temperature)
        self.sigma = _checks.positive("sigma", sigma)
        self.detach_weights = detach_weights

    def detail(
        self, view0: Float[Tensor, "n d"], view1: Float[Tensor, "n d"], *, ids: Integer[Tensor, " n"] | None = None
    ) -> Outcome:
        """Return the loss with the anchors' losses, the positives' weights and cosines.

        Args:
            view0: Rows of the images.
            view1: Another view of them.
            ids: Whole numbers. Images of one id, such as duplicates, are no negatives of each other.
        """
        views = views_of(view0, view1, ids=ids)
        _checks.num_images(self, views.num_distinct)
        positive_scores, link = views.positive_scores, SoftmaxLink(self.temperature)
        # Every image is twice in the softmax and twice in the mean.
        weights = 2.0 - len(positive_scores) * (positive_scores / self.sigma).softmax(dim=0)
        weights = weights.detach() if self.detach_weights else weights
        per_anchor = repulsion(views.pooled(), link) - weights * link(positive_scores)
        return mean_outcome(per_anchor, {"positive_score": positive_scores, "positive_weight": weights})
