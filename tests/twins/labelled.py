"""Twins of the objectives that know classes."""

import math
from collections.abc import Sequence

from tests.twins.core import Rows, cosine
from tests.twins.two_view import Logit, log_sum_exp


def sup_con(*views: Rows, labels: Sequence[int], logit: Logit, scale: float = 1.0) -> list[float]:
    rows, classes = [row for view in views for row in view], [*labels] * len(views)
    losses = []
    for a, row in enumerate(rows):
        logits = {k: logit(cosine(row, rows[k])) for k in range(len(rows)) if k != a}
        positives = [k for k in logits if classes[k] == classes[a]]
        if not positives:
            losses.append(0.0)
            continue
        denominator = log_sum_exp([*logits.values()])
        losses.append(-scale * math.fsum(logits[p] - denominator for p in positives) / len(positives))
    return losses
