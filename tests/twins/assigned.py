"""Twins of the objectives with prototypes, clusters or soft targets."""

import math
from collections.abc import Callable, Sequence

from tests.twins.core import Rows, cosine
from tests.twins.two_view import Logit, log_sum_exp


def sinkhorn(scores: Rows, epsilon: float, num_iterations: int) -> list[list[float]]:
    """The source's own order: exponentials, then rows of prototypes to 1/K, columns of samples to 1/B."""
    shares = [[math.exp(s / epsilon) for s in row] for row in scores]
    num_rows, num_prototypes = len(shares), len(shares[0])
    total = math.fsum(share for row in shares for share in row)
    shares = [[share / total for share in row] for row in shares]
    for _ in range(num_iterations):
        used = [math.fsum(row[k] for row in shares) for k in range(num_prototypes)]
        shares = [[share / used[k] / num_prototypes for k, share in enumerate(row)] for row in shares]
        shares = [[share / math.fsum(row) / num_rows for share in row] for row in shares]
    return [[share * num_rows for share in row] for row in shares]


def swav(
    *views: Rows,
    prototypes: Rows,
    queues: Sequence[Rows] = ((), ()),
    temperature: float = 0.1,
    epsilon: float = 0.05,
    num_iterations: int = 3,
    jointly: bool = False,
) -> list[float]:
    scores = [[[cosine(row, centre) for centre in prototypes] for row in view] for view in views]
    earlier = [[[cosine(row, centre) for centre in prototypes] for row in queue] for queue in queues]
    num_samples = len(views[0])
    together = sinkhorn([*scores[0], *scores[1], *earlier[0], *earlier[1]], epsilon, num_iterations)
    losses = []
    for code in range(2):
        # As in the source, the queue comes first and the batch's assignments are the last ones.
        targets = sinkhorn([*earlier[code], *scores[code]], epsilon, num_iterations)[len(earlier[code]) :]
        if jointly:
            targets = together[code * num_samples : (code + 1) * num_samples]
        for view in range(len(views)):
            if view == code:
                continue
            for target, row in zip(targets, scores[view], strict=True):
                logits = [s / temperature for s in row]
                norm = log_sum_exp(logits)
                losses.append(-math.fsum(q * (logit - norm) for q, logit in zip(target, logits, strict=True)))
    return losses


def proto_nce(
    view0: Rows, prototypes: Rows, assignments: Sequence[int], concentrations: Sequence[float]
) -> list[float]:
    losses = []
    for row, own in zip(view0, assignments, strict=True):
        logits = [cosine(row, centre) / phi for centre, phi in zip(prototypes, concentrations, strict=True)]
        losses.append(log_sum_exp(logits) - logits[own])
    return losses


def soft_targets(  # noqa: PLR0913  # A formula with all its settings.
    view0: Rows,
    view1: Rows,
    keys: tuple[Rows, Rows],
    queues: tuple[Rows, Rows] = ((), ()),
    logit_scale: float = 1 / 0.07,
    alpha: float = 0.4,
    smoothing: float = 0.0,
    logit: Logit | None = None,
    ids: Sequence[int] | None = None,
    queue_ids: tuple[Sequence[int], Sequence[int]] = ((), ()),
) -> list[float]:
    """With a logit of its own, targets are made with the scale all the same."""
    losses = []
    for view, (anchors, momentum) in enumerate(((view0, keys[0]), (view1, keys[1]))):
        candidates = [*keys[1 - view], *queues[1 - view]]
        names = range(len(candidates)) if ids is None else [*ids, *queue_ids[1 - view]]
        for i, anchor in enumerate(anchors):
            scores = [cosine(anchor, key) for key in candidates]
            logits = [s * logit_scale if logit is None else logit(s) for s in scores]
            found = [cosine(momentum[i], key) * logit_scale for key in candidates]
            norm, found_norm = log_sum_exp(logits), log_sum_exp(found)
            own = [name == names[i] for name in names]
            soft = [
                alpha * math.exp(x - found_norm) + (1 - alpha) * o / sum(own) for o, x in zip(own, found, strict=True)
            ]
            target = [(1 - smoothing) * q + smoothing / len(soft) for q in soft]
            losses.append(-math.fsum(q * (x - norm) for q, x in zip(target, logits, strict=True)))
    return losses


def meow(view0: Rows, view1: Rows, clusters: Rows, temperature: float = 0.4, both: bool = True) -> list[float]:
    losses = []
    for anchors, keys in ((view0, view1), (view1, view0)) if both else ((view0, view1),):
        for i, anchor in enumerate(anchors):
            terms = []
            for j, key in enumerate(keys):
                weight = sum(a != b for a, b in zip(clusters[i], clusters[j], strict=True))
                terms.append(weight * math.exp(cosine(anchor, key) / temperature))
            total = math.fsum(terms)
            losses.append(math.log(total) - cosine(anchor, keys[i]) / temperature if total else 0.0)
    return losses


def ada_meow(
    view0: Rows, view1: Rows, log_odds: Callable[[Sequence[float]], float], temperature: float = 0.4
) -> list[float]:
    """`log_odds` is the network before its sigmoid."""
    losses = []
    for i, row in enumerate(view0):
        terms = []
        for key in view1:
            pair = [a / math.hypot(*row) + b / math.hypot(*key) for a, b in zip(row, key, strict=True)]
            terms.append(math.exp(cosine(row, key) / temperature) / (1 + math.exp(-log_odds(pair))))
        losses.append(math.log(math.fsum(terms)) - cosine(row, view1[i]) / temperature)
    return losses
