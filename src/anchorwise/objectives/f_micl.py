"""f-MICL: mutual information in any f-divergence, with a Gaussian kernel as the critic.

Source: Lu et al. 2024, "f-MICL: Understanding and Generalizing InfoNCE-based Contrastive Learning",
https://arxiv.org/abs/2402.10150.
"""

import math
from typing import final

from jaxtyping import Float, Integer
from torch import Tensor

from anchorwise import _checks, _tensor_checks, engine
from anchorwise.links import Divergence, DivergenceName, NegativeTerm, PositiveTerm, as_divergence
from anchorwise.objectives.objective import Inputs, Objective, Outcome, mean_outcome
from anchorwise.pairs import views_of

# n = samples, d = embedding width


@final
class FMICL(Objective):
    """`-mean f'(G(positive)) + negative_weight mean f*(f'(G(x_i, x_j)))`, with `G = height exp(-t d^2)`.

    The negatives are the other rows of view 0, as in the source: n anchors, one-sided. At least 2 samples.

    Args:
        divergence: "kl", "js", "pearson", "squared_hellinger", "tsallis" (order 2), "vincze_le_cam", "reverse_kl",
            "neyman" (the paper reports collapse under the last two), or any `links.Divergence`.
        t: 1 / (2 sigma^2) of the source. Above 0.
        height: mu of the source: G at distance 0. Above 0.
        negative_weight: alpha of the source. Above 0.

    Raises:
        ValueError: If an argument is out of range.
    """

    inputs: Inputs = Inputs(takes=("ids",))

    def __init__(
        self,
        *,
        divergence: DivergenceName | Divergence = "kl",
        t: float = 1.0,
        height: float = 1.0,
        negative_weight: float = 40.0,
    ) -> None:
        super().__init__()
        self.divergence = as_divergence(divergence)
        self.t = _checks.positive("t", t)
        self.height = _checks.positive("height", height)
        self.negative_weight = _checks.positive("negative_weight", negative_weight)

    def detail(
        self, view0: Float[Tensor, "n d"], view1: Float[Tensor, "n d"], *, ids: Integer[Tensor, " n"] | None = None
    ) -> Outcome:
        """Return the loss with the losses of the rows of view 0 and the cosines of their positives.

        Args:
            view0: Rows of the samples.
            view1: Another view of them.
            ids: Whole numbers. Samples of one id, such as duplicates, are no negatives of each other.
        """
        views = views_of(view0, view1, ids=ids)
        _tensor_checks.num_samples(self, views.num_distinct)
        contrast, positive_scores = views.within(0), views.scores_between(0, 1)
        terms = self.divergence, self.t, math.log(self.height)
        link = NegativeTerm(*terms)
        negatives = engine.sum_rows(contrast, link)
        log_negatives = self.negative_weight * negatives / views.num_others
        return mean_outcome(log_negatives - PositiveTerm(*terms)(positive_scores), {"positive_score": positive_scores})
