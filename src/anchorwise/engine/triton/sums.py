"""The kernel of sums of exponentials: every row's keys in one pass, nothing kept but a peak and a total."""

from dataclasses import dataclass

import torch
import triton
import triton.language as tl
from jaxtyping import Float, Int
from torch import Tensor

from anchorwise.engine.tiled.reducer import LogSum
from anchorwise.engine.triton import tile
from anchorwise.engine.triton.setting import Setting, launch_over_keys

# a = anchors, k = keys, d = embedding width


@dataclass(frozen=True)
class Sums:
    """What the gradient needs of the sums.

    Attributes:
        peak: Largest logit of every row, of base 2.
        total: Sum of the powers of 2 relative to it.
        hardest: The score of every row's hardest negative from float32 rows; where products are float32, unused.
        hardest_at: Its key; -1 in rows without keys.
    """

    peak: Float[Tensor, " a"]
    total: Float[Tensor, " a"]
    hardest: Float[Tensor, " a"]
    hardest_at: Int[Tensor, " a"]


def sums_of(
    setting: Setting, anchors: Float[Tensor, "a d"], keys: Float[Tensor, "k d"], numbers: Float[Tensor, "2 a"]
) -> tuple[Float[Tensor, " a"], Sums]:
    """Return the logsumexp of every row, and the sums that it is made of.

    Args:
        setting: Precision, blocks and excluded pairs.
        anchors: Unit rows, float32.
        keys: Unit rows, float32.
        numbers: Slope times log2(e), and power, of every row.
    """
    sums = LogSum(anchors, len(anchors))
    hardest = torch.full_like(sums.peak, -torch.inf)
    hardest_at = torch.full((len(anchors),), -1, dtype=torch.int32, device=anchors.device)
    results = (sums.peak, sums.total, hardest, hardest_at)
    launch_over_keys(_sums_kernel, setting, (anchors, keys), numbers, results, HAS_POWER=setting.has_power)
    return sums.value(), Sums(*results)


@triton.jit
def _sums_kernel(
    anchors,
    keys,
    exact_anchors,
    exact_keys,
    numbers,
    anchor_ids,
    key_ids,
    peaks,
    totals,
    hardest,
    hardest_at,
    num_anchors,
    num_keys,
    endpoint,
    NUM_EXCLUDED: tl.constexpr,
    RESCORES: tl.constexpr,
    HAS_POWER: tl.constexpr,
    SIZE: tl.constexpr,
    DEPTH: tl.constexpr,
    WIDTH: tl.constexpr,
):
    rows = tl.program_id(0) * SIZE + tl.arange(0, SIZE)
    here = rows < num_anchors
    slope = tl.load(numbers + rows, mask=here, other=0.0)
    power = tl.load(numbers + num_anchors + rows, mask=here, other=0.0)
    peak = tl.full([SIZE], float("-inf"), dtype=tl.float32)
    total = tl.zeros([SIZE], dtype=tl.float32)
    best = tl.full([SIZE], float("-inf"), dtype=tl.float32)
    best_at = tl.full([SIZE], -1, dtype=tl.int32)
    for start in range(0, num_keys, SIZE):
        columns = start + tl.arange(0, SIZE)
        products = tile.products(anchors, keys, rows, columns, num_anchors, num_keys, WIDTH, DEPTH)
        gone = tile.left_out(anchor_ids, key_ids, rows, columns, num_anchors, num_keys, NUM_EXCLUDED)
        scores = tl.where(gone, float("-inf"), products)
        if RESCORES:
            scores, put_back, best, best_at = tile.hold_out(scores, start, best, best_at)
            peak, total = _with_one(peak, total, tile.logits(put_back, slope, power, endpoint, HAS_POWER))
        logits = tile.logits(scores, slope[:, None], power[:, None], endpoint, HAS_POWER)
        highest = tl.maximum(peak, tl.max(logits, axis=1))
        base = _finite(highest)
        total = total * tl.exp2(peak - base) + tl.sum(tl.exp2(logits - base[:, None]), axis=1)
        peak = highest
    if RESCORES:
        best = tile.scores_at(exact_anchors, exact_keys, rows, best_at, num_anchors, WIDTH, DEPTH)
        peak, total = _with_one(peak, total, tile.logits(best, slope, power, endpoint, HAS_POWER))
        tl.store(hardest + rows, best, mask=here)
        tl.store(hardest_at + rows, best_at, mask=here)
    tl.store(peaks + rows, peak, mask=here)
    tl.store(totals + rows, total, mask=here)


@triton.jit
def _with_one(peak, total, logits):
    """Add one logit to every row's sum."""
    highest = tl.maximum(peak, logits)
    base = _finite(highest)
    return highest, total * tl.exp2(peak - base) + tl.exp2(logits - base)


@triton.jit
def _finite(peak):
    """Return what logits are relative to: a row of nothing but minus infinity has no peak."""
    return tl.where(peak == float("-inf"), 0.0, peak)
