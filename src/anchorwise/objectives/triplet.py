"""Triplets: two rows that belong together, and one that does not.

Source: Bobu et al. 2023, "SIRL: Similarity-based Implicit Representation Learning", https://arxiv.org/abs/2301.00810.
"""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from anchorwise import _checks
from anchorwise.objectives.objective import Inputs, Objective, Outcome, mean_outcome
from anchorwise.objectives.parts.unscaled import unscaled_views
from anchorwise.pairs import views_of

# n = triplets, d = embedding width


@final
class Triplet(Objective):
    """`max(|a - p|^2 - |a - q|^2 + margin, 0)` of unit rows, mean over anchors.

    Called with three views: a row, one that belongs to it, one that does not. The source asks people which two of three
    belong together, so both of the two are anchors: 2n of them. Its features keep their lengths, which
    `normalise=False` does; the default is this library's, in which a margin means the same for any encoder.

    Args:
        margin: Above 0; squared distances of unit rows are at most 4.
        both: Whether the second view's rows are anchors too.
        normalise: Whether rows are brought to length 1; false takes them as they are.

    Raises:
        ValueError: If an argument is out of range.
    """

    inputs: Inputs = Inputs(min_views=3, max_views=3)

    def __init__(self, *, margin: float = 1.0, both: bool = True, normalise: bool = True) -> None:
        super().__init__()
        self.margin = _checks.positive("margin", margin)
        self.both, self.normalise = both, normalise

    def detail(self, view0: Float[Tensor, "n d"], view1: Float[Tensor, "n d"], view2: Float[Tensor, "n d"]) -> Outcome:
        """Return the loss with the anchors' losses and how near the pairs that belong together are.

        That is their cosine, or the squared distance of rows as they are.

        Args:
            view0: Rows.
            view1: Rows that belong to them.
            view2: Rows that do not.
        """
        anchors = (0, 1) if self.both else (0,)
        if self.normalise:
            views = views_of(view0, view1, view2)
            together = views.scores_between(0, 1)
            # Squared distances of unit rows differ by twice the cosines.
            nearer = [2.0 * (views.scores_between(anchor, 2) - together) for anchor in anchors]
            near = {"positive_score": together.repeat(len(anchors))}
        else:
            rows = unscaled_views(view0, view1, view2)
            together = (rows[0] - rows[1]).square().sum(dim=1)
            nearer = [together - (rows[anchor] - rows[2]).square().sum(dim=1) for anchor in anchors]
            # Endlessly far would cost nothing, and hide that a row is not finite.
            nearer = [each + 0.0 * rows.sum(dim=(0, 2)) for each in nearer]
            near = {"positive_distance": together.repeat(len(anchors))}
        return mean_outcome((torch.cat(nearer) + self.margin).relu(), near)
