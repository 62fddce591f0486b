"""The weighted sum of what several objectives, or one at several widths, gave."""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from anchorwise.objectives.objective import Outcome


def weighted_sum(weights: Sequence[float], outcomes: Mapping[str, Outcome]) -> Outcome:
    """Return the weighted sum of outcomes, with the statistics of the first and, by its name, every one's own loss.

    Where they have different numbers of anchors, their losses per anchor are repeated to a common number: n samples
    have n or 2n of them.
    """
    parts = list(outcomes.values())
    num_anchors = math.lcm(*(len(outcome.per_anchor) for outcome in parts))
    per_anchor = [outcome.per_anchor.repeat(num_anchors // len(outcome.per_anchor)) for outcome in parts]
    losses = {name: outcome.loss.detach() for name, outcome in outcomes.items()}
    loss = _weighted(weights, [outcome.loss for outcome in parts])
    return Outcome(loss, _weighted(weights, per_anchor), {**parts[0].stats, **losses})


def _weighted(weights: Sequence[float], values: Sequence[Tensor]) -> Tensor:
    return torch.stack([weight * value for weight, value in zip(weights, values, strict=True)]).sum(dim=0)
