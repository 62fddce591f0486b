"""MV-DHEL: the product over views of DHEL's denominators, in log space.

Source: Koromilas et al. 2025, "A Principled Framework for Multi-View Contrastive Learning",
https://arxiv.org/abs/2507.06979, and its released code.
"""

import math
from typing import final

import torch
from jaxtyping import Float, Integer
from torch import Tensor

from anchorwise import _checks, _tensor_checks, engine
from anchorwise.objectives.objective import Inputs, Objective, Outcome, mean_outcome
from anchorwise.objectives.parts.cross_entropy import softmax_link
from anchorwise.objectives.parts.one_state import read_links
from anchorwise.pairs import views_of
from anchorwise.tails.blend import Blend, as_blend

# n = samples, v = views, d = embedding width


@final
class MVDHEL(Objective):
    """`-log sum over pairs of views of e^(s/t) + sum over views of log sum within the view of e^(s/t)`, over n samples.

    As released: unordered pairs of views, and the anchor itself is not in its denominator; the formula in the README
    has ordered pairs, which is a constant log 2 less, and the anchor. With two views it is DHEL. The released product
    of sums overflows float32 from six views on; a sum of logarithms does not. At least 2 samples, two or more views.

    Args:
        temperature: Divides every cosine. Dimensionless, above 0.
        blend: WEINCE's logit in place of the softmax one, read off every view's own rows; see `tails.Blend`.

    Raises:
        ValueError: If an argument is out of range.
    """

    inputs: Inputs = Inputs(max_views=None, takes=("ids", "logit_scale"))

    def __init__(self, *, temperature: float = 0.5, blend: Blend | None = None) -> None:
        super().__init__()
        self.temperature = _checks.positive("temperature", temperature)
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
        _tensor_checks.num_samples(self, views.num_distinct)
        uniformity, logits, stats = [], [], []
        contrasts = [views.within(view) for view in range(views.num_views)]
        readings = read_links(self.blend, contrasts, softmax_link(self.temperature, logit_scale, views.units))
        of_views = views.sample_scores.unflatten(0, (views.num_views, -1))
        for contrast, reading, scores in zip(contrasts, readings, of_views, strict=True):
            uniformity.append(engine.logsumexp_rows(contrast, reading.link))
            logits.append(reading.link(scores))
            stats.append(reading.stats)
        alignment = views.over_pairs(torch.cat(logits)) - math.log(2.0)
        means = {name: torch.stack([part[name].mean() for part in stats]).mean() for name in stats[0]}
        return mean_outcome(torch.stack(uniformity).sum(dim=0) - alignment, means)
