"""Objectives that keep rows apart without negatives: by what dimensions have to do with each other, or by a centre."""

import math
from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from anchorwise import DINO, BarlowTwins, VICReg
from tests.contracts.cases.case import Call, Case, three_views
from tests.twins.core import EYE, Rows


def _columns(view: Rows) -> list[list[float]]:
    """The dimensions, each without its mean."""
    columns = [list(column) for column in zip(*view, strict=True)]
    return [[x - math.fsum(column) / len(column) for x in column] for column in columns]


def _dot(x: Sequence[float], y: Sequence[float]) -> float:
    return math.fsum(a * b for a, b in zip(x, y, strict=True))


def barlow_twins(view0: Rows, view1: Rows, weight: float = 0.0051) -> list[float]:
    standard = []
    for view in (view0, view1):
        deviations = [(c, math.sqrt(_dot(c, c) / len(c) + 1e-5)) for c in _columns(view)]
        standard.append([[x / deviation for x in c] for c, deviation in deviations])
    losses = []
    for i, first in enumerate(standard[0]):
        row = [_dot(first, second) / len(first) for second in standard[1]]
        among = math.fsum(c**2 for j, c in enumerate(row) if j != i)
        losses.append(len(row) * ((1 - row[i]) ** 2 + weight * among))
    return losses


def vicreg(view0: Rows, view1: Rows, weights: tuple[float, float, float] = (25.0, 25.0, 1.0)) -> list[float]:
    views, width, num = [_columns(view0), _columns(view1)], len(view0[0]), len(view0)
    losses = []
    for j in range(width):
        invariance = math.fsum((a[j] - b[j]) ** 2 for a, b in zip(view0, view1, strict=True)) / num
        deviations = [math.sqrt(_dot(view[j], view[j]) / (num - 1) + 1e-4) for view in views]
        variance = math.fsum(max(0.0, 1 - deviation) for deviation in deviations) / 2
        covariance = math.fsum(
            (_dot(view[j], view[i]) / (num - 1)) ** 2 for view in views for i in range(width) if i != j
        )
        losses.append(_dot(weights, (invariance, variance, covariance)))
    return losses


def _softmax(row: Sequence[float], scale: float) -> list[float]:
    top = max(row)
    shares = [math.exp(scale * (x - top)) for x in row]
    return [share / math.fsum(shares) for share in shares]


def dino(  # A formula with all its settings.
    *views: Rows,
    keys: Sequence[Rows],
    centre: Sequence[float],
    temperature: float = 0.1,
    teacher_temperature: float = 0.04,
    teacher_scale: float | None = None,
) -> list[float]:
    losses = []
    for teacher, key in enumerate(keys):
        for student, view in enumerate(views):
            if student == teacher:
                continue
            for scores, row in zip(key, view, strict=True):
                moved = [s - c for s, c in zip(scores, centre, strict=True)]
                target = _softmax(moved, teacher_scale or 1 / teacher_temperature)
                top = max(row)
                norm = top / temperature + math.log(math.fsum(math.exp((x - top) / temperature) for x in row))
                losses.append(math.fsum(q * (norm - x / temperature) for q, x in zip(target, row, strict=True)))
    return losses


def _taught(view0: Tensor, view1: Tensor) -> Call:
    teacher = (view0 + 0.3 * view1.roll(1, dims=1), view1.roll(1, dims=1))
    centre = torch.linspace(-0.5, 0.5, view0.shape[1], dtype=torch.float64)
    return Call((view0, view1), per_sample={"keys": teacher}, shared={"centre": centre})


def _taught_crops(view0: Tensor, view1: Tensor) -> Call:
    taught = _taught(view0, view1)
    warm = {**taught.shared, "teacher_scale": torch.tensor(20.0, dtype=torch.float64)}
    return Call(three_views(view0, view1).views, taught.per_sample, warm)


_UNEQUAL = [[1.0, 1.0], [-1.0, -1.0]]
BY_HAND = [
    # Two dimensions of variance 1/4 that are each other's opposite: C is (1, -1; -1, 1) but for the 1e-5.
    (barlow_twins(EYE, EYE, weight=0.5), [2 * ((1 - c) ** 2 + 0.5 * c**2) for c in [0.25 / 0.25001] * 2]),
    # Equal constant rows: nothing varies, so 25 (1 - sqrt(1e-4)).
    (vicreg([[3.0, 2.0]] * 4, [[3.0, 2.0]] * 4), [24.75] * 2),
    # Variance 2 is enough; both dimensions vary together: 2^2 in either view.
    (vicreg(_UNEQUAL, _UNEQUAL), [8.0] * 2),
    (vicreg([[3.0, 2.0]] * 2, [[4.0, 2.0]] * 2, weights=(1.0, 0.0, 0.0)), [1.0, 0.0]),
    # The centre takes away what the teacher's scores differ by; then log 2, whatever the student's equal scores are.
    (dino([[5.0, 5.0]], [[1.0, 1.0]], keys=([[3.0, 7.0]],), centre=[0.0, 4.0]), [math.log(2)]),
    # A sharp teacher and a student of odds e^(1/t): two pairs of a key and another view for each of two keys.
    (
        dino(EYE, EYE, EYE, keys=(EYE, EYE), centre=[0.0, 0.0], temperature=1.0, teacher_temperature=1e-3),
        [math.log(math.e + 1) - 1] * 8,
    ),
]
CASES = [
    Case(
        "barlow_twins",
        BarlowTwins,
        barlow_twins,
        others={"off_diagonal_weight": 1.0},
        single_sample="refused",
        scale_free=False,
    ),
    Case(
        "vicreg",
        VICReg,
        vicreg,
        others={"invariance_weight": 1.0, "variance_weight": 1.0, "covariance_weight": 2.0},
        single_sample="refused",
        scale_free=False,
    ),
    Case(
        "dino",
        DINO,
        dino,
        others={"temperature": 0.2, "teacher_temperature": 0.1},
        call=_taught,
        symmetric=False,
        single_sample="finite",
        scale_free=False,
        cold={"temperature": 0.005, "teacher_temperature": 0.005},
    ),
    Case(
        "dino-crops",
        DINO,
        partial(dino, temperature=0.3),
        given={"temperature": 0.3},
        call=_taught_crops,
        symmetric=False,
        single_sample="finite",
        scale_free=False,
    ),
]
