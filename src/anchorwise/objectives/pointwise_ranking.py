"""Pointwise ranking: is this candidate an answer, yes or no, whatever else stands in the list?

Source: Nogueira and Cho 2019, "Passage Re-ranking with BERT", section 2, https://arxiv.org/abs/1901.04085; weight and
direction of its gradient: as `listwise_ranking`.
"""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from anchorwise import _checks, _tensor_checks
from anchorwise.objectives.objective import Inputs, Objective, Outcome, mean_outcome
from anchorwise.objectives.parts.ranking import DIRECTIONS, Direction, along, scores_of, weight_stats

# n = lists, one a query, k = candidates of a list


@final
class PointwiseRanking(Objective):
    """`-log softmax(yes, no)` of the right answer, added up over a list, whose first candidate is the positive.

    The gradient towards a candidate's state is weight times direction: here `sigmoid(y - n) - label` times that of
    y - n, so a candidate's weight depends on itself alone. `ListwiseRanking` has other weights, and the direction of y.
    A classifier's loss is a mean over candidates: k times smaller.

    Args:
        direction: Along which score the gradient goes. With "yes" the loss is the same and its gradient is no longer
            its derivative.

    Raises:
        ValueError: If the direction is neither.
    """

    inputs: Inputs = Inputs(min_views=1, max_views=1, needs=("no_scores",))

    def __init__(self, *, direction: Direction = "difference") -> None:
        super().__init__()
        self.direction = _checks.one_of("direction", direction, DIRECTIONS)

    def weights(self, scores: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
        """Return by how much every candidate is moved along the direction; the positive's is below 0.

        Args:
            scores: For yes, less those for no.
        """
        return torch.cat([-(-scores[:, :1]).sigmoid(), scores[:, 1:].sigmoid()], dim=1)

    def detail(self, view0: Float[Tensor, "n k"], *, no_scores: Float[Tensor, "n k"] | None = None) -> Outcome:
        """Return the loss with that of every list, and the weights of its positive and its heaviest negative.

        Args:
            view0: Scores for yes of the candidates, the positive first.
            no_scores: Their scores for no.
        """
        given = _tensor_checks.needed(self, "no_scores", no_scores, "the candidates' scores for no")
        yes, no = scores_of(view0, given)
        assert no is not None
        scores = yes - no
        weights = self.weights(scores)
        losses = functional.softplus(torch.cat([-scores[:, :1], scores[:, 1:]], dim=1)).sum(dim=1)
        # Endlessly right would cost nothing, and hide that a score is not finite.
        losses = torch.where(scores.isfinite().all(dim=1), losses, torch.nan)
        if self.direction == "yes":
            losses = along(losses, weights, yes)
        return mean_outcome(losses, weight_stats(weights))
