"""Poly-view InfoNCE: every view of a sample against the rest of its views, averaged inside or outside the logarithm.

Source: Shidani et al. 2024, "Poly-View Contrastive Learning", https://arxiv.org/abs/2403.05490.
"""

import math
from typing import Literal, final

import torch
from jaxtyping import Float, Integer
from torch import Tensor

from anchorwise import _checks, _tensor_checks, engine
from anchorwise._precision import softmax_nll
from anchorwise.objectives.objective import Inputs, Objective, Outcome, mean_outcome
from anchorwise.objectives.parts.cross_entropy import softmax_link
from anchorwise.pairs import views_of
from anchorwise.tails.blend import Blend, as_blend, read_link

# n = samples, d = embedding width


@final
class PolyView(Objective):
    """Mean over the rows of all views of how well a row finds each other view of its sample among other samples.

        l_b = e^(s_b / t) / (e^(s_b / t) + sum over all rows of other samples of e^(s / t)),  b another view
        geometric: -mean over b of log l_b        arithmetic: -log mean over b of l_b

    With two views both are InfoNCE. Two or more views.

    Args:
        temperature: Divides every cosine. Dimensionless, above 0.
        mean: "geometric" or "arithmetic".
        blend: WEINCE's logit in place of the softmax one; see `tails.Blend`.

    Raises:
        ValueError: If an argument is out of range.
    """

    inputs: Inputs = Inputs(max_views=None, takes=("ids", "logit_scale"))

    def __init__(
        self,
        *,
        temperature: float = 0.5,
        mean: Literal["geometric", "arithmetic"] = "geometric",
        blend: Blend | None = None,
    ) -> None:
        super().__init__()
        self.temperature = _checks.positive("temperature", temperature)
        self.mean = _checks.one_of("mean", mean, ("geometric", "arithmetic"))
        self.blend = as_blend(blend)

    def detail(
        self,
        view0: Float[Tensor, "n d"],
        *more_views: Float[Tensor, "n d"],
        ids: Integer[Tensor, " n"] | None = None,
        logit_scale: float | Tensor | None = None,
    ) -> Outcome:
        """Return the loss with the anchors' losses, view by view.

        Args:
            view0: Rows of the samples.
            *more_views: Further views of them.
            ids: Whole numbers. Samples of one id, such as duplicates, are no negatives of each other.
            logit_scale: Multiplies every cosine, in place of 1 / temperature: `model.log_scale.exp()`.
        """
        views = views_of(view0, *more_views, ids=ids)
        _tensor_checks.num_views(self, views.num_views, 2)
        contrast, num_others = views.pooled(), views.num_views - 1
        reading = read_link(self.blend, contrast, softmax_link(self.temperature, logit_scale, views.units))
        negatives = engine.logsumexp_rows(contrast, reading.link).unsqueeze(1).expand(-1, views.num_views)
        losses = softmax_nll(reading.link(views.sample_scores), negatives)
        if self.mean == "geometric":
            per_anchor = losses.masked_fill(views.itself, 0.0).sum(dim=1) / num_others
        else:
            log_found = (-losses).masked_fill(views.itself, -torch.inf).logsumexp(dim=1)
            per_anchor = math.log(num_others) - log_found
        return mean_outcome(per_anchor, reading.stats)
