"""InfoNCE with in-batch negatives (NT-Xent).

Source: Chen et al. 2020, "A Simple Framework for Contrastive Learning of Visual Representations", Eq. 1,
https://arxiv.org/abs/2002.05709.
"""

from typing import final

from jaxtyping import Float
from torch import Tensor

from anchorwise import _checks
from anchorwise.links import SoftmaxLink
from anchorwise.objectives.cross_entropy import cross_entropy
from anchorwise.objectives.objective import Objective, Outcome, mean_outcome
from anchorwise.pairs import views_of
from anchorwise.tails.negatives import negatives_of


@final
class InfoNCE(Objective):
    """Softmax cross-entropy of the positive against both views of all other images, mean over the 2n anchors.

    The paper's scale: the mean of both directions, where the authors' code adds them.

    Args:
        temperature: Divides every cosine. Dimensionless, above 0.
        num_hardest: Only so many of an anchor's highest-scoring negatives count, at least 1; None counts all of them.
            With it, this is the softmax regulariser of the WEINCE release (its pl_top_m).

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(self, *, temperature: float = 0.5, num_hardest: int | None = None) -> None:
        super().__init__()
        self.temperature = _checks.positive("temperature", temperature)
        self.num_hardest = None if num_hardest is None else _checks.count("num_hardest", num_hardest)

    def detail(self, view0: Float[Tensor, "n d"], view1: Float[Tensor, "n d"]) -> Outcome:
        """Return the loss with the anchors' losses and the cosines of their positives."""
        views = views_of(view0, view1)
        positive_scores = views.positive_scores
        contrast = views.pooled()
        hardest = None if self.num_hardest is None else negatives_of(contrast).hardest_keys(self.num_hardest)
        per_anchor = cross_entropy(contrast, positive_scores, SoftmaxLink(self.temperature), hardest=hardest)
        return mean_outcome(per_anchor, {"positive_score": positive_scores})
