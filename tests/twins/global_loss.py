"""Twins of SogCLR and iSogCLR, visit by visit, and KoLeo and triplets."""

import math
from collections.abc import Sequence

from tests.twins.core import FLOOR, Batch, Ids, Rows, cosine
from tests.twins.two_view import Logit, within


class Global:
    """u and the temperatures of all samples; a visit gives the losses of the 2n anchors. Ids of a batch differ."""

    def __init__(self, *, gamma: float, rho: float, temperature: float, shifted: bool) -> None:
        self.gamma, self.rho, self.temperature, self.shifted = gamma, rho, temperature, shifted
        self.denominators: dict[int, float] = {}
        self.temperatures: dict[int, float] = {}
        self.momenta: dict[int, float] = {}

    def visit(self, view0: Rows, view1: Rows, ids: Sequence[int]) -> list[float]:
        batch, losses = Batch.of(view0, view1), []
        n, moved = len(view0), {}
        for a in batch.anchors:
            sample, s = ids[a % n], batch.positives[a]
            tau = self.temperatures.get(sample, self.temperature)
            terms = [math.exp((k - (s if self.shifted else 0.0)) / tau) for k in batch.negatives[a]]
            estimate = math.fsum(terms) / len(terms)
            u = estimate
            if sample in self.denominators:
                u = (1 - self.gamma) * self.denominators[sample] + self.gamma * estimate
            shares = [term / (len(terms) * u) for term in terms]
            excess = math.fsum(p * (k - s) for p, k in zip(shares, batch.negatives[a], strict=True))
            moved.setdefault(sample, []).append((u, math.log(u) + self.rho - excess / tau))
            losses.append(tau * (math.log(u) + self.rho) - (0.0 if self.shifted else s))
        for sample, both in moved.items():
            self.denominators[sample] = sum(u for u, _ in both) / 2
            if self.shifted:
                self._adapt(sample, sum(slope for _, slope in both) / 2)
        return losses

    def _adapt(self, sample: int, slope: float, beta: float = 0.5, eta: float = 0.03) -> None:
        tau = self.temperatures.get(sample, self.temperature)
        momentum = (1 - beta) * self.momenta.get(sample, 0.0) + beta * min(max(slope, -3.0), 3.0)
        self.momenta[sample] = momentum
        self.temperatures[sample] = min(max(tau - eta * momentum, 0.05), 0.7)
        # u is kept as tau log u, so it moves with the temperature.
        self.denominators[sample] **= tau / self.temperatures[sample]


def sog_clr(
    view0: Rows,
    view1: Rows,
    ids: Sequence[int],
    temperature: float = 0.1,
    rho: float = 0.0,
    logit_scale: float | None = None,
    logit: Logit | None = None,
) -> list[float]:
    """At a first visit; with a logit of its own, whose exponentials u is then the mean of."""
    tau = temperature if logit_scale is None else 1 / logit_scale
    if logit is None:
        return Global(gamma=0.9, rho=rho, temperature=tau, shifted=False).visit(view0, view1, ids)
    batch, losses = Batch.of(view0, view1), []
    for positive, negatives in zip(batch.positives, batch.negatives, strict=True):
        log_u = math.log(math.fsum(math.exp(logit(s)) for s in negatives) / len(negatives))
        losses.append(tau * (log_u + rho - logit(positive)))
    return losses


class Pairs:
    """u of every pair, for each modality; a visit gives the losses of the 2n anchors. Ids of a batch differ."""

    def __init__(self, *, gamma: float, rho: float, temperature: float) -> None:
        self.gamma, self.rho, self.temperature = gamma, rho, temperature
        self.denominators: tuple[dict[int, float], dict[int, float]] = ({}, {})

    def visit(self, view0: Rows, view1: Rows, ids: Sequence[int]) -> list[float]:
        losses = []
        for known, anchors, keys in zip(self.denominators, (view0, view1), (view1, view0), strict=True):
            for i, (sample, anchor) in enumerate(zip(ids, anchors, strict=True)):
                own = cosine(anchor, keys[i])
                others = [cosine(anchor, key) for j, key in enumerate(keys) if j != i]
                u = math.fsum(math.exp((s - own) / self.temperature) for s in others) / len(others)
                if sample in known:
                    u = (1 - self.gamma) * known[sample] + self.gamma * u
                known[sample] = u
                losses.append(self.temperature * (math.log(u) + self.rho))
        return losses


def fast_clip(
    view0: Rows,
    view1: Rows,
    ids: Sequence[int],
    temperature: float = 0.07,
    rho: float = 6.5,
    logit_scale: float | None = None,
    logit: Logit | None = None,
) -> list[float]:
    """At a first visit, as for `sog_clr`."""
    tau = temperature if logit_scale is None else 1 / logit_scale
    if logit is None:
        return Pairs(gamma=0.2, rho=rho, temperature=tau).visit(view0, view1, ids)
    losses = []
    for anchors, keys in ((view0, view1), (view1, view0)):
        for i, anchor in enumerate(anchors):
            own = logit(cosine(anchor, keys[i]))
            others = [math.exp(logit(cosine(anchor, key)) - own) for j, key in enumerate(keys) if j != i]
            losses.append(tau * (math.log(math.fsum(others) / len(others)) + rho))
    return losses


# Temperatures are kept in float32.
STORED = 0.10000000149011612


def i_sog_clr(view0: Rows, view1: Rows, ids: Sequence[int]) -> list[float]:
    return Global(gamma=0.8, rho=0.4, temperature=STORED, shifted=True).visit(view0, view1, ids)


def ko_leo(*views: Rows, ids: Ids = None) -> list[float]:
    losses = []
    for view in views:
        for i in range(len(view)):
            nearest = max(within(view, i, ids), default=1.0)
            losses.append(-math.log(math.sqrt(max(2 - 2 * nearest, 2 * FLOOR))))
    return losses


def triplet(
    view0: Rows, view1: Rows, view2: Rows, margin: float = 1.0, both: bool = True, normalise: bool = True
) -> list[float]:
    def length(x: Sequence[float]) -> float:
        return math.hypot(*x) if normalise else 1.0

    def square(x: Sequence[float], y: Sequence[float]) -> float:
        return math.fsum((a / length(x) - b / length(y)) ** 2 for a, b in zip(x, y, strict=True))

    sides = ((view0, view1), (view1, view0))[: 2 if both else 1]
    return [
        max(square(a, p) - square(a, q) + margin, 0.0)
        for anchors, positives in sides
        for a, p, q in zip(anchors, positives, view2, strict=True)
    ]
