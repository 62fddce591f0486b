"""Soft targets: part of the target is what a momentum encoder finds similar.

Source: Li et al. 2021, "Align before Fuse: Vision and Language Representation Learning with Momentum Distillation"
(ALBEF), https://arxiv.org/abs/2107.07651.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import final

import torch
from jaxtyping import Float, Int, Integer
from torch import Tensor

from anchorwise import _checks, _tensor_checks, engine
from anchorwise._precision import products
from anchorwise.links import SoftmaxLink
from anchorwise.objectives.objective import Inputs, Objective, Outcome, concat_stats, mean_outcome
from anchorwise.objectives.parts.cross_entropy import softmax_link
from anchorwise.objectives.parts.one_state import from_one_state
from anchorwise.pairs import Contrast, PairWeight, SameId, gathered_ids, views_of
from anchorwise.pairs.ids import num_same, numbered
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
@dataclass(frozen=True, eq=False)
class OwnShares(PairWeight):
    """An even share for each key of an anchor's own: by a number, and the logarithm of how many keys have it."""

    def log_weights(
        self, anchor_values: Float[Tensor, "a 2"], key_values: Float[Tensor, "k 2"]
    ) -> Float[Tensor, "a k"]:
        """Return the logarithms of the shares."""
        is_own = anchor_values[:, :1] == key_values[:, 0]
        return torch.where(is_own, -anchor_values[:, 1:], -torch.inf)


@final
class SoftTargets(Objective):
    """Cross-entropy of `softmax(s / temperature)` over momentum keys against soft targets, mean over 2n anchors.

        target = (1 - label_smoothing) soft + label_smoothing / number of keys
        soft   = alpha softmax(momentum scores / temperature) + (1 - alpha) (1 / own keys for an own key, else 0)

    Both modalities are anchors; the keys are the other one's momentum rows and then its queue. An anchor's own key is
    that of its sample, and with ids those of all samples of its id, in the queue too, as in the source's fine-tuning
    for retrieval, where an image has several captions. Keys and targets have no gradient. The mean target of an anchor
    is a mean of keys, so no matrix of targets is made; under a blend, which is not linear in a key, targets are weights
    of pairs, made tile by tile.

    Args:
        temperature: Divides every cosine where the call gives no `logit_scale`. Dimensionless, above 0.
        alpha: Share of what the momentum encoders find, in [0, 1].
        label_smoothing: Share of the target that is spread evenly over all keys, in [0, 1]; none in the source.
        blend: WEINCE's logit in place of the softmax one, read off all keys but the own one, and not used for targets;
            see `tails.Blend`.

    Raises:
        ValueError: If an argument is out of range.
    """

    inputs: Inputs = Inputs(needs=("keys",), takes=("queues", "ids", "queue_ids", "logit_scale", "alpha_factor"))

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

    def detail(  # noqa: PLR0913  # What a call can bring is named one by one.
        self,
        view0: Float[Tensor, "n d"],
        view1: Float[Tensor, "n d"],
        *,
        keys: tuple[Float[Tensor, "n d"], Float[Tensor, "n d"]] | None = None,
        queues: tuple[Float[Tensor, "k d"], Float[Tensor, "k d"]] | None = None,
        ids: Integer[Tensor, " n"] | None = None,
        queue_ids: tuple[Integer[Tensor, " k"], Integer[Tensor, " k"]] | None = None,
        logit_scale: float | Tensor | None = None,
        alpha_factor: float | Tensor | None = None,
    ) -> Outcome:
        """Return the loss with the anchors' losses and the cosines with their own keys.

        Args:
            view0: Rows of one modality.
            view1: Rows of the other.
            keys: Rows of view 0 and of view 1 from the momentum encoders.
            queues: Earlier keys of both modalities.
            ids: Whole numbers. Samples of one id, such as captions of one image, have all their keys for their own.
            queue_ids: Those of the earlier keys, beside `ids`.
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
        numbers = _numbers(view0, ids, earlier, queue_ids)
        softmax = softmax_link(self.temperature, logit_scale, units)
        alpha = self.alpha
        if alpha_factor is not None:
            alpha = alpha * _share("alpha_factor", alpha_factor, units)
        calls = []
        for view, other in ((0, 1), (1, 0)):
            candidates = torch.cat([own[other], queued[other]]) if queued else own[other]
            contrast = views.contrast(units[view], candidates)
            calls.append(partial(self._loss, contrast, own[view], numbers[other], softmax, alpha))
        losses, stats = zip(*from_one_state(self.blend, calls), strict=True)
        return mean_outcome(torch.cat(losses), concat_stats(stats))

    def _loss(
        self,
        contrast: Contrast,
        momentum_anchors: Tensor,
        numbers: Int[Tensor, " k"] | None,
        softmax: SoftmaxLink,
        alpha: float | Tensor,
    ) -> tuple[Float[Tensor, " n"], dict[str, Tensor]]:
        """Return the anchors' losses.

        Args:
            contrast: Of one modality with the keys of the other, those of the samples first.
            momentum_anchors: What the momentum encoder has in the anchors' place.
            numbers: Of the keys; an anchor's own are those of the number of its sample's. That one alone if left out.
            softmax: What makes logits.
            alpha: Share of what the momentum encoders find.
        """
        own_scores = (contrast.anchors * contrast.keys[: len(contrast.anchors)]).sum(dim=1)
        momentum = replace(contrast, anchors=momentum_anchors)
        reading = read_link(self.blend, _without_own(contrast, numbers), softmax)
        if self.blend is None:
            attraction = softmax((contrast.anchors * self._mean_target(momentum, numbers, softmax, alpha)).sum(dim=1))
        else:
            found = engine.sum_rows(replace(contrast, weight=_shares(momentum, softmax)), reading.link)
            of_own = reading.link(own_scores)
            if numbers is not None:
                of_own = engine.sum_rows(replace(contrast, weight=_own_shares(contrast, numbers)), reading.link)
            soft = alpha * found + (1.0 - alpha) * of_own
            even = engine.sum_rows(contrast, reading.link) / len(contrast.keys)
            attraction = (1.0 - self.label_smoothing) * soft + self.label_smoothing * even
        stats = {"positive_score": own_scores, **reading.stats}
        return engine.logsumexp_rows(contrast, reading.link) - attraction, stats

    def _mean_target(
        self, momentum: Contrast, numbers: Int[Tensor, " k"] | None, softmax: SoftmaxLink, alpha: float | Tensor
    ) -> Float[Tensor, "n d"]:
        """Return the mean key of every target: all that a logit which is linear in the key needs of it."""
        keys, num_anchors = momentum.keys, len(momentum.anchors)
        own = keys[:num_anchors]
        if numbers is not None:
            sums = torch.zeros_like(keys).index_add(0, numbers, keys)
            own = (sums / _counts(numbers).clamp_min(1).unsqueeze(1))[numbers[:num_anchors]]
        soft = alpha * engine.attend_rows(momentum, keys, softmax) + (1.0 - alpha) * own
        return (1.0 - self.label_smoothing) * soft + self.label_smoothing * keys.mean(dim=0)


def _share(name: str, value: float | Tensor, like: Tensor) -> Float[Tensor, ""]:
    """Return one number in [0, 1], without gradient; any other is refused where values are read."""
    share = _tensor_checks.scalar(name, value, like).detach()
    if _tensor_checks.are_read(share) and not 0.0 <= float(share) <= 1.0:
        raise ValueError(f"{name} must lie in [0, 1], got {float(share):g}")
    return share.where((share >= 0.0) & (share <= 1.0), torch.nan)


def _numbers(
    view: Tensor,
    ids: Tensor | None,
    queues: Sequence[Tensor],
    queue_ids: Sequence[Tensor] | None,
) -> Sequence[Tensor | None]:
    """Return what ids number the keys of both modalities by, below the number of keys; None where no ids are given."""
    if ids is None:
        if queue_ids is not None:
            raise ValueError("queue_ids need ids beside them: the samples' numbers, which theirs are compared with")
        return [None, None]
    of_samples = gathered_ids("ids", ids, view)
    if not queues:
        return [numbered(of_samples)] * 2
    if queue_ids is None:
        raise ValueError("ids need queue_ids beside them where there are queues: the numbers of their rows")
    held = _tensor_checks.one_each("queue_ids", queue_ids, 2, "modalities")
    return [
        numbered(
            torch.cat(
                [of_samples, _tensor_checks.one_per_row(f"queue_ids[{side}]", each, f"rows of queues[{side}]", queue)]
            )
        )
        for side, (each, queue) in enumerate(zip(held, queues, strict=True))
    ]


def _counts(numbers: Int[Tensor, " k"]) -> Int[Tensor, " k"]:
    """Return how many keys have each number."""
    return torch.zeros_like(numbers).index_add(0, numbers, torch.ones_like(numbers))


def _own_shares(contrast: Contrast, numbers: Int[Tensor, " k"]) -> OwnShares:
    values = torch.stack([numbers, num_same(numbers)], dim=1).to(contrast.keys.dtype)
    values[:, 1].log_()
    return OwnShares(values[: len(contrast.anchors)], values)


def _without_own(contrast: Contrast, numbers: Int[Tensor, " k"] | None) -> Contrast:
    """Contrast the anchors with all keys but their own, which are the first ones where they have no numbers."""
    if numbers is not None:
        return replace(contrast, exclude=(SameId(numbers[: len(contrast.anchors)], numbers),), num_excluded=None)
    index = torch.arange(len(contrast.keys), device=contrast.keys.device)
    own = index[: len(contrast.anchors)]
    return replace(contrast, exclude=(SameId(own, index),), num_excluded=1)


@torch.no_grad()
def _shares(momentum: Contrast, softmax: SoftmaxLink) -> MomentumShares:
    """Return the softmax of the momentum scores, pair by pair."""
    norm = engine.logsumexp_rows(momentum, softmax).unsqueeze(1)
    anchors = torch.cat([softmax(momentum.anchors), -norm], dim=1)
    return MomentumShares(anchors, torch.cat([momentum.keys, torch.ones_like(momentum.keys[:, :1])], dim=1))
