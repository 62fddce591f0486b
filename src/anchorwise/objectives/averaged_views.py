"""InfoNCE of every view with the mean of the others.

Source: the AVG baseline of Koromilas et al. 2025, "A Principled Framework for Multi-View Contrastive Learning",
https://arxiv.org/abs/2507.06979, as in its released code.
"""

from dataclasses import replace
from typing import final

import torch
from jaxtyping import Float, Integer
from torch import Tensor

from anchorwise import _checks, _tensor_checks
from anchorwise.objectives.objective import Inputs, Objective, Outcome, concat_stats, mean_outcome
from anchorwise.objectives.parts.cross_entropy import cross_entropy, softmax_link
from anchorwise.objectives.parts.one_state import read_links
from anchorwise.pairs import Contrast, unit_rows, views_of
from anchorwise.tails.blend import Blend, as_blend

# n = samples, v = views, d = embedding width


@final
class AveragedViews(Objective):
    """NT-Xent of a view and the mean of the unit rows of the other views, mean over views and their 2n anchors.

    Two or more views; with two it is InfoNCE.

    Args:
        temperature: Divides every score. Dimensionless, above 0.
        normalise: Whether the mean rows are scaled to length 1; in the released code they stay shorter, so that scores
            with them are no cosines.
        blend: WEINCE's logit in place of the softmax one; see `tails.Blend`. It is made for cosines: `normalise=True`.

    Raises:
        ValueError: If an argument is out of range.
    """

    inputs: Inputs = Inputs(max_views=None, takes=("ids", "logit_scale"))

    def __init__(self, *, temperature: float = 0.5, normalise: bool = False, blend: Blend | None = None) -> None:
        super().__init__()
        self.temperature = _checks.positive("temperature", temperature)
        self.normalise = normalise
        self.blend = as_blend(blend)

    def num_candidates(self, num_rows: int) -> int | None:
        """All rows but the anchor's own."""
        return num_rows - 1

    def detail(
        self,
        view0: Float[Tensor, "n d"],
        *more_views: Float[Tensor, "n d"],
        ids: Integer[Tensor, " n"] | None = None,
        logit_scale: float | Tensor | None = None,
    ) -> Outcome:
        """Return the loss with the anchors' losses and the scores of their positives.

        Args:
            view0: Rows of the samples.
            *more_views: Further views of them.
            ids: Whole numbers. Samples of one id, such as duplicates, are no negatives of each other.
            logit_scale: Multiplies every cosine, in place of 1 / temperature: `model.log_scale.exp()`.
        """
        views = views_of(view0, *more_views, ids=ids)
        _tensor_checks.num_views(self, views.num_views, 2)
        softmax = softmax_link(self.temperature, logit_scale, views.units)
        contrasts: list[Contrast] = []
        for view, rows in enumerate(views.units):
            others = torch.cat([views.units[:view], views.units[view + 1 :]]).mean(dim=0)
            pair = replace(views, units=torch.stack([rows, unit_rows(others) if self.normalise else others]))
            contrasts.append(pair.pooled())
        losses, stats = [], []
        for contrast, reading in zip(contrasts, read_links(self.blend, contrasts, softmax), strict=True):
            per_anchor, positive_scores = cross_entropy(contrast, reading.link)
            losses.append(per_anchor)
            stats.append({"positive_score": positive_scores, **reading.stats})
        return mean_outcome(torch.cat(losses), concat_stats(stats))
