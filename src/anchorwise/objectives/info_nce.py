"""InfoNCE with in-batch negatives (NT-Xent).

Source: Chen et al. 2020, "A Simple Framework for Contrastive Learning of Visual Representations", Eq. 1,
https://arxiv.org/abs/2002.05709.
"""

from collections.abc import Sequence
from typing import final

from jaxtyping import Float, Integer
from torch import Tensor

from anchorwise import _checks
from anchorwise.objectives.objective import Inputs, Objective, Outcome
from anchorwise.objectives.parts.among_all_rows import among_all_rows
from anchorwise.objectives.parts.cross_entropy import softmax_link
from anchorwise.objectives.parts.further_keys import hard_keys
from anchorwise.pairs import views_of
from anchorwise.tails.blend import Blend, as_blend

# n = samples, d = embedding width


@final
class InfoNCE(Objective):
    """Softmax cross-entropy of the positive against both views of all other samples, mean over the 2n anchors.

    The paper's scale: the mean of both directions, where the authors' code adds them.

    Args:
        temperature: Divides every cosine. Dimensionless, above 0.
        num_hardest: Only so many of an anchor's highest-scoring negatives count, at least 1; None counts all of them.
            With it, this is the softmax regulariser of the WEINCE release (its pl_top_m).
        blend: WEINCE's logit in place of the softmax one, read off all negatives; see `tails.Blend`.

    Raises:
        ValueError: If an argument is out of range.
    """

    inputs: Inputs = Inputs(takes=("ids", "hard_negatives", "logit_scale"))

    def __init__(self, *, temperature: float = 0.5, num_hardest: int | None = None, blend: Blend | None = None) -> None:
        super().__init__()
        self.temperature = _checks.positive("temperature", temperature)
        self.num_hardest = None if num_hardest is None else _checks.count("num_hardest", num_hardest)
        self.blend = as_blend(blend)

    def num_candidates(self, num_rows: int) -> int | None:
        """The positive and, of the other images' rows, as many as count."""
        return min(num_rows - 2, self.num_hardest or num_rows) + 1

    def detail(
        self,
        view0: Float[Tensor, "n d"],
        view1: Float[Tensor, "n d"],
        *,
        ids: Integer[Tensor, " n"] | None = None,
        hard_negatives: Sequence[Float[Tensor, "n d"]] | None = None,
        logit_scale: float | Tensor | None = None,
    ) -> Outcome:
        """Return the loss with the anchors' losses and the cosines of their positives.

        Args:
            view0: Rows of the samples.
            view1: Another view of them.
            ids: Whole numbers. Samples of one id, such as duplicates, are no negatives of each other.
            hard_negatives: Rows of a hard negative of every sample, of a second one, and so on: negatives of all
                anchors, with a gradient.
            logit_scale: Multiplies every cosine, in place of 1 / temperature: `model.log_scale.exp()`.
        """
        views = views_of(view0, view1, ids=ids)
        softmax = softmax_link(self.temperature, logit_scale, views.units)
        further = hard_keys(hard_negatives, views, view0)
        return among_all_rows(views, softmax, self.blend, num_hardest=self.num_hardest, further=further)
