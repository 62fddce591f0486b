"""HCL: hard negatives count more, and the positives hidden among them are taken off again.

Source: Robinson et al. 2020, "Contrastive Learning with Hard Negative Samples", https://arxiv.org/abs/2010.04592,
and its released code; beta 0 is Chuang et al. 2020, "Debiased Contrastive Learning",
https://arxiv.org/abs/2007.00224.
"""

from typing import final

from jaxtyping import Float, Integer
from torch import Tensor

from anchorwise import _checks
from anchorwise._precision import softmax_nll
from anchorwise.objectives.objective import Inputs, Objective, Outcome, mean_outcome
from anchorwise.objectives.parts.cross_entropy import softmax_link
from anchorwise.objectives.parts.hard_negatives import debiased, log_hard_negatives
from anchorwise.pairs import views_of

# n = samples, d = embedding width


@final
class HCL(Objective):
    """Cross-entropy of the positive against a debiased, hardness-weighted sum over negatives, mean over the 2n anchors.

        R  = sum_k w_k exp(s_k / temperature) / mean_k w_k,   w_k = exp(beta s_k / temperature)
        Ng = max((R - positive_prior N exp(s_positive / temperature)) / (1 - positive_prior), N exp(-1 / temperature))
        loss = -log(exp(s_positive / temperature) / (exp(s_positive / temperature) + Ng))

    over the N = 2n - 2 negatives of both views. `beta=0` is the debiased loss, `beta=0, positive_prior=0` is InfoNCE.

    Args:
        temperature: Divides every cosine. Dimensionless, above 0.
        positive_prior: Probability that a negative is of the anchor's class (tau_plus), in [0, 1).
        beta: How much harder negatives count, at least 0.
        detach_weights: Whether w has no gradient; in the released code it has one.

    Raises:
        ValueError: If an argument is out of range.
    """

    inputs: Inputs = Inputs(takes=("ids", "logit_scale"))

    def __init__(
        self,
        *,
        temperature: float = 0.5,
        positive_prior: float = 0.1,
        beta: float = 1.0,
        detach_weights: bool = False,
    ) -> None:
        super().__init__()
        self.temperature = _checks.positive("temperature", temperature)
        self.positive_prior = _checks.below_one("positive_prior", positive_prior)
        self.beta = _checks.at_least("beta", beta, 0.0)
        self.detach_weights = detach_weights

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
        softmax = softmax_link(self.temperature, logit_scale, views.units)
        positives = softmax(positive_scores)
        log_number = (2 * views.num_others).to(positives).log().repeat(2)
        hard = log_hard_negatives(views.pooled(), softmax, self.beta, log_number, detach_weights=self.detach_weights)
        hard = debiased(hard, positives, self.positive_prior, log_number, softmax)
        return mean_outcome(softmax_nll(positives, hard), {"positive_score": positive_scores})
