"""Twins of the objectives on two and more views."""

import math
from collections.abc import Callable, Sequence
from itertools import combinations

from tests.twins.core import Ids, Rows, cosine, differ, info_nce
from tests.twins.two_view import Logit, log_sum_exp, within


def mv_info_nce(*views: Rows, logit: Logit, within_view: bool = True, ids: Ids = None) -> list[float]:
    indices, losses = range(len(views)), []
    for i in range(len(views[0])):
        numerator, denominator = [], []
        for view in indices:
            for other in indices:
                for j in range(len(views[0])):
                    if (other, j) == (view, i) or (other == view and not within_view):
                        continue
                    if j != i and not differ(ids, i, j):
                        continue
                    score = logit(cosine(views[view][i], views[other][j]))
                    denominator.append(score)
                    if j == i:
                        numerator.append(score)
        losses.append(log_sum_exp(denominator) - log_sum_exp(numerator))
    return losses


def mv_dhel(*views: Rows, logit: Logit, ids: Ids = None) -> list[float]:
    losses = []
    for i in range(len(views[0])):
        positives = [logit(cosine(a[i], b[i])) for a, b in combinations(views, 2)]
        denominators = [log_sum_exp([logit(s) for s in within(view, i, ids)]) for view in views]
        losses.append(math.fsum(denominators) - log_sum_exp(positives))
    return losses


def poly_view(*views: Rows, logit: Logit, mean: str, ids: Ids = None) -> list[float]:
    losses = []
    for view, rows in enumerate(views):
        for i, row in enumerate(rows):
            apart = [j for j in range(len(rows)) if differ(ids, i, j)]
            others = [logit(cosine(row, other[j])) for other in views for j in apart]
            found = []
            for other in range(len(views)):
                if other != view:
                    positive = logit(cosine(row, views[other][i]))
                    found.append(positive - log_sum_exp([positive, *others]))
            if mean == "geometric":
                losses.append(-math.fsum(found) / len(found))
            else:
                losses.append(-math.log(math.fsum(math.exp(x) for x in found) / len(found)))
    return losses


def pairwise(*views: Rows, temperature: float, ids: Ids = None) -> list[float]:
    return [loss for pair in combinations(views, 2) for loss in info_nce(*pair, temperature, ids=ids)]


def averaged(*views: Rows, logit: Logit, normalise: bool, ids: Ids = None) -> list[float]:
    units = [[[x / math.hypot(*row) for x in row] for row in view] for view in views]
    losses = []
    for view, rows in enumerate(units):
        others = [units[other] for other in range(len(units)) if other != view]
        means = [
            [math.fsum(column) / len(others) for column in zip(*same, strict=True)]
            for same in zip(*others, strict=True)
        ]
        if normalise:
            means = [[x / math.hypot(*row) for x in row] for row in means]
        both = [*rows, *means]
        for a, row in enumerate(both):
            positive = (a + len(rows)) % len(both)
            counted = [k for k in range(len(both)) if k == positive or differ(ids, a % len(rows), k % len(rows))]
            logits = {k: logit(math.fsum(x * y for x, y in zip(row, both[k], strict=True))) for k in counted}
            losses.append(log_sum_exp([*logits.values()]) - logits[positive])
    return losses


def nested(
    *views: Rows, twin: Callable[..., list[float]], widths: Sequence[int], weights: Sequence[float]
) -> list[float]:
    """The losses of rows cut to each width, added up."""
    totals = []
    for width, weight in zip(widths, weights, strict=True):
        cut = [[row[:width] for row in view] for view in views]
        totals.append([weight * loss for loss in twin(*cut)])
    return [sum(losses) for losses in zip(*totals, strict=True)]
