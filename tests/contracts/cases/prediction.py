"""BYOL's, SimSiam's and BECLR's losses: rows predict rows."""

import math
from functools import partial

import torch
from torch import Tensor

from anchorwise import BECLR, Prediction
from tests.contracts.cases.case import Call, Case, with_keys
from tests.twins.core import EYE, Ids, Rows, cosine, differ


def _twin(view0: Rows, view1: Rows, keys: tuple[Rows, Rows], byol: bool = True) -> list[float]:
    pairs = [*zip(view0, keys[1], strict=True), *zip(view1, keys[0], strict=True)]
    return [2 * (2 - 2 * cosine(*pair)) if byol else -cosine(*pair) for pair in pairs]


def beclr(  # A formula with all its settings.
    view0: Rows,
    view1: Rows,
    keys: tuple[Rows, Rows],
    projections: tuple[Rows, Rows],
    ids: Ids = None,
    weight: float = 0.1,
    temperature: float = 2.0,
) -> list[float]:
    """As the release has it: everything of the pairs of other samples in one mean, and one logarithm of it."""
    rows, num = [*projections[0], *projections[1]], len(view0)
    others = [
        math.exp(cosine(rows[a], rows[k]) / temperature)
        for a in range(2 * num)
        for k in range(2 * num)
        if differ(ids, a % num, k % num)
    ]
    spread = weight * math.log(math.fsum(others) / len(others))
    return [loss + spread for loss in _twin(view0, view1, keys, byol=False)]


def _projected(view0: Tensor, view1: Tensor) -> Call:
    projections = (view0.roll(1, dims=1) - 0.2 * view1, view1 + 0.5 * view0.roll(2, dims=1))
    return Call((view0, view1), {**with_keys(view0, view1).per_sample, "projections": projections})


def _projected_ids(view0: Tensor, view1: Tensor) -> Call:
    call = _projected(view0, view1)
    return Call(call.views, {**call.per_sample, "ids": torch.arange(len(view0)) % 7})


# Equal rows, and orthogonal ones.
BY_HAND = [
    (_twin(EYE, EYE, (EYE, EYE)), [0.0] * 4),
    (_twin(EYE, EYE, (EYE, EYE[::-1])), [4.0, 4.0, 0.0, 0.0]),
    (_twin(EYE, EYE, (EYE, EYE), byol=False), [-1.0] * 4),
    # Agreement, and of each row two others at cosine 0, whatever they are divided by.
    (beclr(EYE, EYE, (EYE, EYE), (EYE, EYE)), [-1.0] * 4),
    # One other at 1 and one at 0 of each row: the logarithm is of their mean.
    (
        beclr(EYE, EYE, (EYE, EYE), (EYE, [EYE[0], EYE[0]]), weight=2.0, temperature=1.0),
        [-1 + 2 * math.log((math.e + 1) / 2)] * 4,
    ),
]

_predicts = partial(Case, make=Prediction, call=with_keys, symmetric=False, single_sample="finite", cold={})
CASES = [
    _predicts("prediction", twin=_twin, others={"form": "simsiam"}),
    _predicts("prediction-simsiam", twin=partial(_twin, byol=False), given={"form": "simsiam"}),
    Case(
        "beclr",
        BECLR,
        beclr,
        others={"temperature": 0.5, "uniform_weight": 1.0},
        call=_projected,
        symmetric=False,
        single_sample="refused",
        cold={"temperature": 0.005},
    ),
    Case(
        "beclr-ids",
        BECLR,
        partial(beclr, weight=1.0, temperature=0.3),
        given={"uniform_weight": 1.0, "temperature": 0.3},
        call=_projected_ids,
        symmetric=False,
        single_sample="refused",
    ),
]
