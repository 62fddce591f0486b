"""Consistency of the cells of two views, by where they come from."""

import math
from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from anchorwise import PixelConsistency, PixelContrast
from tests.contracts.cases.case import Call, Case
from tests.twins.core import Rows, cosine


def _cells(row: Sequence[float], num_cells: int) -> list[Sequence[float]]:
    width = len(row) // num_cells
    return [row[cell * width : (cell + 1) * width] for cell in range(num_cells)]


def pixel_consistency(
    view0: Rows, view1: Rows, keys: tuple[Rows, Rows], places: tuple[Rows, Rows], threshold: float = 0.7
) -> list[float]:
    num_cells, losses = len(places[0][0]) // 3, []
    for view, other in (((view0, places[0]), (keys[1], places[1])), ((view1, places[1]), (keys[0], places[0]))):
        for row, where, key, there in zip(*view, *other, strict=True):
            found = []
            for cell, (x, y, long) in zip(_cells(row, num_cells), _cells(where, num_cells), strict=True):
                for target, (v, w, length) in zip(_cells(key, num_cells), _cells(there, num_cells), strict=True):
                    if math.hypot(x - v, y - w) < threshold * max(long, length):
                        found.append(cosine(cell, target))
            losses.append(-4 * math.fsum(found) / (len(found) + 1e-6))
    return losses


def _placed(view0: Tensor, view1: Tensor) -> Call:
    """Two cells a view; the second view of every third sample lies elsewhere."""
    view0, view1 = (torch.cat([view, 0.7 * view.roll(1, dims=1) + 0.1 * view], dim=1) for view in (view0, view1))
    samples = torch.arange(len(view0), dtype=torch.float64)
    first = torch.tensor([0.25, 0.5, 0.6, 0.75, 0.5, 0.6], dtype=torch.float64).repeat(len(view0), 1)
    moved = first.clone()
    moved[:, [0, 3]] += (0.1 + 0.9 * (samples % 3 == 2)).unsqueeze(1)
    keys = (view0 + 0.3 * view1.roll(1, dims=0), view1.roll(1, dims=0))
    return Call((view0, view1), per_sample={"keys": keys, "places": (first, moved)})


def pixel_contrast(
    view0: Rows, labels: Sequence[int], queue: Rows, queue_labels: Sequence[int], temperature: float = 0.1
) -> list[float]:
    losses = []
    for row, label in zip(view0, labels, strict=True):
        logits = [cosine(row, key) / temperature for key in queue]
        others = [each for each, of in zip(logits, queue_labels, strict=True) if of not in (label, -1)]
        found = []
        for own in (each for each, of in zip(logits, queue_labels, strict=True) if of == label):
            most = max([own, *others])
            found.append(most - own + math.log(math.fsum(math.exp(each - most) for each in (own, *others))))
        losses.append(math.fsum(found) / max(len(found), 1))
    return losses


def _queued(view0: Tensor, view1: Tensor) -> Call:
    """Pixels of five classes; queues of four of them, in which two slots are empty."""
    pixels = torch.arange(len(view0))
    queue = torch.cat([view1.roll(1, dims=1), 0.5 * view0.roll(1, dims=0)])[:-1].detach()
    held = torch.arange(len(queue)).remainder(4).masked_fill(torch.arange(len(queue)) % 11 == 5, -1)
    shared = {"queue": queue, "queue_labels": held}
    return Call((view0 + 0.5 * view1,), per_sample={"labels": pixels % 5}, shared=shared)


# Four cells of half an image each way; equal, mirrored and elsewhere.
_SQUARE = [[0.25, 0.25, 0.70711, 0.75, 0.25, 0.70711, 0.25, 0.75, 0.70711, 0.75, 0.75, 0.70711]]
_FAR = [[x + 5.0 if index % 3 == 0 else x for index, x in enumerate(_SQUARE[0])]]
_ONE_HOT = [[1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0]]
BY_HAND = [
    # Only the same cells are near: all four at 1, in both directions.
    (pixel_consistency(_ONE_HOT, _ONE_HOT, (_ONE_HOT, _ONE_HOT), (_SQUARE, _SQUARE)), [-16 / (4 + 1e-6)] * 2),
    # Within one and a half diagonals all 16 pairs are near, half of them at 1.
    (
        pixel_consistency(_ONE_HOT, _ONE_HOT, (_ONE_HOT, _ONE_HOT), (_SQUARE, _SQUARE), threshold=1.5),
        [-32 / (16 + 1e-6)] * 2,
    ),
    (pixel_consistency(_ONE_HOT, _ONE_HOT, (_ONE_HOT, _ONE_HOT), (_SQUARE, _FAR)), [0.0] * 2),
    # Positives at 1 and at 0, one negative at 0, an empty slot and a class without a row; then empty queues.
    (
        pixel_contrast(
            [[1.0, 0.0], [0.0, 1.0]], [0, 7], [[2.0, 0.0], [0.0, 1.0], [0.0, 3.0], [1.0, 0.0]], [0, 0, 1, -1], 0.5
        ),
        [(math.log(1 + math.exp(-2)) + math.log(2)) / 2, 0.0],
    ),
    (pixel_contrast([[1.0, 0.0]], [0], [[1.0, 0.0]], [-1]), [0.0]),
]
_case = partial(Case, make=PixelConsistency, call=_placed, symmetric=False, single_sample="finite", cold={})
CASES = [
    _case("pixel_consistency", twin=pixel_consistency, others={"threshold": 5.0}),
    _case("pixel_consistency-wide", twin=partial(pixel_consistency, threshold=1.2), given={"threshold": 1.2}),
    Case(
        "pixel_contrast",
        PixelContrast,
        pixel_contrast,
        others={"temperature": 0.5},
        call=_queued,
        single_sample="finite",
    ),
]
