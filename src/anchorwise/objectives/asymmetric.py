"""Asymmetric InfoNCE: a pair pulls and pushes its two rows with different strength.

Source: Yu et al. 2022, "Adversarial Contrastive Learning via Asymmetric InfoNCE",
https://arxiv.org/abs/2207.08374.
"""

import math
from typing import final

from jaxtyping import Float, Integer
from torch import Tensor

from anchorwise import _checks, engine
from anchorwise._precision import softmax_nll
from anchorwise.links import SoftmaxLink
from anchorwise.objectives.objective import Inputs, Objective, Outcome, mean_outcome
from anchorwise.objectives.parts.cross_entropy import softmax_link
from anchorwise.objectives.parts.hard_negatives import debiased, log_hard_negatives
from anchorwise.pairs import Contrast, Views, scale_gradient, views_of

# n = samples, d = embedding width


@final
class AsymmetricInfoNCE(Objective):
    """InfoNCE whose gradient goes to the key with share `alpha` and to the anchor with share `1 - alpha`.

        sim(a, b) = exp((alpha cos(sg(a), b) + (1 - alpha) cos(a, sg(b))) / temperature)
        loss_i = -log(w sim(i, positive) / (w sim(i, positive) + sum over negatives of sim(i, k)))

    The rows of view 0 are the anchors; their negatives are both views of all other samples. Where adversarial rows are
    inferior positives (IP), they are view 0 and clean rows view 1, so that with `alpha` below 0.5 a clean row moves
    less towards its adversarial one than that towards it; clean rows as anchors take `1 - alpha` for it. Where they are
    hard negatives (HN), `beta` is above 0. `alpha=0.5` halves InfoNCE's one-sided gradient; the value never depends on
    alpha.

    With `beta` or `positive_prior` the sum over negatives is HCL's Ng, the source's weights lambda^n. Its released code
    takes the weights' mean over masked entries too, divides columns by the means of rows, and floors Ng at temperature
    0.5 whatever the temperature; none of that is repeated here. It runs HN with beta 1 and positive_prior 0.12.

    Args:
        temperature: Divides every cosine. Dimensionless, above 0.
        alpha: Share of the gradient that goes to the key, in [0, 1]. The released code gives clean rows 0.2 and 0.3
            (stpg_degree), and in some runs raises it to 0.5 as their distance from the adversarial ones falls.
        positive_weight: Weight w of the positive (lambda^p), above 0. The released code weighs the loss of a clean and
            an adversarial row instead (adv_weight, from 0.7 to 1.5), outside of the logarithm: multiply it.
        beta: How much harder negatives count, at least 0.
        positive_prior: Probability that a negative is of the anchor's class (tau_plus), in [0, 1).

    Raises:
        ValueError: If an argument is out of range.
    """

    inputs: Inputs = Inputs(takes=("ids", "logit_scale"))

    def __init__(
        self,
        *,
        temperature: float = 0.5,
        alpha: float = 0.2,
        positive_weight: float = 1.0,
        beta: float = 0.0,
        positive_prior: float = 0.0,
    ) -> None:
        super().__init__()
        self.temperature = _checks.positive("temperature", temperature)
        self.alpha = _checks.fraction("alpha", alpha)
        self.positive_weight = _checks.positive("positive_weight", positive_weight)
        self.beta = _checks.at_least("beta", beta, 0.0)
        self.positive_prior = _checks.below_one("positive_prior", positive_prior)

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
        """Return the loss with the losses of the rows of view 0 and the cosines of their positives.

        Args:
            view0: Rows of the samples.
            view1: Another view of them.
            ids: Whole numbers. Samples of one id, such as duplicates, are no negatives of each other.
            logit_scale: Multiplies every cosine, in place of 1 / temperature: `model.log_scale.exp()`.
        """
        views = views_of(view0, view1, ids=ids)
        anchors, keys = scale_gradient(views.units[0], 1.0 - self.alpha), scale_gradient(views.rows, self.alpha)
        contrast = views.contrast(anchors, keys, (views.same_sample(),))
        positive_scores = (anchors * keys[views.num_samples :]).sum(dim=1)
        softmax = softmax_link(self.temperature, logit_scale, views.units)
        positives = softmax(positive_scores)
        weighted = positives + math.log(self.positive_weight)
        negatives = self._negatives(contrast, positives, views, softmax)
        return mean_outcome(softmax_nll(weighted, negatives), {"positive_score": positive_scores})

    def _negatives(
        self, contrast: Contrast, positives: Float[Tensor, " n"], views: Views, softmax: SoftmaxLink
    ) -> Float[Tensor, " n"]:
        if self.beta == self.positive_prior == 0.0:
            return engine.logsumexp_rows(contrast, softmax)
        log_number = (2 * views.num_others).to(positives).log()
        hard = log_hard_negatives(contrast, softmax, self.beta, log_number)
        return debiased(hard, positives, self.positive_prior, log_number, softmax)
