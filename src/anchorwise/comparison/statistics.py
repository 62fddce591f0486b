"""How many encoder seeds decide, and why intervals of differences from a baseline are taken together.

The unit of replication is the encoder seed. A seed gives every objective the same initial weights, order and views, so
objectives are compared by their differences seed by seed.

The differences from the baseline are judged together, and any of them may be quoted, so their intervals are
simultaneous: each has level 1 - alpha / m for the m differences of a family, those on one data set or on all (Dunn
1961, "Multiple Comparisons among Means", https://doi.org/10.1080/01621459.1961.10482090). Then all m cover their true
differences at once with probability 1 - alpha at least, whatever the dependence that the common baseline and the
common seeds bring, and a difference is called one exactly where its printed interval says so. Holm's procedure rejects
a little more often, but gives no intervals to quote; Dunnett's assumes equal variances of independent groups, which
seeds in common are not.
"""

import numpy as np

from anchorwise.evaluation.statistics import t_quantile

MAX_SEEDS = 1000


def seeds_needed(
    mean: float, deviation: float, *, level: float, num_comparisons: int, smallest_difference: float
) -> int | None:
    """Return how many seeds would decide, if mean and deviation of the differences stay as they are.

    An interval decides when it leaves out 0, or lies within `smallest_difference` of 0.

    Args:
        mean: Of the differences.
        deviation: Their standard deviation over seeds.
        level: Confidence level.
        num_comparisons: Intervals that are to hold together.
        smallest_difference: Differences below it do not matter.

    Returns:
        The smallest such number, at least 2; None if more than 1,000 would be needed.
    """
    seeds = np.arange(2, MAX_SEEDS + 1)
    half_widths = t_quantile(level, num_comparisons, seeds) * deviation / np.sqrt(seeds)
    deciding = half_widths < max(abs(mean), smallest_difference - abs(mean))
    return int(seeds[deciding.argmax()]) if deciding.any() else None
