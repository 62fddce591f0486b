"""Where the scores of a row end, read off its tail, with an interval.

The generalised Pareto law ends at u - scale / shape. Its profile likelihood in the endpoint (`tails.pareto_profile`)
gives the estimate, and the endpoints whose log-likelihood is within chi-squared / 2 of the maximum the interval; where
even endlessly far ones are, the interval has no upper end.

Source: Coles 2001, "An Introduction to Statistical Modeling of Extreme Values", sections 2.6.6 and 4.3.3, for profile
likelihood intervals.
"""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from anchorwise import _checks
from anchorwise.tails.pareto import likeliest_law, likelihood_drop
from anchorwise.tails.pareto_profile import likely_range
from anchorwise.tails.rows import RowResult, noted, row_tails

# a = anchors, k = scores of an anchor


@final
@dataclass(frozen=True)
class EndpointEstimate(RowResult):
    """Endpoints of rows.

    Attributes:
        endpoint: Estimate; infinite where the likeliest law has no end.
        low: Lower end of the interval, at least the row's largest score.
        high: Upper end of the interval; infinite where no end far away can be excluded.
    """

    endpoint: Float[Tensor, " a"]
    low: Float[Tensor, " a"]
    high: Float[Tensor, " a"]


@torch.no_grad()
def endpoint_estimate(
    scores: Float[Tensor, "a k"], *, num_tail: int, cap: float | None = 1.0, level: float = 0.95
) -> EndpointEstimate:
    """Return where the scores of every row end.

    With a cap the estimate and the interval are cut at it: an interval that reaches the cap says that the scores may
    go all the way. Where no endpoint up to the cap agrees with the scores, the interval is empty: not a number, and a
    note says so. The interval is for independent scores and holds its level from some 300 tail points and an exponent
    above 2.

    Args:
        scores: Cosines of every anchor with its negatives; minus infinity where a pair does not count.
        num_tail: How many of the largest scores make the tail; the next one is the threshold.
        cap: The highest endpoint there can be; scores nearer to it than 1e-6, or beyond, are counted and left out.
            None: there is no cap, and nothing is left out.
        level: Of the interval, inside (0, 1).

    Raises:
        ValueError: If an argument is out of range or `scores` is no matrix.
        TypeError: If `scores` is not floating.
    """
    tails = row_tails(scores, num_tail, None if cap is None else _checks.endpoint(cap, "cap"))
    found = likeliest_law(tails)
    profile, best = found.profile, found.best
    farthest, nearest = likely_range(profile, best, likelihood_drop(profile, _checks.level(level)))
    endpoint, low, high = (
        torch.where(found.exists, tails.threshold + profile.endpoint_distance(w), torch.nan)
        for w in (best.w, nearest, farthest)
    )
    highest = torch.inf if cap is None else cap
    empty = low > highest
    low, high = (torch.where(empty, torch.nan, end.clamp_max(highest)) for end in (low, high))
    notes = (*found.notes, noted(empty, f"no endpoint up to {cap} agrees with these scores"))
    return EndpointEstimate(found.exists & ~empty, notes, endpoint.clamp_max(highest), low, high)
