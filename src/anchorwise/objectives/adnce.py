"""ADNCE: the negatives of a chosen hardness count most.

Source: Wu et al. 2023, "Understanding Contrastive Learning via Distributionally Robust Optimization",
https://arxiv.org/abs/2310.11048, and its released code.
"""

from typing import final

from jaxtyping import Float, Integer
from torch import Tensor

from anchorwise import _checks, engine
from anchorwise._precision import softmax_nll
from anchorwise.links import BellWeight, WeightedLink
from anchorwise.objectives.objective import Inputs, Objective, Outcome, mean_outcome
from anchorwise.objectives.parts.cross_entropy import softmax_link
from anchorwise.objectives.parts.hard_negatives import lowest_finite
from anchorwise.pairs import views_of
from anchorwise.tails.blend import Blend, as_blend, read_link

# n = samples, d = embedding width


@final
class ADNCE(Objective):
    """Cross-entropy against negatives weighted by a bell curve of their cosine, mean over the 2n anchors.

        w_k = exp(-(s_k - mu)^2 / (2 sigma^2)) / mean over the row of the same, without gradient

    The released code weighs cosines; the pseudo-code in its README weighs their exponentials. The defaults are the
    source's for CIFAR-10; CIFAR-100: temperature 0.3, mu 0.5, sigma 1; STL-10: 0.2, 0.8, 1.

    Args:
        temperature: Divides every cosine. Dimensionless, above 0.
        mu: Cosine of the negatives that count most.
        sigma: Width of the bell, above 0.
        blend: WEINCE's logit in place of the softmax one; see `tails.Blend`.

    Raises:
        ValueError: If an argument is out of range.
    """

    inputs: Inputs = Inputs(takes=("ids", "logit_scale"))

    def __init__(
        self, *, temperature: float = 0.4, mu: float = 0.7, sigma: float = 0.5, blend: Blend | None = None
    ) -> None:
        super().__init__()
        self.temperature = _checks.positive("temperature", temperature)
        self.mu = _checks.number("mu", mu)
        self.sigma = _checks.positive("sigma", sigma)
        self.blend = as_blend(blend)

    def num_candidates(self, num_rows: int) -> int | None:
        """All rows but the anchor's own."""
        return num_rows - 1

    def detail(
        self,
        view0: Float[Tensor, "n d"],
        view1: Float[Tensor, "n d"],
        *,
        ids: Integer[Tensor, " n"] | None = None,
        logit_scale: float | Tensor | None = None,
    ) -> Outcome:
        """Return the loss with the anchors' losses and the cosines of their positives.

        Args:
            view0: Rows of the samples.
            view1: Another view of them.
            ids: Whole numbers. Samples of one id, such as duplicates, are no negatives of each other.
            logit_scale: Multiplies every cosine, in place of 1 / temperature: `model.log_scale.exp()`.
        """
        views = views_of(view0, view1, ids=ids)
        positive_scores = views.positive_scores
        contrast = views.pooled()
        reading = read_link(self.blend, contrast, softmax_link(self.temperature, logit_scale, views.units))
        log_weight = BellWeight(self.mu, self.sigma)
        negatives = engine.logsumexp_rows(contrast, WeightedLink(reading.link, log_weight))
        log_number = (2 * views.num_others).to(negatives).log().repeat(2)
        log_total = lowest_finite(engine.logsumexp_rows(contrast, log_weight).detach())
        negatives = negatives - (log_total - log_number)
        per_anchor = softmax_nll(reading.link(positive_scores), negatives)
        return mean_outcome(per_anchor, {"positive_score": positive_scores, **reading.stats})
