"""Changes of signals, each a function of the signals and of what was drawn; steps behind a signal's end stay 0."""

from typing import cast

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from scipy.interpolate import CubicSpline
from torch import Tensor

# n = signals, c = channels, t = time steps, k = knots, g = points of the grid that curves are known at

NUM_KNOTS = 5
_NUM_POINTS = 256
_SLOWEST = 0.1  # Time never stands still, nor runs backwards.


def cut_out(
    signals: Float[Tensor, "n c t"],
    share: Float[Tensor, " n"],
    place: Float[Tensor, " n"],
    lengths: Int64[Tensor, " n"],
) -> Float[Tensor, "n c t"]:
    """Return signals with a stretch of time set to 0.

    Args:
        signals: Of mean 0 where they are standardised.
        share: Of the steps, in [0, 1]; 0 cuts nothing.
        place: Of the stretch, in [0, 1]; 0 is the beginning, 1 the end.
        lengths: Steps of each.
    """
    steps = torch.arange(signals.shape[2], device=signals.device)
    width = share * lengths
    first = (place * (lengths - width)).unsqueeze(1)
    is_out = (steps >= first) & (steps < first + width.unsqueeze(1))
    return signals.masked_fill(is_out.unsqueeze(1), 0.0)


def knot_curves() -> Float[Tensor, "g k"]:
    """Return the natural cubic splines that are 1 at one of the knots and 0 at the others, at the points of a grid."""
    knots, points = np.linspace(0.0, 1.0, NUM_KNOTS), np.linspace(0.0, 1.0, _NUM_POINTS)
    return torch.from_numpy(CubicSpline(knots, np.eye(NUM_KNOTS), bc_type="natural")(points)).float()


def smooth(
    knots: Float[Tensor, "n c k"], curves: Float[Tensor, "g k"], num_steps: int, lengths: Int64[Tensor, " n"]
) -> Float[Tensor, "n c t"]:
    """Return smooth curves through knots that are spread over the steps of each signal, the first and last at its ends.

    Args:
        knots: Their heights.
        curves: As `knot_curves` gives them.
        num_steps: Of the result.
        lengths: Steps of each.
    """
    steps = torch.arange(num_steps, device=knots.device)
    share = (steps / (lengths - 1).clamp_min(1).unsqueeze(1)).clamp_max(1.0)
    return resampled(knots @ curves.T, share * (len(curves) - 1))


def warped_places(speed: Float[Tensor, "n t"], lengths: Int64[Tensor, " n"]) -> Float[Tensor, "n t"]:
    """Return where time is when it runs at a speed; it ends where the signal does.

    Args:
        speed: Of every step, relative to the others.
        lengths: Steps of each.
    """
    passed = speed.clamp_min(_SLOWEST).cumsum(dim=1)
    passed = passed - passed[:, :1]
    last = passed.gather(1, (lengths - 1).unsqueeze(1)).clamp_min(_SLOWEST)
    return passed / last * (lengths - 1).unsqueeze(1)


def resampled(signals: Float[Tensor, "n c s"], places: Float[Tensor, "n t"]) -> Float[Tensor, "n c t"]:
    """Return what signals are at places between their steps, along straight lines.

    Args:
        signals: Any.
        places: From 0 on, in steps; what lies beyond the last is the last.
    """
    places = places.clamp(0.0, signals.shape[2] - 1.0)
    before = places.floor().long()
    after = (before + 1).clamp_max(signals.shape[2] - 1)
    first, second = (signals.gather(2, each.unsqueeze(1).expand(-1, signals.shape[1], -1)) for each in (before, after))
    return torch.lerp(first, second, cast(Tensor, places - before).unsqueeze(1))


def permuted(
    signals: Float[Tensor, "n c t"], keys: Float[Tensor, "n c"], is_permuted: Bool[Tensor, " n"]
) -> Float[Tensor, "n c t"]:
    """Return signals whose channels stand in the order of their keys, those that are chosen."""
    own = torch.arange(signals.shape[1], device=signals.device)
    order = torch.where(is_permuted.unsqueeze(1), keys.argsort(dim=1), own)
    return signals.gather(1, order.unsqueeze(2).expand(-1, -1, signals.shape[2]))


def gaussian(uniform: Tensor) -> Tensor:
    """Return normal numbers of uniform ones in [0, 1) that are multiples of 2^-24, none of them infinite."""
    return torch.erfinv((2.0 * uniform - 1.0) + 2.0**-24) * 2.0**0.5
