"""Triplets: two rows that belong together, and one that does not.

Source: Bobu et al. 2023, "SIRL: Similarity-based Implicit Representation Learning", https://arxiv.org/abs/2301.00810.
"""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from anchorwise import _checks
from anchorwise.objectives.objective import Inputs, Objective, Outcome, mean_outcome
from anchorwise.pairs import views_of

# n = triplets, d = embedding width


@final
class Triplet(Objective):
    """`max(|a - p|^2 - |a - q|^2 + margin, 0)` of unit rows, mean over anchors.

    Called with three views: a row, one that belongs to it, one that does not. The source asks people which two of three
    belong together, so both of the two are anchors: 2n of them. Deviation: its features are not normalised.

    Args:
        margin: Above 0; squared distances of unit rows are at most 4.
        both: Whether the second view's rows are anchors too.

    Raises:
        ValueError: If an argument is out of range.
    """

    inputs: Inputs = Inputs(min_views=3, max_views=3)

    def __init__(self, *, margin: float = 1.0, both: bool = True) -> None:
        super().__init__()
        self.margin = _checks.positive("margin", margin)
        self.both = both

    def detail(self, view0: Float[Tensor, "n d"], view1: Float[Tensor, "n d"], view2: Float[Tensor, "n d"]) -> Outcome:
        """Return the loss with the anchors' losses and the cosines of the pairs that belong together."""
        views = views_of(view0, view1, view2)
        together = views.scores_between(0, 1)
        apart = [views.scores_between(anchor, 2) for anchor in ((0, 1) if self.both else (0,))]
        # Squared distances of unit rows differ by twice the cosines.
        per_anchor = torch.cat([2.0 * (scores - together) + self.margin for scores in apart]).relu()
        return mean_outcome(per_anchor, {"positive_score": together.repeat(len(apart))})
