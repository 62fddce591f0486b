"""KoLeo: every row away from its nearest neighbour, a regulariser to add to other objectives.

Source: Sablayrolles et al. 2018, "Spreading vectors for similarity search",
https://arxiv.org/abs/1806.03198.
"""

from typing import final

import torch
from jaxtyping import Float, Integer
from torch import Tensor

from anchorwise import engine
from anchorwise.links import shortfall
from anchorwise.objectives.objective import Inputs, Objective, Outcome, concat_stats, mean_outcome
from anchorwise.pairs import Contrast, views_of
from anchorwise.tails.negatives import negatives_of

# n = samples, d = embedding width


@final
class KoLeo(Objective):
    """`-log` of the distance of a row to the nearest other row of its view, mean over the rows of all views.

    One or more views. Rows that coincide have no gradient, and a row that has no other counts as one that coincides.
    """

    inputs: Inputs = Inputs(min_views=1, max_views=None, takes=("ids",))

    def detail(
        self, view0: Float[Tensor, "n d"], *more_views: Float[Tensor, "n d"], ids: Integer[Tensor, " n"] | None = None
    ) -> Outcome:
        """Return the loss with the losses of all rows, view by view, and their cosines with their neighbours.

        Args:
            view0: Rows of the samples.
            *more_views: Further views of them, none or more.
            ids: Whole numbers. Samples of one id, such as duplicates, are no neighbours of each other.
        """
        views = views_of(view0, *more_views, ids=ids)
        losses, stats = [], []
        for view in range(views.num_views):
            scores = _neighbour_scores(views.within(view))
            losses.append(-0.5 * (2.0 * shortfall(scores)).log())
            stats.append({"neighbour_score": scores})
        return mean_outcome(torch.cat(losses), concat_stats(stats))


def _neighbour_scores(contrast: Contrast) -> Float[Tensor, " n"]:
    """Return the cosine of every row with its nearest other one, and with itself where there is no other."""
    nearest = negatives_of(contrast).hardest(1)
    found = nearest.scores != -torch.inf
    scores = engine.scores_at(contrast, nearest.keys).masked_fill(~found, 0.0).sum(dim=1)
    return torch.where(found.any(dim=1), scores, contrast.anchors.square().sum(dim=1))
