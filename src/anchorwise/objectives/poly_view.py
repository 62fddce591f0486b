"""Poly-view InfoNCE: every view of an image against the rest of its views, averaged inside or outside the logarithm.

Source: Shidani et al. 2024, "Poly-View Contrastive Learning", https://arxiv.org/abs/2403.05490.
"""

import math
from typing import Literal, final

import torch
from jaxtyping import Float, Integer
from torch import Tensor

from anchorwise import _checks
from anchorwise.links import SoftmaxLink
from anchorwise.objectives.cross_entropy import against, repulsion
from anchorwise.objectives.objective import Inputs, Objective, Outcome, mean_outcome
from anchorwise.pairs import views_of

# n = images, d = embedding width


@final
class PolyView(Objective):
    """Mean over the rows of all views of how well a row finds each other view of its image among other images.

        l_b = e^(s_b / t) / (e^(s_b / t) + sum over all rows of other images of e^(s / t)),  b another view
        geometric: -mean over b of log l_b        arithmetic: -log mean over b of l_b

    With two views both are InfoNCE. Two or more views.

    Args:
        temperature: Divides every cosine. Dimensionless, above 0.
        mean: "geometric" or "arithmetic".

    Raises:
        ValueError: If an argument is out of range.
    """

    inputs: Inputs = Inputs(max_views=None, takes=("ids",))

    def __init__(self, *, temperature: float = 0.5, mean: Literal["geometric", "arithmetic"] = "geometric") -> None:
        super().__init__()
        self.temperature = _checks.positive("temperature", temperature)
        self.mean = _checks.one_of("mean", mean, ("geometric", "arithmetic"))

    def detail(
        self, view0: Float[Tensor, "n d"], *more_views: Float[Tensor, "n d"], ids: Integer[Tensor, " n"] | None = None
    ) -> Outcome:
        """Return the loss with the anchors' losses, view by view.

        Args:
            view0: Rows of the images.
            *more_views: Further views of them.
            ids: Whole numbers. Images of one id, such as duplicates, are no negatives of each other.
        """
        views = views_of(view0, *more_views, ids=ids)
        _checks.num_views(self, views.num_views, 2)
        link, num_others = SoftmaxLink(self.temperature), views.num_views - 1
        negatives = repulsion(views.pooled(), link).unsqueeze(1).expand(-1, views.num_views)
        losses = against(link(views.image_scores), negatives)
        if self.mean == "geometric":
            per_anchor = losses.masked_fill(views.itself, 0.0).sum(dim=1) / num_others
        else:
            log_found = (-losses).masked_fill(views.itself, -torch.inf).logsumexp(dim=1)
            per_anchor = math.log(num_others) - log_found
        return mean_outcome(per_anchor, {})
