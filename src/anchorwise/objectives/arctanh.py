"""InfoNCE without a temperature: the logit of a cosine is its log-odds.

Source: Kim and Kim 2025, "Temperature-Free Loss Function for Contrastive Learning",
https://arxiv.org/abs/2501.17683.
"""

from typing import final

from jaxtyping import Float, Integer
from torch import Tensor

from anchorwise.links import ArctanhLink
from anchorwise.objectives.objective import Inputs, Objective, Outcome, mean_outcome
from anchorwise.objectives.parts.cross_entropy import cross_entropy
from anchorwise.pairs import views_of

# n = samples, d = embedding width


@final
class ArctanhInfoNCE(Objective):
    """Cross-entropy under logits `2 arctanh(s)`, against both views of all other samples, mean over the 2n anchors.

    Args:
        same_view: Whether rows of an anchor's own view are negatives, as in NT-Xent; without them only the other
            view's are.
    """

    inputs: Inputs = Inputs(takes=("ids",))

    def __init__(self, *, same_view: bool = True) -> None:
        super().__init__()
        self.same_view = same_view

    def num_candidates(self, num_rows: int) -> int | None:
        """All rows but the anchor's own."""
        return num_rows - 1

    def detail(
        self, view0: Float[Tensor, "n d"], view1: Float[Tensor, "n d"], *, ids: Integer[Tensor, " n"] | None = None
    ) -> Outcome:
        """Return the loss with the anchors' losses and the cosines of their positives.

        Args:
            view0: Rows of the samples.
            view1: Another view of them.
            ids: Whole numbers. Samples of one id, such as duplicates, are no negatives of each other.
        """
        views = views_of(view0, view1, ids=ids)
        per_anchor, positive_scores = cross_entropy(views.pooled(same_view=self.same_view), ArctanhLink())
        return mean_outcome(per_anchor, {"positive_score": positive_scores})
