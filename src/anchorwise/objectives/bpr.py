"""Bayesian personalised ranking: what a user chose stands above what she did not.

Source: Rendle et al. 2009, "BPR: Bayesian Personalized Ranking from Implicit Feedback", section 4,
https://arxiv.org/abs/1205.2618.
"""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import softplus

from anchorwise import _tensor_checks
from anchorwise._ranks import gather_rows
from anchorwise.objectives.objective import Inputs, Objective, Outcome, mean_outcome

# n = choices, d = width


@final
class BPR(Objective):
    """`-log sigmoid(u . i - u . j)` of a user u, an item i that she chose and one j that she did not, and their mean.

    Called with three views: users, chosen items, others. Scores are products of the rows as they are: their lengths
    count, as where items are ranked by them. What keeps lengths small is the caller's.

    Deviation: released code of graph recommenders (SELFRec) takes `-log(1e-5 + sigmoid)`, which no longer learns from a
    pair that is ranked wrong by more than about 11.5. Here it is softplus, which does.
    """

    inputs: Inputs = Inputs(min_views=3, max_views=3)

    def __init__(self) -> None:
        super().__init__()

    def detail(self, view0: Float[Tensor, "n d"], view1: Float[Tensor, "n d"], view2: Float[Tensor, "n d"]) -> Outcome:
        """Return the loss with that of every choice, and which of them are ranked right.

        Args:
            view0: Users.
            view1: An item that each chose.
            view2: One that she did not.
        """
        _tensor_checks.views(view0, view1, view2)
        users, chosen, others = (
            view.to(torch.promote_types(view.dtype, torch.float32)) for view in (view0, view1, view2)
        )
        # Each choice alone makes its loss, so that losses are gathered, and not rows.
        margins = gather_rows((users * (chosen - others)).sum(dim=1))
        _tensor_checks.some_samples(len(margins), view0)
        # Endlessly right would cost nothing, and hide that a row is not finite.
        losses = torch.where(margins.isfinite(), softplus(-margins), torch.nan)
        return mean_outcome(losses, {"ranked_right": (margins > 0).to(margins)})
