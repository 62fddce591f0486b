"""Twins of the objectives made of kernels and distances."""

import math

from tests.twins.core import FLOOR, Ids, Rows, cosine
from tests.twins.two_view import within


def square(s: float) -> float:
    return max(2 - 2 * s, 0.0)


def riesz(s: float, power: float) -> float:
    return math.copysign(max(2 - 2 * s, 2 * FLOOR) ** (-power / 2), power)


def kcl(view0: Rows, view1: Rows, kernel: str, t: float, weight: float, ids: Ids = None) -> list[float]:
    align = {
        "gaussian": lambda s: math.exp(-t * square(s)),
        "log": lambda s: -math.log(1 + t * square(s)),
        "imq": lambda s: t / math.sqrt(t**2 + square(s)),
        "riesz": lambda s: riesz(s, t),
        "gaussian_riesz": lambda s: math.exp(-2 * square(s)),
    }[kernel]
    energy = {"log": lambda s: -math.log(1 + t * square(s)) / 2, "gaussian_riesz": lambda s: riesz(s, t)}.get(
        kernel, align
    )
    losses = []
    for view in (view0, view1):
        for i in range(len(view)):
            scores = within(view, i, ids)
            mean = math.fsum(energy(s) for s in scores) / len(scores)
            losses.append(-2 * align(cosine(view0[i], view1[i])) + 2 * weight * mean)
    return losses


TABLE = {
    "kl": (lambda u: math.log(u) + 1, lambda u: u),
    "js": (lambda u: math.log(2) + math.log(u / (1 + u)), lambda u: -math.log(2) + math.log(1 + u)),
    "pearson": (lambda u: 2 * (u - 1), lambda u: u * u - 1),
    "squared_hellinger": (lambda u: 1 - u**-0.5, lambda u: u**0.5 - 1),
    "tsallis": (lambda u: 2 * u, lambda u: u**2),
    "tsallis-0.5": (lambda u: -(u**-0.5), lambda u: u**0.5),
    "vincze_le_cam": (lambda u: 1 - 4 / (u + 1) ** 2, lambda u: 3 - 8 / (u + 1) + 4 / (u + 1) ** 2),
    "reverse_kl": (lambda u: -1 / u, lambda u: math.log(u) - 1),
    "neyman": (lambda u: 1 - 1 / u**2, lambda u: 2 - 2 / u),
}


def f_micl(
    view0: Rows, view1: Rows, divergence: str, t: float, height: float, weight: float, ids: Ids = None
) -> list[float]:
    positive, negative = TABLE[divergence]

    def critic(s: float) -> float:
        return height * math.exp(-t * square(s))

    losses = []
    for i in range(len(view0)):
        scores = within(view0, i, ids)
        mean = math.fsum(negative(critic(s)) for s in scores) / len(scores)
        losses.append(weight * mean - positive(critic(cosine(view0[i], view1[i]))))
    return losses


def align_uniform(
    view0: Rows,
    view1: Rows,
    align: float = 1.0,
    uniform: float = 1.0,
    alpha: float = 2.0,
    t: float = 2.0,
    ids: Ids = None,
) -> list[float]:
    losses = []
    for view in (view0, view1):
        terms = [math.exp(-t * square(s)) for i in range(len(view)) for s in within(view, i, ids)]
        uniformity = math.log(math.fsum(terms) / len(terms))
        for a, b in zip(view0, view1, strict=True):
            losses.append(align * square(cosine(a, b)) ** (alpha / 2) + uniform * uniformity)
    return losses
