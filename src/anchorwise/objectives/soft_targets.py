"""Soft targets: part of the target is what a momentum encoder finds similar.

Source: Li et al. 2021, "Align before Fuse: Vision and Language Representation Learning with Momentum Distillation"
(ALBEF), https://arxiv.org/abs/2107.07651.
"""

from dataclasses import dataclass, replace
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from anchorwise import _checks, _tensor_checks, engine
from anchorwise._precision import products
from anchorwise.links import SoftmaxLink
from anchorwise.objectives.objective import Inputs, Objective, Outcome, concat_stats, mean_outcome
from anchorwise.objectives.parts.cross_entropy import softmax_link
from anchorwise.pairs import Contrast, PairWeight, SameId, views_of
from anchorwise.tails.blend import Blend, as_blend, read_link

# n = samples, a = anchors, k = keys, d = embedding width, c = values per row


@final
@dataclass(frozen=True, eq=False)
class MomentumShares(PairWeight):
    """What a momentum encoder finds of a pair: the exponential of the product of what comes with its two rows."""

    def log_weights(
        self, anchor_values: Float[Tensor, "a c"], key_values: Float[Tensor, "k c"]
    ) -> Float[Tensor, "a k"]:
        """Return the products."""
        return products(anchor_values, key_values)


@final
class SoftTargets(Objective):
    """Cross-entropy of `softmax(s / temperature)` over momentum keys against soft targets, mean over 2n anchors.

        target = (1 - label_smoothing) soft + label_smoothing / number of keys
        soft   = alpha softmax(momentum scores / temperature) + (1 - alpha) (1 for the own key, else 0)

    Both modalities are anchors; the keys are the other one's momentum rows and then its queue. Keys and targets have no
    gradient. The mean target of an anchor is a mean of keys, so no matrix of targets is made; under a blend, which is
    not linear in a key, targets are weights of pairs, made tile by tile.

    Args:
        temperature: Divides every cosine where the call gives no `logit_scale`. Dimensionless, above 0.
        alpha: Share of what the momentum encoders find, in [0, 1].
        label_smoothing: Share of the target that is spread evenly over all keys, in [0, 1]; none in the source.
        blend: WEINCE's logit in place of the softmax one, read off all keys but the own one, and not used for targets;
            see `tails.Blend`.

    Raises:
        ValueError: If an argument is out of range.
    """

    inputs: Inputs = Inputs(needs=("keys",), takes=("queues", "logit_scale", "alpha_factor"))

    def __init__(
        self,
        *,
        temperature: float = 0.07,
        alpha: float = 0.4,
        label_smoothing: float = 0.0,
        blend: Blend | None = None,
    ) -> None:
        super().__init__()
        self.temperature = _checks.positive("temperature", temperature)
        self.alpha = _checks.fraction("alpha", alpha)
        self.label_smoothing = _checks.fraction("label_smoothing", label_smoothing)
        self.blend = as_blend(blend)

    def detail(
        self,
        view0: Float[Tensor, "n d"],
        view1: Float[Tensor, "n d"],
        *,
        keys: tuple[Float[Tensor, "n d"], Float[Tensor, "n d"]] | None = None,
        queues: tuple[Float[Tensor, "k d"], Float[Tensor, "k d"]] | None = None,
        logit_scale: float | Tensor | None = None,
        alpha_factor: float | Tensor | None = None,
    ) -> Outcome:
        """Return the loss with the anchors' losses and the cosines with their own keys.

        Args:
            view0: Rows of one modality.
            view1: Rows of the other.
            keys: Rows of view 0 and of view 1 from the momentum encoders.
            queues: Earlier keys of both modalities.
            logit_scale: Multiplies every cosine, in place of 1 / temperature.
            alpha_factor: Multiplies alpha, in [0, 1]: what rises while the momentum encoders know little.
        """
        if keys is None:
            raise ValueError(
                "SoftTargets needs keys: the momentum encoders' rows of both views; "
                "call objective(view0, view1, keys=(key0, key1))"
            )
        views = views_of(view0, view1)
        units = views.units
        own = views_of(*(key.detach() for key in _tensor_checks.views_beside("keys", keys, (view0, view1)))).units.to(
            units
        )
        earlier = [] if queues is None else _tensor_checks.one_each("queues", queues, 2, "modalities")
        queued = [views.beside(f"queues[{index}]", queue).detach() for index, queue in enumerate(earlier)]
        softmax = softmax_link(self.temperature, logit_scale, units)
        alpha = self.alpha
        if alpha_factor is not None:
            alpha = alpha * _tensor_checks.scalar("alpha_factor", alpha_factor, units).detach()
        losses, stats = [], []
        for view, other in ((0, 1), (1, 0)):
            candidates = torch.cat([own[other], queued[other]]) if queued else own[other]
            contrast = Contrast(units[view], candidates, ranks=views.ranks)
            loss, read = self._loss(contrast, own[view], own[other], softmax, alpha)
            losses.append(loss)
            stats.append(read)
        return mean_outcome(torch.cat(losses), concat_stats(stats))

    def _loss(
        self, contrast: Contrast, momentum_anchors: Tensor, own: Tensor, softmax: SoftmaxLink, alpha: float | Tensor
    ) -> tuple[Float[Tensor, " n"], dict[str, Tensor]]:
        own_scores, momentum = (contrast.anchors * own).sum(dim=1), replace(contrast, anchors=momentum_anchors)
        reading = read_link(self.blend, _without_own(contrast), softmax)
        if self.blend is None:
            attraction = softmax((contrast.anchors * self._mean_target(momentum, own, softmax, alpha)).sum(dim=1))
        else:
            found = engine.sum_rows(replace(contrast, weight=_shares(momentum, softmax)), reading.link)
            soft = alpha * found + (1.0 - alpha) * reading.link(own_scores)
            even = engine.sum_rows(contrast, reading.link) / len(contrast.keys)
            attraction = (1.0 - self.label_smoothing) * soft + self.label_smoothing * even
        stats = {"positive_score": own_scores, **reading.stats}
        return engine.logsumexp_rows(contrast, reading.link) - attraction, stats

    def _mean_target(
        self, momentum: Contrast, own: Tensor, softmax: SoftmaxLink, alpha: float | Tensor
    ) -> Float[Tensor, "n d"]:
        """Return the mean key of every target: all that a logit which is linear in the key needs of it."""
        soft = alpha * engine.attend_rows(momentum, momentum.keys, softmax) + (1.0 - alpha) * own
        return (1.0 - self.label_smoothing) * soft + self.label_smoothing * momentum.keys.mean(dim=0)


def _without_own(contrast: Contrast) -> Contrast:
    """Contrast the anchors with all keys but their own, which are the first ones."""
    index = torch.arange(len(contrast.keys), device=contrast.keys.device)
    own = index[: len(contrast.anchors)]
    return replace(contrast, exclude=(SameId(own, index),), num_excluded=1)


@torch.no_grad()
def _shares(momentum: Contrast, softmax: SoftmaxLink) -> MomentumShares:
    """Return the softmax of the momentum scores, pair by pair."""
    norm = engine.logsumexp_rows(momentum, softmax).unsqueeze(1)
    anchors = torch.cat([softmax(momentum.anchors), -norm], dim=1)
    return MomentumShares(anchors, torch.cat([momentum.keys, torch.ones_like(momentum.keys[:, :1])], dim=1))
