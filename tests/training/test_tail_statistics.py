import math
from statistics import NormalDist, median

import pytest
import torch

from anchorwise.training.tail_statistics import tail_statistics


def reference(view0, view1):
    """Hardest cosine, Hill's exponent and the difference of AIC of every row, in plain Python."""
    rows = [[x / math.sqrt(math.fsum(y * y for y in row)) for x in row] for row in [*view0.tolist(), *view1.tolist()]]
    n, found = len(view0), []
    for i, row in enumerate(rows):
        others = [other for j, other in enumerate(rows) if j % n != i % n]
        scores = [math.fsum(x * y for x, y in zip(row, other, strict=True)) for other in others]
        mean = math.fsum(scores) / len(scores)
        spread = math.sqrt(math.fsum((s - mean) ** 2 for s in scores) / len(scores))
        threshold = mean + NormalDist().inv_cdf(0.9) * spread
        tail = [1 - s for s in scores if s > threshold]
        m, edge = len(tail), 1 - threshold
        alpha = m / math.fsum(math.log(edge / delta) for delta in tail)
        power = m * math.log(alpha / edge) + (alpha - 1) * math.fsum(math.log(delta / edge) for delta in tail)
        mean_excess = math.fsum(edge - delta for delta in tail) / m
        found.append((max(scores), alpha, 2 * (power + m * math.log(mean_excess) + m)))
    return found


def test_the_logged_numbers_are_medians_over_anchors():
    view0, view1 = torch.randn(2, 40, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    values, expected = tail_statistics(view0, view1), reference(view0, view1)
    # torch's median of an even number of values is the lower one of the middle two.
    lower = [sorted(column)[39] for column in zip(*expected, strict=True)]
    assert values["hardest_score"] == pytest.approx(1 - sorted(1 - s for s, _, _ in expected)[39], abs=1e-9)
    assert values["hardest_score_max"] == pytest.approx(max(s for s, _, _ in expected), abs=1e-9)
    assert values["tail_exponent"] == pytest.approx(lower[1], rel=1e-9)
    assert values["tail_evidence"] == pytest.approx(lower[2], rel=1e-7)
    assert values["tail_evidence_share"] == pytest.approx(sum(d > 2 for _, _, d in expected) / 80)
    middle = median((1 - s) / alpha for s, alpha, _ in expected)
    assert values["tail_temperature"] == pytest.approx(middle, rel=0.05)


def test_a_single_image_has_no_tail():
    assert tail_statistics(torch.ones(1, 3), torch.ones(1, 3)) == {}
