"""Any two-view objective on every pair of several views."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from itertools import combinations
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor

from anchorwise import _checks, _tensor_checks
from anchorwise.objectives.info_nce import InfoNCE
from anchorwise.objectives.objective import Inputs, Objective, Outcome, concat_stats
from anchorwise.objectives.parts.one_state import from_one_state

# n = samples, d = embedding width

# Arguments of objectives that have one tensor for each view. Ids of one queue that all views share are one tensor.
_OF_VIEWS = ("guides", "keys", "places", "projections", "queue_ids", "queues", "salients", "teachers")


@final
class PairwiseViews(Objective):
    """Mean over all pairs of views of a two-view objective; the usual baseline with many views.

    Two or more views; with two it is the objective itself. What the objective keeps, such as a lagged exponent, all
    pairs meet as the batch before left it; then it moves once, to the mean of where the pairs would have it.

    Args:
        objective: What is computed for a pair; by default InfoNCE.

    Raises:
        ValueError: If the objective does not take two views.
    """

    inputs: Inputs = Inputs(max_views=None)

    def __init__(self, *, objective: Objective | None = None) -> None:
        super().__init__()
        self.objective = _checks.instance("objective", InfoNCE() if objective is None else objective, Objective)
        inputs = self.objective.inputs
        if not inputs.min_views <= 2 <= (inputs.max_views or 2):
            raise ValueError(
                f"objective must take two views, got {type(self.objective).__name__}, which takes {inputs.min_views}: "
                "call it for the views that it is of, and add the losses up"
            )
        self.inputs = replace(inputs, min_views=2, max_views=None)

    def detail(self, view0: Float[Tensor, "n d"], *more_views: Float[Tensor, "n d"], **given: Any) -> Outcome:
        """Return the mean loss with the losses of the anchors of all pairs.

        Args:
            view0: Rows of the samples.
            *more_views: Further views of them, one or more.
            **given: What the objective takes. What has one tensor for each view, such as keys, has one for each of
                these views, and a pair its two.
        """
        views = (view0, *more_views)
        _tensor_checks.views(*views)
        _tensor_checks.num_views(self, len(views), 2)
        outcomes = from_one_state(
            self.objective,
            [
                partial(
                    self.objective.detail, views[first], views[second], **_of_pair(given, first, second, len(views))
                )
                for first, second in combinations(range(len(views)), 2)
            ],
        )
        loss = torch.stack([outcome.loss for outcome in outcomes]).mean()
        per_anchor = torch.cat([outcome.per_anchor for outcome in outcomes])
        return Outcome(loss, per_anchor, concat_stats([outcome.stats for outcome in outcomes]))


def _of_pair(given: Mapping[str, Any], first: int, second: int, num_views: int) -> Mapping[str, Any]:
    """Return what the objective is given for two of the views."""
    if num_views == 2:
        return given
    found = dict(given)
    for name in (name for name in _OF_VIEWS if given.get(name) is not None):
        if not (isinstance(given[name], Tensor) and given[name].ndim == 1):
            of_views = _tensor_checks.one_each(name, given[name], num_views, "views")
            found[name] = (of_views[first], of_views[second])
    return found
