"""Lists of candidates, of which the first is the positive; and choices, each beside what was not chosen."""

import math
from functools import partial

from torch import Tensor

from anchorwise import BPR, ListwiseRanking, PointwiseRanking
from tests.contracts.cases.case import Call, Case, three_views
from tests.twins.core import Rows


def listwise(view0: Rows, no_scores: Rows, temperature: float = 1.0) -> list[float]:
    losses = []
    for row in view0:
        top = max(row)
        total = math.fsum(math.exp((score - top) / temperature) for score in row)
        losses.append((top - row[0]) / temperature + math.log(total))
    return losses


def pointwise(view0: Rows, no_scores: Rows) -> list[float]:
    losses = []
    for yes, no in zip(view0, no_scores, strict=True):
        margins = [n - y if place == 0 else y - n for place, (y, n) in enumerate(zip(yes, no, strict=True))]
        losses.append(math.fsum(max(m, 0.0) + math.log1p(math.exp(-abs(m))) for m in margins))
    return losses


def bpr(view0: Rows, view1: Rows, view2: Rows) -> list[float]:
    triples = zip(view0, view1, view2, strict=True)
    margins = [math.fsum(a * (b - c) for a, b, c in zip(*rows, strict=True)) for rows in triples]
    return [max(-margin, 0.0) + math.log1p(math.exp(-abs(margin))) for margin in margins]


def _scored(view0: Tensor, view1: Tensor) -> Call:
    return Call((view0 + 0.5 * view1,), per_sample={"no_scores": (view1 - 0.3 * view0).detach()})


def _along_difference(yes: Tensor, no_scores: Tensor) -> Tensor:
    weights = yes.detach().softmax(dim=1)
    weights[:, 0] -= 1.0
    return (weights * (yes - no_scores)).sum(dim=1).mean()


def _along_yes(yes: Tensor, no_scores: Tensor) -> Tensor:
    weights = (yes - no_scores).detach().sigmoid()
    weights[:, 0] -= 1.0
    return (weights * yes).sum(dim=1).mean()


_YES, _NO = [[1.0, 0.5, -0.3]], [[0.2, 0.1, 0.4]]
BY_HAND = [
    (listwise(_YES, _NO), [0.6307729571]),
    (listwise([[0.0, 0.0]], _NO, temperature=0.1), [math.log(2)]),
    (pointwise(_YES, _NO), [1.6873019672]),
    (bpr([[1.0, 2.0]], [[0.5, 0.0]], [[0.0, 1.0]]), [math.log1p(math.exp(1.5))]),
    (pointwise([[5.0, 5.0, 5.0]], [[5.0, 5.0, 5.0]]), [3 * math.log(2)]),
]
_case = partial(Case, call=_scored, single_sample="finite", scale_free=False)
CASES = [
    _case("listwise_ranking", ListwiseRanking, listwise, others={"temperature": 0.3, "direction": "difference"}),
    _case(
        "listwise_ranking-difference",
        ListwiseRanking,
        listwise,
        given={"direction": "difference"},
        surrogate=_along_difference,
    ),
    _case("pointwise_ranking", PointwiseRanking, pointwise, others={"direction": "yes"}),
    Case("bpr", BPR, bpr, call=three_views, single_sample="finite", scale_free=False, symmetric=False),
    _case("pointwise_ranking-yes", PointwiseRanking, pointwise, given={"direction": "yes"}, surrogate=_along_yes),
]
