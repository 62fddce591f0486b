"""MV-InfoNCE: all views of a sample in one term.

Source: Koromilas et al. 2025, "A Principled Framework for Multi-View Contrastive Learning",
https://arxiv.org/abs/2507.06979, and its released code.
"""

from typing import final

from jaxtyping import Float, Integer
from torch import Tensor

from anchorwise import _checks, _tensor_checks, engine
from anchorwise._precision import log_sum, softmax_nll
from anchorwise.objectives.objective import Inputs, Objective, Outcome, mean_outcome
from anchorwise.objectives.parts.cross_entropy import softmax_link
from anchorwise.pairs import views_of
from anchorwise.tails.blend import Blend, as_blend, read_link

# n = samples, d = embedding width


@final
class MVInfoNCE(Objective):
    """`-log(sum over pairs of a sample's views of e^(s/t) / sum over pairs of rows of e^(s/t))`, mean over n samples.

    The numerator has all ordered pairs of different views of the sample, the denominator all ordered pairs of one of
    its rows and any row but itself. Two or more views.

    Args:
        temperature: Divides every cosine. Dimensionless, above 0.
        within_view: Whether pairs within one view are in the denominator, as in the released code; without them it is
            the formula in its README, with other views only.
        blend: WEINCE's logit in place of the softmax one; see `tails.Blend`.

    Raises:
        ValueError: If an argument is out of range.
    """

    inputs: Inputs = Inputs(max_views=None, takes=("ids", "logit_scale"))

    def __init__(self, *, temperature: float = 0.5, within_view: bool = True, blend: Blend | None = None) -> None:
        super().__init__()
        self.temperature = _checks.positive("temperature", temperature)
        self.within_view = within_view
        self.blend = as_blend(blend)

    def detail(
        self,
        view0: Float[Tensor, "n d"],
        *more_views: Float[Tensor, "n d"],
        ids: Integer[Tensor, " n"] | None = None,
        logit_scale: float | Tensor | None = None,
    ) -> Outcome:
        """Return the loss with the samples' losses; statistics are means over all rows.

        Args:
            view0: Rows of the samples.
            *more_views: Further views of them.
            ids: Whole numbers. Samples of one id, such as duplicates, are no negatives of each other.
            logit_scale: Multiplies every cosine, in place of 1 / temperature: `model.log_scale.exp()`.
        """
        views = views_of(view0, *more_views, ids=ids)
        _tensor_checks.num_views(self, views.num_views, 2)
        contrast = views.pooled(same_view=self.within_view)
        reading = read_link(self.blend, contrast, softmax_link(self.temperature, logit_scale, views.units))
        negatives = log_sum(engine.logsumexp_rows(contrast, reading.link).view(views.num_views, -1), dim=0)
        positives = views.over_pairs(reading.link(views.sample_scores))
        per_sample = softmax_nll(positives, negatives)
        return mean_outcome(per_sample, {name: value.mean() for name, value in reading.stats.items()})
