"""MoCo v3: queries of each view against the momentum encoder's keys of the other, without a queue.

Source: Chen et al. 2021, "An Empirical Study of Training Self-Supervised Vision Transformers", Algorithm 1,
https://arxiv.org/abs/2104.02057.
"""

from typing import final

import torch
from jaxtyping import Float, Integer
from torch import Tensor

from anchorwise import _checks, _tensor_checks
from anchorwise.objectives.objective import Inputs, Objective, Outcome, concat_stats, mean_outcome
from anchorwise.objectives.parts.cross_entropy import cross_entropy, softmax_link, temperature_of
from anchorwise.objectives.parts.one_state import read_links
from anchorwise.pairs import views_of
from anchorwise.tails.blend import Blend, as_blend

# n = samples, d = embedding width


@final
class MoCoV3(Objective):
    """`ctr(query0, key1) + ctr(query1, key0)`, each a mean over n cross-entropies against the batch's keys.

    Each ctr carries the authors' factor of 2 temperature, which keeps gradients comparable between temperatures; an
    anchor's loss here is twice its ctr, so that the mean over the 2n anchors is the sum of the two.

    Args:
        temperature: Divides every cosine. Dimensionless, above 0. The sources: 1.0 (ResNet-50), 0.2 (ViT).
        source_scale: Whether both terms are added with the factor 2 temperature; otherwise the plain mean over 2n.
        blend: WEINCE's logit in place of the softmax one; see `tails.Blend`.

    Raises:
        ValueError: If an argument is out of range.
    """

    inputs: Inputs = Inputs(needs=("keys",), takes=("ids", "logit_scale"))

    def __init__(self, *, temperature: float = 0.2, source_scale: bool = True, blend: Blend | None = None) -> None:
        super().__init__()
        self.temperature = _checks.positive("temperature", temperature)
        self.source_scale = source_scale
        self.blend = as_blend(blend)

    def detail(
        self,
        view0: Float[Tensor, "n d"],
        view1: Float[Tensor, "n d"],
        *,
        keys: tuple[Float[Tensor, "n d"], Float[Tensor, "n d"]] | None = None,
        ids: Integer[Tensor, " n"] | None = None,
        logit_scale: float | Tensor | None = None,
    ) -> Outcome:
        """Return the loss with the anchors' losses and the cosines of their positives.

        Args:
            view0: Queries of view 0, from the trained encoder and its predictor.
            view1: Queries of view 1.
            keys: Rows of view 0 and of view 1 from the momentum encoder; they get no gradient.
            ids: Whole numbers. Samples of one id, such as duplicates, are no negatives of each other.
            logit_scale: Multiplies every cosine, in place of 1 / temperature: `model.log_scale.exp()`.
        """
        if keys is None:
            raise ValueError(
                "MoCoV3 needs keys: the momentum encoder's rows of both views; "
                "call objective(view0, view1, keys=(key0, key1))"
            )
        _tensor_checks.views(view0, view1)
        key0, key1 = _tensor_checks.views_beside("keys", keys, (view0, view1))
        of_pairs = [views_of(query, key.detach(), ids=ids) for query, key in ((view0, key1), (view1, key0))]
        softmax = softmax_link(self.temperature, logit_scale, of_pairs[0].units)
        losses, stats = [], []
        contrasts = [views.across(0, 1) for views in of_pairs]
        for contrast, reading in zip(contrasts, read_links(self.blend, contrasts, softmax), strict=True):
            per_anchor, positive_scores = cross_entropy(contrast, reading.link)
            losses.append(per_anchor)
            stats.append({"positive_score": positive_scores, **reading.stats})
        scale = 4.0 * temperature_of(softmax) if self.source_scale else 1.0
        return mean_outcome(scale * torch.cat(losses), concat_stats(stats))
