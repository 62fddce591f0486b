"""The largest scores of every row, exactly: whole rows of a few anchors at a time.

A row's tail is a tenth of it, or less, and selecting it costs more than the scores themselves. On a CPU a sample of the
row says where its tail begins, what lies above is copied out and sorted, and only a row whose sample was misleading is
sorted whole.
"""

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from anchorwise.engine.tiled.grid import Grid, Tile
from anchorwise.engine.tiled.masking import PairMask
from anchorwise.engine.tiled.worker_threads import for_each_tile
from anchorwise.engine.tiled.workspace import Workspace

# a = anchors, k = keys, d = embedding width, r = anchors of a block, t = tail points, s = statistics

# One score in so many is looked at to tell where a row's tail begins.
_SAMPLED = 16
# Shorter rows are sorted whole: their sample would be too small to tell.
_SMALLEST_SAMPLED_ROW = 2048
# Scores above the tail's beginning that are kept before it is looked for again: so many that sorting them out is rare.
_NUM_LOOSE = 2**20


@dataclass(frozen=True)
class WholeRows:
    """Rows of scores, complete, some anchors at a time.

    Attributes:
        anchors: Unit rows.
        keys: Unit rows.
        mask: Which pairs count; scores of others are minus infinity.
        num_scores: Scores of a block at most.
    """

    anchors: Float[Tensor, "a d"]
    keys: Float[Tensor, "k d"]
    mask: PairMask
    num_scores: int

    def visit(self, step: Callable[[slice, Float[Tensor, "r k"]], None]) -> None:
        """Take the step for each block of anchors, with their scores, which it may overwrite."""
        num_rows = max(self.num_scores // max(len(self.keys), 1), 1)
        grid = Grid(len(self.anchors), len(self.keys), symmetric=False, size=(num_rows, max(len(self.keys), 1)))
        blocks = [[Tile(block, slice(0, len(self.keys))) for block in grid.anchor_blocks()]]
        workspace = Workspace(self.anchors)

        def visit(tile: Tile) -> None:
            scores = workspace.scores(self.anchors[tile.anchors], self.keys)
            sides = self.mask.sides(tile)
            if not sides:
                scores.fill_(-torch.inf)
            else:
                sides[0].fill_(scores, -torch.inf)
            step(tile.anchors, scores)

        for_each_tile(blocks, visit, self.anchors.device, at_once=grid.is_large)

    def collect(
        self, width: int, of_block: Callable[[Float[Tensor, "r k"]], Float[Tensor, "r s"]]
    ) -> Float[Tensor, "a s"]:
        """Return what `of_block` makes of the blocks, `width` numbers a row."""
        result = self.anchors.new_zeros(len(self.anchors), width)

        def step(rows: slice, scores: Tensor) -> None:
            result[rows] = of_block(scores)

        self.visit(step)
        return result


def largest(scores: Float[Tensor, "r k"], num_tail: int) -> Float[Tensor, "r t"]:
    """Return the largest scores of every row in falling order."""
    if scores.device.type != "cpu":
        return scores.topk(num_tail, dim=1).values
    return torch.from_numpy(_largest(scores.numpy(), num_tail))


def _largest(scores: np.ndarray, num_tail: int) -> np.ndarray:
    num_keys = scores.shape[1]
    if num_keys < _SMALLEST_SAMPLED_ROW or 3 * num_tail > num_keys:
        return np.flip(np.sort(scores, axis=1), axis=1)[:, :num_tail].copy()
    sample = scores[:, ::_SAMPLED]
    # Three standard deviations more than the sample's share of the tail: enough for nearly every row.
    expected = num_tail * sample.shape[1] / num_keys
    rank = sample.shape[1] - min(math.ceil(expected + 3.0 * math.sqrt(expected) + 1.0), sample.shape[1])
    beginnings = np.partition(sample, rank, axis=1)[:, rank]
    places = np.flatnonzero(scores >= beginnings[:, None])
    found = scores.ravel()[places]
    ends = np.searchsorted(places, num_keys * np.arange(len(scores) + 1)).tolist()
    tails = np.empty((len(scores), num_tail), scores.dtype)
    for index, (start, stop) in enumerate(pairwise(ends)):
        of_row = found[start:stop] if stop - start >= num_tail else scores[index].copy()
        of_row.sort()
        tails[index] = of_row[: -num_tail - 1 : -1]
    return tails


def largest_with_keys(scores: Float[Tensor, "r k"], num_tail: int) -> tuple[Float[Tensor, "r t"], Int[Tensor, "r t"]]:
    """Return the largest scores of every row in falling order, with their keys."""
    top = scores.topk(num_tail, dim=1)
    return top.values, top.indices


class PooledTail:
    """The largest scores of all rows together, in memory of a few times their number."""

    def __init__(self, num_tail: int, like: Tensor) -> None:
        self._num_tail = num_tail
        self._kept = [like.new_empty(0)]  # Without rows the tail is empty.
        self._beginning = -math.inf
        self._lock = threading.Lock()

    def add(self, scores: Float[Tensor, "r k"]) -> None:
        """Add some rows' scores."""
        above = scores[scores >= self._beginning]
        with self._lock:
            self._kept.append(above)
            if sum(map(len, self._kept)) > 2 * self._num_tail + _NUM_LOOSE:
                self._kept = [self.value()]
                self._beginning = float(self._kept[0][-1])

    def value(self) -> Float[Tensor, " t"]:
        """Return them in falling order."""
        together = torch.cat(self._kept)
        return together.topk(min(self._num_tail, len(together))).values
