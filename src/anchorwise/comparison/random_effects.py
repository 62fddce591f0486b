"""One mean of differences that were measured on several data sets, which need not have the same truth.

A data set's difference is known up to an error of its seeds, and the true differences themselves vary from data set to
data set. So the mean weighs each by `1 / (error^2 + tau^2)`, and its interval covers what data sets of the kind differ
by as well as what seeds do. It is Student's with one degree of freedom less than there are data sets: with three or
four of them it is wide, as it has to be.

Source: the variance between data sets by Paule and Mandel 1982, "Consensus Values and Weighting Factors",
https://doi.org/10.6028/jres.087.022; the interval by Hartung and Knapp 2001, https://doi.org/10.1002/sim.1009, not
narrower than with known variances (Knapp and Hartung 2003, https://doi.org/10.1002/sim.1482), which together is
`t / sqrt(sum of weights)`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from anchorwise import _checks
from anchorwise.evaluation.statistics import Intervals, t_quantile


@dataclass(frozen=True)
class RandomEffects:
    """A mean over data sets.

    Attributes:
        interval: Of the mean; its deviation is that of a data set's mean about it, seeds and data sets together.
        between: Standard deviation of the true differences from data set to data set, estimated; 0 where seeds explain
            all.
    """

    interval: Intervals
    between: float


def random_effects(
    means: Sequence[float], errors: Sequence[float], *, level: float, num_comparisons: int = 1
) -> RandomEffects:
    """Return the mean of what several data sets say.

    Args:
        means: A number per data set.
        errors: Standard errors of these, at least 0.
        level: Confidence level in (0, 1).
        num_comparisons: Means that are to hold together.

    Raises:
        ValueError: If there are fewer than two data sets, not as many errors, or a number is not finite.
    """
    y, s = np.asarray(means, dtype=np.float64), np.asarray(errors, dtype=np.float64)
    if len(y) < 2 or len(y) != len(s):
        raise ValueError(f"means and errors must be of the same two data sets or more, got {len(y)} and {len(s)}")
    if not (np.isfinite(y).all() and np.isfinite(s).all() and (s >= 0).all()):
        raise ValueError(f"means must be finite and errors finite and at least 0, got {y.tolist()} and {s.tolist()}")
    _checks.level(level)
    # An error of 0 is one that is far below all that is seen: its weight stays finite.
    known = np.maximum(s**2, max((1e-9 * float(np.ptp(y) + s.max())) ** 2, 1e-100))
    variance = _between(y, known)
    weights = 1.0 / (known + variance)
    mean, error = np.average(y, weights=weights), 1.0 / np.sqrt(weights.sum())
    half_width = t_quantile(level, num_comparisons, len(y)) * error
    deviation = error * np.sqrt(len(y))
    return RandomEffects(Intervals(mean, half_width, deviation, len(y)), float(np.sqrt(variance)))


def _between(y: np.ndarray, known: np.ndarray) -> float:
    """Return the variance at which the weighted squares are as many as they should be; 0 where they never are more."""

    def excess(variance: float) -> float:
        weights = 1.0 / (known + variance)
        return float((weights * (y - np.average(y, weights=weights)) ** 2).sum()) - (len(y) - 1)

    if excess(0.0) <= 0.0:
        return 0.0
    highest = len(y) / (len(y) - 1) * float(np.ptp(y)) ** 2
    return float(brentq(excess, 0.0, highest, xtol=1e-12 * highest, rtol=1e-12))  # pyright: ignore[reportArgumentType]
