"""Any two-view objective on every pair of several views."""

from dataclasses import replace
from itertools import combinations
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor

from anchorwise import _checks, _tensor_checks
from anchorwise.objectives.info_nce import InfoNCE
from anchorwise.objectives.objective import Inputs, Objective, Outcome, concat_stats

# n = samples, d = embedding width


@final
class PairwiseViews(Objective):
    """Mean over all pairs of views of a two-view objective; the usual baseline with many views.

    Two or more views; with two it is the objective itself.

    Args:
        objective: What is computed for a pair; by default InfoNCE.
    """

    inputs: Inputs = Inputs(max_views=None)

    def __init__(self, *, objective: Objective | None = None) -> None:
        super().__init__()
        self.objective = _checks.instance("objective", InfoNCE() if objective is None else objective, Objective)
        self.inputs = replace(self.objective.inputs, min_views=2, max_views=None)

    def detail(self, view0: Float[Tensor, "n d"], *more_views: Float[Tensor, "n d"], **given: Any) -> Outcome:
        """Return the mean loss with the losses of the anchors of all pairs; arguments by name go to the objective."""
        _tensor_checks.views(view0, *more_views)
        _tensor_checks.num_views(self, 1 + len(more_views), 2)
        outcomes = [self.objective.detail(*pair, **given) for pair in combinations((view0, *more_views), 2)]
        loss = torch.stack([outcome.loss for outcome in outcomes]).mean()
        per_anchor = torch.cat([outcome.per_anchor for outcome in outcomes])
        return Outcome(loss, per_anchor, concat_stats([outcome.stats for outcome in outcomes]))
