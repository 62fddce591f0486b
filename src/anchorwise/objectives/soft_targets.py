"""Soft targets: part of the target is what a momentum encoder finds similar.

Source: Li et al. 2021, "Align before Fuse: Vision and Language Representation Learning with Momentum Distillation"
(ALBEF), https://arxiv.org/abs/2107.07651.
"""

from dataclasses import replace
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from anchorwise import _checks
from anchorwise.links import SoftmaxLink
from anchorwise.objectives.cross_entropy import mean_key, repulsion, softmax_link
from anchorwise.objectives.objective import Inputs, Objective, Outcome, joined, mean_outcome
from anchorwise.pairs import Contrast, views_of

# n = images, k = keys, d = embedding width


@final
class SoftTargets(Objective):
    """Cross-entropy of `softmax(s / temperature)` over momentum keys against soft targets, mean over 2n anchors.

        target = (1 - label_smoothing) soft + label_smoothing / number of keys
        soft   = alpha softmax(momentum scores / temperature) + (1 - alpha) (1 for the own key, else 0)

    Both modalities are anchors; the keys are the other one's momentum rows and then its queue. Keys and targets have no
    gradient. The mean target of an anchor is a mean of keys, so no matrix of targets is made.

    Args:
        temperature: Divides every cosine where the call gives no `logit_scale`. Dimensionless, above 0.
        alpha: Share of what the momentum encoders find, in [0, 1].
        label_smoothing: Share of the target that is spread evenly over all keys, in [0, 1]; none in the source.

    Raises:
        ValueError: If an argument is out of range.
    """

    inputs: Inputs = Inputs(needs=("keys",), takes=("queues", "logit_scale"))

    def __init__(self, *, temperature: float = 0.07, alpha: float = 0.4, label_smoothing: float = 0.0) -> None:
        super().__init__()
        self.temperature = _checks.positive("temperature", temperature)
        self.alpha = _checks.fraction("alpha", alpha)
        self.label_smoothing = _checks.fraction("label_smoothing", label_smoothing)

    def detail(
        self,
        view0: Float[Tensor, "n d"],
        view1: Float[Tensor, "n d"],
        *,
        keys: tuple[Float[Tensor, "n d"], Float[Tensor, "n d"]] | None = None,
        queues: tuple[Float[Tensor, "k d"], Float[Tensor, "k d"]] | None = None,
        logit_scale: float | Tensor | None = None,
    ) -> Outcome:
        """Return the loss with the anchors' losses and the cosines with their own keys.

        Args:
            view0: Rows of one modality.
            view1: Rows of the other.
            keys: Rows of view 0 and of view 1 from the momentum encoders.
            queues: Earlier keys of both modalities.
            logit_scale: Multiplies every cosine, in place of 1 / temperature.
        """
        if keys is None:
            raise ValueError(
                "SoftTargets needs keys: the momentum encoders' rows of both views; "
                "call objective(view0, view1, keys=(key0, key1))"
            )
        views = views_of(view0, view1)
        units = views.units
        own = views_of(*(key.detach() for key in _checks.views_beside("keys", keys, (view0, view1)))).units.to(units)
        earlier = [] if queues is None else _checks.one_each("queues", queues, 2, "modalities")
        queued = [views.beside(f"queues[{index}]", queue).detach() for index, queue in enumerate(earlier)]
        link = softmax_link(self.temperature, logit_scale, units)
        losses, stats = [], []
        for view, other in ((0, 1), (1, 0)):
            candidates = torch.cat([own[other], queued[other]]) if queued else own[other]
            contrast = Contrast(units[view], candidates, (), ranks=views.ranks)
            loss, score = self._loss(contrast, own[view], own[other], link)
            losses.append(loss)
            stats.append({"positive_score": score})
        return mean_outcome(torch.cat(losses), joined(stats))

    def _loss(
        self, contrast: Contrast, momentum_anchors: Tensor, own: Tensor, link: SoftmaxLink
    ) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
        found = mean_key(replace(contrast, anchors=momentum_anchors), link)
        soft = self.alpha * found + (1.0 - self.alpha) * own
        target = (1.0 - self.label_smoothing) * soft + self.label_smoothing * contrast.keys.mean(dim=0)
        attraction = link((contrast.anchors * target).sum(dim=1))
        return repulsion(contrast, link) - attraction, (contrast.anchors * own).sum(dim=1)
