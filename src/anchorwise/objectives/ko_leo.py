"""KoLeo: every row away from its nearest neighbour, a regulariser to add to other objectives.

Source: Sablayrolles et al. 2018, "Spreading vectors for similarity search",
https://arxiv.org/abs/1806.03198.
"""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from anchorwise import _checks, engine
from anchorwise.links import shortfall
from anchorwise.objectives.objective import Inputs, Objective, Outcome, joined, mean_outcome
from anchorwise.pairs import views_of
from anchorwise.tails.negatives import negatives_of

# n = images, d = embedding width


@final
class KoLeo(Objective):
    """`-log` of the distance of a row to the nearest other row of its view, mean over the rows of all views.

    One or more views. Rows that coincide have no gradient. At least 2 images.
    """

    inputs: Inputs = Inputs(min_views=1, max_views=None)

    def detail(self, view0: Float[Tensor, "n d"], *more_views: Float[Tensor, "n d"]) -> Outcome:
        """Return the loss with the losses of all rows, view by view, and their cosines with their neighbours."""
        views = views_of(view0, *more_views)
        _checks.num_images(self, views.num_images)
        losses, stats = [], []
        for view in range(views.num_views):
            contrast = views.within(view)
            nearest = negatives_of(contrast).hardest_keys(1)
            scores = engine.scores_at(contrast.anchors, contrast.keys, nearest).squeeze(1)
            losses.append(-0.5 * (2.0 * shortfall(scores)).log())
            stats.append({"neighbour_score": scores})
        return mean_outcome(torch.cat(losses), joined(stats))
