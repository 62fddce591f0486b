"""What the twins share: cosines, links, cross-entropy, written out."""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Rows = Sequence[Sequence[float]]
Link = Callable[[int, float], float]
# Names of the samples; those of one name are no negatives of each other. None: all differ.
Ids = Sequence[int] | None

FLOOR = 1e-6
# Two orthogonal samples: with identical views a positive scores 1, everything else 0.
EYE = [[1.0, 0.0], [0.0, 1.0]]


@dataclass
class Batch:
    """Cosines of every anchor with its positive and with its negatives (and the negatives' row numbers)."""

    positives: list[float]
    negatives: list[list[float]]

    @staticmethod
    def of(view0: Rows, view1: Rows, ids: Ids = None, hard_negatives: Sequence[Rows] = ()) -> "Batch":
        rows = [*view0, *view1]
        samples = [*range(len(view0)), *range(len(view1))]
        positives, negatives = [], []
        for a, row in enumerate(rows):
            apart = [k for k in range(len(rows)) if differ(ids, samples[k], samples[a])]
            negatives.append(
                [cosine(row, other) for other in [*(rows[k] for k in apart), *itertools.chain(*hard_negatives)]]
            )
            (other,) = [k for k in range(len(rows)) if samples[k] == samples[a] and k != a]
            positives.append(cosine(row, rows[other]))
        return Batch(positives, negatives)

    @property
    def anchors(self) -> range:
        return range(len(self.positives))


def differ(ids: Ids, i: int, j: int) -> bool:
    return i != j if ids is None else ids[i] != ids[j]


def cosine(x: Sequence[float], y: Sequence[float]) -> float:
    return math.fsum(a * b for a, b in zip(x, y, strict=True)) / (math.hypot(*x) * math.hypot(*y))


def shortfall(s: float, endpoint: float = 1.0) -> float:
    return max(endpoint - s, FLOOR)


def softmax_link(temperature: float) -> Link:
    return lambda a, s: s / temperature


def weibit_link(exponents: Sequence[float], endpoint: float = 1.0) -> Link:
    return lambda a, s: -exponents[a] * math.log(shortfall(s, endpoint))


def blend_link(blends: Sequence[float], first: Link, second: Link) -> Link:
    return lambda a, s: (1 - blends[a]) * first(a, s) + blends[a] * second(a, s)


def cross_entropy(batch: Batch, link: Link, num_hardest: int | None = None) -> list[float]:
    losses = []
    for a in batch.anchors:
        hardest = sorted(batch.negatives[a], reverse=True)[:num_hardest]
        logits = [link(a, batch.positives[a]), *(link(a, s) for s in hardest)]
        top = max(logits)
        losses.append(top + math.log(math.fsum(math.exp(x - top) for x in logits)) - logits[0])
    return losses


def info_nce(
    view0: Rows,
    view1: Rows,
    temperature: float,
    num_hardest: int | None = None,
    ids: Ids = None,
    hard_negatives: Sequence[Rows] = (),
) -> list[float]:
    return cross_entropy(Batch.of(view0, view1, ids, hard_negatives), softmax_link(temperature), num_hardest)


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))
