"""Listwise ranking: a query's positive against the other candidates of its list.

Source: Cao et al. 2007, "Learning to Rank: From Pairwise Approach to Listwise Approach", the top-one probability,
https://dl.acm.org/doi/10.1145/1273496.1273513; weight and direction of its gradient: Dai et al. 2025, "On the Role of
Contrastive Learning and Fine-Tuning in Rerankers", https://arxiv.org/abs/2510.14824, of which the abstract and
summaries were read: that weights are told apart from directions is theirs, the switch is this library's.
"""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from anchorwise import _checks, _tensor_checks
from anchorwise.objectives.objective import Inputs, Objective, Outcome, mean_outcome
from anchorwise.objectives.parts.ranking import DIRECTIONS, Direction, along, scores_of, weight_stats

# n = lists, one a query, k = candidates of a list


@final
class ListwiseRanking(Objective):
    """`-log softmax(yes / temperature)` of the first candidate of every list, its positive.

    Scores are used as they are; nothing is a cosine, and lists never meet. With y the score for yes and n that for no
    of a candidate whose state is h, the gradient towards h is weight times direction: here
    `(softmax(y / temperature) - label) / temperature` times that of y. The weights of a list add up to 0, so they
    vanish together. `PointwiseRanking` has other weights, and the direction of y - n.

    Args:
        temperature: Divides every score. Above 0.
        direction: Along which score the gradient goes. With "difference", y - n of `no_scores`, the loss is the same
            and its gradient is no longer its derivative.

    Raises:
        ValueError: If an argument is out of range.
    """

    inputs: Inputs = Inputs(min_views=1, max_views=1, takes=("no_scores",))

    def __init__(self, *, temperature: float = 1.0, direction: Direction = "yes") -> None:
        super().__init__()
        self.temperature = _checks.positive("temperature", temperature)
        self.direction = _checks.one_of("direction", direction, DIRECTIONS)

    def weights(self, scores: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
        """Return by how much every candidate is moved along the direction; the positive's is below 0."""
        others = (scores / self.temperature).softmax(dim=1)[:, 1:]
        return torch.cat([-others.sum(dim=1, keepdim=True), others], dim=1) / self.temperature

    def detail(self, view0: Float[Tensor, "n k"], *, no_scores: Float[Tensor, "n k"] | None = None) -> Outcome:
        """Return the loss with that of every list, and the weights of its positive and its heaviest negative.

        Args:
            view0: Scores for yes of the candidates, the positive first.
            no_scores: Their scores for no, where a gradient goes along the difference.
        """
        yes, no = scores_of(view0, no_scores)
        if self.direction == "difference":
            no = _tensor_checks.needed(self, "no_scores", no, "the scores for no, for direction='difference'")
        weights = self.weights(yes)
        losses = -(yes / self.temperature).log_softmax(dim=1)[:, 0]
        # A score of minus infinity would leave out a candidate without a word.
        losses = torch.where(yes.isfinite().all(dim=1), losses, torch.nan)
        if self.direction == "difference" and no is not None:
            losses = along(losses, weights, yes - no)
        return mean_outcome(losses, weight_stats(weights))
