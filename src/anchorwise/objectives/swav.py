"""SwAV: a view predicts the prototypes to which another view is assigned.

Source: Caron et al. 2020, "Unsupervised Learning of Visual Features by Contrasting Cluster Assignments",
https://arxiv.org/abs/2006.09882.
"""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from anchorwise import _checks
from anchorwise.objectives.objective import Inputs, Objective, Outcome, mean_outcome
from anchorwise.objectives.sinkhorn import balanced_assignments
from anchorwise.pairs import unit_rows, views_of

# n = images, d = embedding width, k = prototypes


@final
class SwAV(Objective):
    """Cross-entropy of a view's softmax over prototypes against another view's balanced assignment.

    The first `num_code_views` views are assigned; every other view predicts each of them. The loss is the mean over
    codes, predicting views and images. Assignments have no gradient. Prototypes are the caller's parameter; they are
    scaled to length 1 here, where the source does so after each step. Two or more views.

    Args:
        temperature: Divides the cosines of the prediction. Dimensionless, above 0.
        epsilon: Divides the cosines of the assignment, above 0: smaller is closer to one prototype each.
        num_iterations: Of Sinkhorn's balancing, at least 1.
        num_code_views: Views that are assigned: the two large crops of the source.

    Raises:
        ValueError: If an argument is out of range.
    """

    inputs: Inputs = Inputs(max_views=None, needs=("prototypes",))

    def __init__(
        self,
        *,
        temperature: float = 0.1,
        epsilon: float = 0.05,
        num_iterations: int = 3,
        num_code_views: int = 2,
    ) -> None:
        super().__init__()
        self.temperature = _checks.positive("temperature", temperature)
        self.epsilon = _checks.positive("epsilon", epsilon)
        self.num_iterations = _checks.count("num_iterations", num_iterations)
        self.num_code_views = _checks.count("num_code_views", num_code_views)

    def detail(
        self,
        view0: Float[Tensor, "n d"],
        *more_views: Float[Tensor, "n d"],
        prototypes: Float[Tensor, "k d"] | None = None,
    ) -> Outcome:
        """Return the loss with the losses of all predictions.

        Args:
            view0: Rows of the images.
            *more_views: Further views of them, one or more.
            prototypes: Centres on the sphere, of any length.
        """
        prototypes = _checks.needed(self, "prototypes", prototypes, "the learnt centres, shape (prototypes, width)")
        _checks.rows("prototypes", prototypes)
        views = views_of(view0, *more_views)
        _checks.num_views(self, views.num_views, max(2, self.num_code_views))
        with torch.autocast(view0.device.type, enabled=False):
            scores = views.units @ unit_rows(prototypes).to(views.units).T
        log_shares = (scores / self.temperature).log_softmax(dim=2)
        losses = []
        for code in range(self.num_code_views):
            target = balanced_assignments(
                scores[code].detach(), epsilon=self.epsilon, num_iterations=self.num_iterations
            )
            losses += [-(target * log_shares[view]).sum(dim=1) for view in range(views.num_views) if view != code]
        return mean_outcome(torch.cat(losses), {})
