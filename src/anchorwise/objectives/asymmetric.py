"""Asymmetric InfoNCE: a pair pulls and pushes its two rows with different strength.

Source: Yu et al. 2022, "Adversarial Contrastive Learning via Asymmetric InfoNCE",
https://arxiv.org/abs/2207.08374.
"""

import math
from typing import final

from jaxtyping import Float
from torch import Tensor

from anchorwise import _checks
from anchorwise.links import SoftmaxLink
from anchorwise.objectives.cross_entropy import against, repulsion
from anchorwise.objectives.objective import Objective, Outcome, mean_outcome
from anchorwise.pairs import Contrast, passing, views_of

# n = images, d = embedding width


@final
class AsymmetricInfoNCE(Objective):
    """InfoNCE whose gradient goes to the key with share `alpha` and to the anchor with share `1 - alpha`.

        sim(a, b) = exp((alpha cos(sg(a), b) + (1 - alpha) cos(a, sg(b))) / temperature)
        loss_i = -log(w sim(i, positive) / (w sim(i, positive) + sum over negatives of sim(i, k)))

    The rows of view 0 are the anchors; their negatives are both views of all other images. View 1 holds the inferior
    positives, adversarial ones in the source. `alpha=0.5` halves InfoNCE's one-sided gradient; the value never depends
    on alpha.

    Args:
        temperature: Divides every cosine. Dimensionless, above 0.
        alpha: Share of the gradient that goes to the key, in [0, 1]. The released code uses 0.2 and 0.3.
        positive_weight: Weight w of the positive (lambda^p), above 0.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(self, *, temperature: float = 0.5, alpha: float = 0.2, positive_weight: float = 1.0) -> None:
        super().__init__()
        self.temperature = _checks.positive("temperature", temperature)
        self.alpha = _checks.fraction("alpha", alpha)
        self.positive_weight = _checks.positive("positive_weight", positive_weight)

    def detail(self, view0: Float[Tensor, "n d"], view1: Float[Tensor, "n d"]) -> Outcome:
        """Return the loss with the losses of the rows of view 0 and the cosines of their positives."""
        views = views_of(view0, view1)
        anchors, keys = passing(views.units[0], 1.0 - self.alpha), passing(views.rows, self.alpha)
        contrast = Contrast(anchors, keys, (views.same_image(),), ranks=views.ranks)
        positive_scores = (anchors * keys[views.num_images :]).sum(dim=1)
        link = SoftmaxLink(self.temperature)
        positives = link(positive_scores) + math.log(self.positive_weight)
        return mean_outcome(against(positives, repulsion(contrast, link)), {"positive_score": positive_scores})
