"""DHEL: the denominator holds the same view's other samples only, so alignment and uniformity come apart.

Source: Koromilas et al. 2024, "Bridging Mini-Batch and Asymptotic Analysis in Contrastive Learning: From InfoNCE to
Kernel-Based Losses", https://arxiv.org/abs/2405.18045, and its released code.
"""

from typing import final

import torch
from jaxtyping import Float, Integer
from torch import Tensor

from anchorwise import _checks, _tensor_checks, engine
from anchorwise.objectives.objective import Inputs, Objective, Outcome, concat_stats, mean_outcome
from anchorwise.objectives.parts.cross_entropy import softmax_link
from anchorwise.objectives.parts.one_state import read_links
from anchorwise.pairs import views_of
from anchorwise.tails.blend import Blend, as_blend

# n = samples, d = embedding width


@final
class DHEL(Objective):
    """Alignment of positives plus `log sum exp` over the rows of the same view.

        mean over samples of  -s_positive / temperature + uniformity_weight (LSE_view0 + LSE_view1)

    That is the mean over 2n anchors of the alignment and twice the weight times the anchor's own LSE. At least 2
    samples.

    Args:
        temperature: Divides every cosine. Dimensionless, above 0.
        both_views: Whether view 1 has its LSE too (include_augs in the released code); without it, the n rows of view 0
            are the anchors.
        uniformity_weight: 1 is the authors' scale, where both views together weigh twice the alignment; 0.5 is the
            symmetrised form of Lee et al. 2025, "On the Similarities of Embeddings in Contrastive Learning". Above 0.
        blend: WEINCE's logit in place of the softmax one; see `tails.Blend`.

    Raises:
        ValueError: If an argument is out of range.
    """

    inputs: Inputs = Inputs(takes=("ids", "logit_scale"))

    def __init__(
        self,
        *,
        temperature: float = 0.3,
        both_views: bool = True,
        uniformity_weight: float = 1.0,
        blend: Blend | None = None,
    ) -> None:
        super().__init__()
        self.temperature = _checks.positive("temperature", temperature)
        self.both_views = both_views
        self.uniformity_weight = _checks.positive("uniformity_weight", uniformity_weight)
        self.blend = as_blend(blend)

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
        _tensor_checks.num_samples(self, views.num_distinct)
        positive_scores = views.scores_between(0, 1)
        num_sides = 2 if self.both_views else 1
        losses, stats = [], []
        contrasts = [views.within(view) for view in range(num_sides)]
        softmax = softmax_link(self.temperature, logit_scale, views.units)
        for contrast, reading in zip(contrasts, read_links(self.blend, contrasts, softmax), strict=True):
            uniformity = num_sides * self.uniformity_weight * engine.logsumexp_rows(contrast, reading.link)
            losses.append(uniformity - reading.link(positive_scores))
            stats.append({"positive_score": positive_scores, **reading.stats})
        return mean_outcome(torch.cat(losses), concat_stats(stats))
