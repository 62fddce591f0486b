"""Twins of the objectives on two views whose denominators are sums of exponentials."""

import math
from collections.abc import Callable, Sequence

from tests.twins.core import FLOOR, Batch, Ids, Rows, cosine, differ, shortfall, softmax_link

Logit = Callable[[float], float]


def log_sum_exp(values: Sequence[float]) -> float:
    top = max(values)
    return top + math.log(math.fsum(math.exp(value - top) for value in values))


def scaled(temperature: float) -> Logit:
    return lambda s: s / temperature


def mixed(blend: float, temperature: float, exponent: float) -> Logit:
    """WEINCE's logit with the same lambda and exponent for all."""
    return lambda s: (1 - blend) * s / temperature - blend * exponent * math.log(shortfall(s))


def cross_view(  # noqa: PLR0913  # As the objective's call.
    view0: Rows,
    view1: Rows,
    logit: Logit,
    both: bool = True,
    negatives: Rows = (),
    ids: Ids = None,
    negative_ids: Ids = None,
    hard_negatives: Sequence[Rows] = (),
    hard_negative_log_weight: float = 0.0,
) -> list[float]:
    losses = []
    for anchors, keys in ((view0, view1), (view1, view0))[: 2 if both else 1]:
        for i, anchor in enumerate(anchors):
            counted = [key for j, key in enumerate(keys) if j != i and differ(ids, i, j)]
            further = [
                row for k, row in enumerate(negatives) if not (ids and negative_ids and negative_ids[k] == ids[i])
            ]
            positive, *others = (logit(cosine(anchor, key)) for key in (keys[i], *counted, *further))
            for hard in hard_negatives:
                logits = [logit(cosine(anchor, row)) for row in hard]
                logits[i] += hard_negative_log_weight
                others += logits
            losses.append(log_sum_exp([positive, *others]) - positive)
    return losses


def weighed(view0: Rows, view1: Rows, log_weights: Rows, logit: Logit) -> list[float]:
    """Every negative's logit is raised by what its pair weighs for the anchor's."""
    losses = []
    for anchors, keys in ((view0, view1), (view1, view0)):
        for i, anchor in enumerate(anchors):
            logits = [logit(cosine(anchor, key)) + (log_weights[i][j] if j != i else 0.0) for j, key in enumerate(keys)]
            losses.append(log_sum_exp(logits) - logits[i])
    return losses


def smoothed(view0: Rows, view1: Rows, logit: Logit, smoothing: float, ids: Ids = None) -> list[float]:
    """Cross-entropy against a target of `smoothing / n` everywhere and the rest on the own key."""
    losses = []
    for anchors, keys in ((view0, view1), (view1, view0)):
        for i, anchor in enumerate(anchors):
            counted = [j for j in range(len(keys)) if j == i or differ(ids, i, j)]
            logits = [logit(cosine(anchor, keys[j])) for j in counted]
            norm, even = log_sum_exp(logits), smoothing / len(counted)
            target = [even + (1 - smoothing) * (j == i) for j in counted]
            losses.append(math.fsum(q * (norm - x) for q, x in zip(target, logits, strict=True)))
    return losses


def arctanh(view0: Rows, view1: Rows, same_view: bool = True, ids: Ids = None) -> list[float]:
    def logit(s: float) -> float:
        return math.log(shortfall(-s) / shortfall(s))

    if not same_view:
        return cross_view(view0, view1, logit, ids=ids)
    batch = Batch.of(view0, view1, ids)
    rows = zip(batch.positives, batch.negatives, strict=True)
    return [log_sum_exp([logit(s) for s in (p, *negatives)]) - logit(p) for p, negatives in rows]


def siglip(view0: Rows, view1: Rows, scale: float, bias: float, ids: Ids = None) -> list[float]:
    losses = []
    for i, image in enumerate(view0):
        judged = [(j, text) for j, text in enumerate(view1) if j == i or differ(ids, i, j)]
        signed = [(1 if i == j else -1) * (scale * cosine(image, text) + bias) for j, text in judged]
        losses.append(math.fsum(math.log1p(math.exp(-x)) if x > 0 else math.log1p(math.exp(x)) - x for x in signed))
    return losses


def moco(view0: Rows, view1: Rows, queue: Rows, logit: Logit, kept: Callable[[int, int], bool]) -> list[float]:
    """`kept` says whether a sample is contrasted with an entry of the queue."""
    losses = []
    for i, (query, key) in enumerate(zip(view0, view1, strict=True)):
        positive = logit(cosine(query, key))
        negatives = [logit(cosine(query, queue[k])) for k in range(len(queue)) if kept(i, k)]
        losses.append(log_sum_exp([positive, *negatives]) - positive)
    return losses


def moco_v3(
    view0: Rows, view1: Rows, keys: tuple[Rows, Rows], logit: Logit, scale: float, ids: Ids = None
) -> list[float]:
    first = cross_view(view0, keys[1], logit, both=False, ids=ids)
    second = cross_view(view1, keys[0], logit, both=False, ids=ids)
    return [scale * loss for loss in (*first, *second)]


def dcl(view0: Rows, view1: Rows, logit: Logit, ids: Ids = None, hard_negatives: Sequence[Rows] = ()) -> list[float]:
    batch = Batch.of(view0, view1, ids, hard_negatives)
    rows = zip(batch.positives, batch.negatives, strict=True)
    return [log_sum_exp([logit(s) for s in negatives]) - logit(p) for p, negatives in rows]


def dclw(view0: Rows, view1: Rows, logit: Logit, sigma: float, ids: Ids = None) -> list[float]:
    batch = Batch.of(view0, view1, ids)
    num_samples = len(view0)
    mean = math.fsum(math.exp(p / sigma) for p in batch.positives[:num_samples]) / num_samples
    losses = []
    for positive, negatives in zip(batch.positives, batch.negatives, strict=True):
        weight = 2 - math.exp(positive / sigma) / mean
        losses.append(log_sum_exp([logit(s) for s in negatives]) - weight * logit(positive))
    return losses


def within(view: Rows, i: int, ids: Ids = None) -> list[float]:
    return [cosine(view[i], view[j]) for j in range(len(view)) if differ(ids, i, j)]


def dhel(
    view0: Rows, view1: Rows, logit: Logit, both: bool = True, weight: float = 1.0, ids: Ids = None
) -> list[float]:
    """Per sample and view; the mean over samples of both views' terms is the source's formula."""
    losses = []
    for view in (view0, view1)[: 2 if both else 1]:
        for i in range(len(view)):
            uniformity = log_sum_exp([logit(s) for s in within(view, i, ids)])
            losses.append((2 if both else 1) * weight * uniformity - logit(cosine(view0[i], view1[i])))
    return losses


def hard_sum(positive: float, negatives: Sequence[float], temperature: float, prior: float, beta: float) -> float:
    """Ng, in plain exponentials, so not for low temperatures."""
    weights = [math.exp(beta * s / temperature) for s in negatives]
    sums = math.fsum(w * math.exp(s / temperature) for w, s in zip(weights, negatives, strict=True))
    reweighted = sums / (math.fsum(weights) / len(weights))
    pull, number = math.exp(positive / temperature), len(negatives)
    return max((reweighted - prior * number * pull) / (1 - prior), number * math.exp(-1 / temperature))


def hcl(view0: Rows, view1: Rows, temperature: float, prior: float, beta: float, ids: Ids = None) -> list[float]:
    batch = Batch.of(view0, view1, ids)
    losses = []
    for positive, negatives in zip(batch.positives, batch.negatives, strict=True):
        pull = math.exp(positive / temperature)
        losses.append(math.log((pull + hard_sum(positive, negatives, temperature, prior, beta)) / pull))
    return losses


def asymmetric_hard(
    view0: Rows, view1: Rows, temperature: float, weight: float, prior: float, beta: float, ids: Ids = None
) -> list[float]:
    batch = Batch.of(view0, view1, ids)
    losses = []
    for positive, negatives in [*zip(batch.positives, batch.negatives, strict=True)][: len(view0)]:
        pull = weight * math.exp(positive / temperature)
        losses.append(math.log((pull + hard_sum(positive, negatives, temperature, prior, beta)) / pull))
    return losses


def adnce(view0: Rows, view1: Rows, logit: Logit, mu: float, sigma: float, ids: Ids = None) -> list[float]:
    batch = Batch.of(view0, view1, ids)
    losses = []
    for positive, negatives in zip(batch.positives, batch.negatives, strict=True):
        weights = [math.exp(-((s - mu) ** 2) / (2 * sigma**2)) for s in negatives]
        mean = math.fsum(weights) / len(weights)
        weighted = [logit(s) + math.log(w / mean) for w, s in zip(weights, negatives, strict=True)]
        losses.append(log_sum_exp([logit(positive), *weighted]) - logit(positive))
    return losses


def asymmetric(view0: Rows, view1: Rows, temperature: float, weight: float, ids: Ids = None) -> list[float]:
    batch, link = Batch.of(view0, view1, ids), softmax_link(temperature)
    losses = []
    for i in range(len(view0)):
        positive = link(i, batch.positives[i]) + math.log(weight)
        losses.append(log_sum_exp([positive, *(link(i, s) for s in batch.negatives[i])]) - positive)
    return losses


def gist_embed(  # noqa: PLR0913  # As the objective's arguments.
    view0: Rows,
    view1: Rows,
    guides: Sequence[Rows],
    logit: Logit,
    margin: float = 0.0,
    relative: bool = False,
    same_view: bool = True,
    ids: Ids = None,
) -> list[float]:
    views, losses = (view0, view1), []
    for i in range(len(view0)):
        own = cosine(guides[0][i], guides[1][i])
        highest = own * (1 - margin) if relative else own - margin
        positive = logit(cosine(view0[i], view1[i]))
        logits = [positive]
        for a, b in ((0, 1), (0, 0), (1, 1))[: 3 if same_view else 1]:
            for j in range(len(view0)):
                if j != i and differ(ids, i, j) and cosine(guides[a][i], guides[b][j]) <= highest - FLOOR:
                    logits.append(logit(cosine(views[a][i], views[b][j])))
        losses.append(log_sum_exp(logits) - positive)
    return losses
