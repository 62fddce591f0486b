"""DCLW: DCL whose positives count more where they are far apart.

Source: Yeh et al. 2021, "Decoupled Contrastive Learning", https://arxiv.org/abs/2110.06848.
"""

from typing import final

from jaxtyping import Float, Integer
from torch import Tensor

from anchorwise import _checks, _tensor_checks, engine
from anchorwise.objectives.objective import Inputs, Objective, Outcome, mean_outcome
from anchorwise.objectives.parts.cross_entropy import softmax_link
from anchorwise.pairs import views_of
from anchorwise.tails.blend import Blend, as_blend, read_link

# n = samples, d = embedding width


@final
class DCLW(Objective):
    """`-w s_positive / temperature + log sum over negatives of exp(s / temperature)`, mean over the 2n anchors.

        w_i = 2 - exp(s_i / sigma) / mean over samples of exp(s / sigma)

    with s_i the cosine of sample i's positive pair. At least 2 samples.

    Args:
        temperature: Divides every cosine. Dimensionless, above 0.
        sigma: Sharpness of the weight: divides the positives' cosines. Dimensionless, above 0.
        detach_weights: Whether w has no gradient. The formula as written has one; of the public implementations one
            keeps it and lightly's does not.
        blend: WEINCE's logit in place of the softmax one; see `tails.Blend`.

    Raises:
        ValueError: If an argument is out of range.
    """

    inputs: Inputs = Inputs(takes=("ids", "logit_scale"))

    def __init__(
        self,
        *,
        temperature: float = 0.1,
        sigma: float = 0.5,
        detach_weights: bool = False,
        blend: Blend | None = None,
    ) -> None:
        super().__init__()
        self.temperature = _checks.positive("temperature", temperature)
        self.sigma = _checks.positive("sigma", sigma)
        self.detach_weights = detach_weights
        self.blend = as_blend(blend)

    def detail(
        self,
        view0: Float[Tensor, "n d"],
        view1: Float[Tensor, "n d"],
        *,
        ids: Integer[Tensor, " n"] | None = None,
        logit_scale: float | Tensor | None = None,
    ) -> Outcome:
        """Return the loss with the anchors' losses, the positives' weights and cosines.

        Args:
            view0: Rows of the samples.
            view1: Another view of them.
            ids: Whole numbers. Samples of one id, such as duplicates, are no negatives of each other.
            logit_scale: Multiplies every cosine, in place of 1 / temperature: `model.log_scale.exp()`.
        """
        views = views_of(view0, view1, ids=ids)
        _tensor_checks.num_samples(self, views.num_distinct)
        positive_scores, contrast = views.positive_scores, views.pooled()
        reading = read_link(self.blend, contrast, softmax_link(self.temperature, logit_scale, views.units))
        # Every sample is twice in the softmax and twice in the mean.
        weights = 2.0 - len(positive_scores) * (positive_scores / self.sigma).softmax(dim=0)
        weights = weights.detach() if self.detach_weights else weights
        per_anchor = engine.logsumexp_rows(contrast, reading.link) - weights * reading.link(positive_scores)
        stats = {"positive_score": positive_scores, "positive_weight": weights}
        return mean_outcome(per_anchor, {**stats, **reading.stats})
