"""Twins of the objectives on two and more views."""

import math
from itertools import combinations

from tests.twins.core import Rows, cosine, info_nce
from tests.twins.two_view import Logit, log_sum_exp, within


def mv_info_nce(*views: Rows, logit: Logit, within_view: bool = True) -> list[float]:
    indices, losses = range(len(views)), []
    for i in range(len(views[0])):
        numerator, denominator = [], []
        for view in indices:
            for other in indices:
                for j in range(len(views[0])):
                    if (other, j) == (view, i) or (other == view and not within_view):
                        continue
                    score = logit(cosine(views[view][i], views[other][j]))
                    denominator.append(score)
                    if j == i:
                        numerator.append(score)
        losses.append(log_sum_exp(denominator) - log_sum_exp(numerator))
    return losses


def mv_dhel(*views: Rows, logit: Logit) -> list[float]:
    losses = []
    for i in range(len(views[0])):
        positives = [logit(cosine(a[i], b[i])) for a, b in combinations(views, 2)]
        denominators = [log_sum_exp([logit(s) for s in within(view, i)]) for view in views]
        losses.append(math.fsum(denominators) - log_sum_exp(positives))
    return losses


def poly_view(*views: Rows, temperature: float, mean: str) -> list[float]:
    losses = []
    for view, rows in enumerate(views):
        for i, row in enumerate(rows):
            others = [cosine(row, other[j]) / temperature for other in views for j in range(len(rows)) if j != i]
            found = []
            for other in range(len(views)):
                if other != view:
                    positive = cosine(row, views[other][i]) / temperature
                    found.append(positive - log_sum_exp([positive, *others]))
            if mean == "geometric":
                losses.append(-math.fsum(found) / len(found))
            else:
                losses.append(-math.log(math.fsum(math.exp(x) for x in found) / len(found)))
    return losses


def pairwise(*views: Rows, temperature: float) -> list[float]:
    return [loss for pair in combinations(views, 2) for loss in info_nce(*pair, temperature)]


def averaged(*views: Rows, temperature: float, normalise: bool) -> list[float]:
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
            logits = [
                math.fsum(x * y for x, y in zip(row, key, strict=True)) / temperature if k != a else -math.inf
                for k, key in enumerate(both)
            ]
            losses.append(log_sum_exp(logits) - logits[(a + len(rows)) % len(both)])
    return losses
