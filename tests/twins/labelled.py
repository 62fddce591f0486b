"""Twins of the objectives that know classes."""

import math
from collections.abc import Sequence

from tests.twins.core import Rows, cosine
from tests.twins.two_view import Logit, log_sum_exp


def sup_con(  # noqa: PLR0913
    *views: Rows,
    labels: Sequence[int] = (),
    logit: Logit,
    scale: float = 1.0,
    average: str = "outside",
    num_anchor_views: int | None = None,
    mask: Rows = (),
    counted: Sequence[bool] = (),
    normalise: bool = True,
) -> list[float]:
    """Eq. 2, Eq. 3, or Eq. 3 without its 1 / |P|; a mask says what sample j weighs among the positives of sample i."""
    num_samples, rows = len(views[0]), [row for view in views for row in view]
    counts, score = [*(counted or [True] * num_samples)] * len(views), cosine if normalise else _dot
    scale *= num_samples / max(1, sum(map(bool, counts[:num_samples])))
    weights = mask or [[float(a == b) for b in labels] for a in labels]
    losses = []
    for a, row in enumerate(rows[: (num_anchor_views or len(views)) * num_samples]):
        logits = {k: logit(score(row, rows[k])) for k in range(len(rows)) if k != a and counts[k]}
        positives = {k: w for k in logits if (w := float(weights[a % num_samples][k % num_samples]))}
        if not positives or not counts[a]:
            losses.append(0.0)
            continue
        denominator, number = log_sum_exp([*logits.values()]), math.fsum(positives.values())
        if average == "outside":
            mean = math.fsum(w * (logits[p] - denominator) for p, w in positives.items()) / number
        else:
            mean = log_sum_exp([logits[p] + math.log(w) for p, w in positives.items()]) - denominator
            mean -= math.log(number) if average == "inside" else 0.0
        losses.append(-scale * mean)
    return losses


def nspt(
    *views: Rows,
    labels: Sequence[int],
    teachers: Sequence[Rows],
    anchors: Sequence[bool] | None = None,
    logit: Logit | None = None,
    logit_scale: float = 10.0,
) -> list[float]:
    """Positives are the teacher's, the denominator the student's; only rehearsed samples are anchors."""
    logit = logit or (lambda s: s * logit_scale)
    rows, held = [row for view in views for row in view], [row for view in teachers for row in view]
    classes, is_anchor = [*labels] * len(views), [*(anchors or [True] * len(labels))] * len(views)
    losses = []
    for a, row in enumerate(rows):
        others = [k for k in range(len(rows)) if k != a]
        positives = [k for k in others if classes[k] == classes[a]]
        if not positives or not is_anchor[a]:
            losses.append(0.0)
            continue
        denominator = log_sum_exp([logit(cosine(row, rows[k])) for k in others])
        mean = math.fsum(logit(cosine(row, held[p])) for p in positives) / len(positives)
        losses.append((denominator - mean) * len(rows) / sum(map(bool, is_anchor)))
    return losses


def sup_re_mix(
    *views: Rows,
    labels: Sequence[float],
    shares: float | Sequence[Sequence[float]],
    temperature: float = 0.3,
    window: float = 5.0,
) -> list[float]:
    """Mixtures written out as rows; `shares` is the anchor's share of its mixture with every key, or one for all."""
    rows, y = [_unit(row) for view in views for row in view], [*labels] * len(views)
    keys = range(len(rows))
    losses = []
    for i, row in enumerate(rows):
        terms = [(1 + abs(y[i] - y[k]), _dot(row, rows[k])) for k in keys if k != i]
        positives = [_dot(row, rows[k]) for k in keys if k != i and y[k] == y[i]]
        for k in keys:
            if y[k] != y[i]:
                share = shares if isinstance(shares, float) else shares[i][k]
                label = share * y[i] + (1 - share) * y[k]
                terms.append((1 + abs(y[i] - label), _dot(row, _mixed(share, row, rows[k]))))
        for j in keys:
            for k in keys:
                if y[j] < y[i] < y[k] and y[i] - y[j] < window and y[k] - y[i] < window:
                    score = _dot(row, _mixed((y[k] - y[i]) / (y[k] - y[j]), rows[j], rows[k]))
                    terms.append((1.0, score))
                    positives.append(score)
        if not positives:
            losses.append(0.0)
            continue
        denominator = log_sum_exp([math.log(weight) + score / temperature for weight, score in terms])
        losses.append(denominator - math.fsum(positives) / temperature / len(positives))
    return losses


def _unit(row: Sequence[float]) -> list[float]:
    return [x / math.hypot(*row) for x in row]


def _dot(x: Sequence[float], y: Sequence[float]) -> float:
    return math.fsum(a * b for a, b in zip(x, y, strict=True))


def _mixed(share: float, x: Sequence[float], y: Sequence[float]) -> list[float]:
    return [share * a + (1 - share) * b for a, b in zip(x, y, strict=True)]


def sim_lap(
    view0: Rows,
    view1: Rows,
    *,
    labels: Sequence[int],
    partners: Sequence[int],
    gates: Rows,
    scale: float = 10.0,
    renormalise: bool = False,
) -> list[float]:
    keys, sums, num_pairs = [_unit(row) for row in view1], [], 0
    for row, label, partner, gate in zip(view0, labels, partners, gates, strict=True):
        gated = [[g * x for g, x in zip(gate, other, strict=True)] for other in (_unit(row), *keys)]
        anchor, *others = [_unit(other) for other in gated] if renormalise else gated
        logits = [scale * _dot(anchor, other) for other in others]
        negatives = [x for x, other in zip(logits, labels, strict=True) if other not in (label, partner)]
        positives = [x for x, other in zip(logits, labels, strict=True) if other == partner]
        num_pairs += len(positives)
        sums.append(math.fsum(log_sum_exp([p, *negatives]) - p for p in positives))
    return [total * len(labels) / max(num_pairs, 1) for total in sums]


def sep_clr(
    view0: Rows,
    view1: Rows,
    salients: tuple[Rows, Rows],
    targets: Sequence[int],
    temperature: float = 0.5,
    weights: tuple[float, float, float, float] = (2.0, 1000.0, 1000.0, 10.0),
) -> list[float]:
    """The weights are those of uniformity, the salient and the background term, and the joint entropy."""

    def log_kernel(x: Sequence[float], y: Sequence[float]) -> float:
        return -(math.dist(x, y) ** 2) / (2 * temperature)

    def log_mean(logarithms: Sequence[float]) -> float:
        # All of the exponentials may be 0, where rows are far apart.
        top = max(logarithms)
        return top + math.log(math.fsum(math.exp(value - top) for value in logarithms) / len(logarithms))

    def uniformity(rows: Rows) -> float:
        return log_mean([log_kernel(rows[i], rows[j]) for i in range(len(rows)) for j in range(i)])

    uniform, salient, background, joint = weights
    num, num_targets = len(targets), sum(targets)
    commons = [[_unit(row) for row in view] for view in (view0, view1)]
    losses = []
    for common, own in zip(commons, salients, strict=True):
        held = [row if target else [0.0] * len(row) for row, target in zip(own, targets, strict=True)]
        for i, target in enumerate(targets):
            loss = math.dist(commons[0][i], commons[1][i]) ** 2 / (2 * temperature) + uniform * uniformity(common)
            loss += salient * uniform * uniformity(held)
            if target:
                loss += salient * num / num_targets * math.dist(salients[0][i], salients[1][i]) ** 2 / (2 * temperature)
            else:
                loss += background * num / (num - num_targets) * math.hypot(*own[i]) ** 2 / (2 * temperature)
            both = [log_kernel(common[i], common[j]) + log_kernel(held[i], held[j]) for j in range(num)]
            losses.append(loss + joint * log_mean(both))
    return losses
