"""The kernel of sums of exponentials: every row's keys in one pass, by an online logsumexp."""

from dataclasses import dataclass

import torch
import triton
import triton.language as tl
from jaxtyping import Float, Int
from torch import Tensor

from anchorwise.engine.log_sum import LogSum
from anchorwise.engine.triton import tile
from anchorwise.engine.triton.setting import Setting, launch_over_keys

# a = anchors, k = keys, d = embedding width


@dataclass(frozen=True)
class Sums:
    """What the gradient needs of the sums.

    Attributes:
        running_max: Largest logit of every row, of base 2.
        running_sum: Sum of the powers of 2 relative to it.
        hardest: The score of every row's hardest negative from float32 rows; where products are float32, unused.
        hardest_at: Its key; -1 in rows without keys.
    """

    running_max: Float[Tensor, " a"]
    running_sum: Float[Tensor, " a"]
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
    hardest = torch.full_like(sums.running_max, -torch.inf)
    hardest_at = torch.full((len(anchors),), -1, dtype=torch.int32, device=anchors.device)
    results = (sums.running_max, sums.running_sum, hardest, hardest_at)
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
    all_max,
    all_sums,
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
    # A program has SIZE anchors and passes over all keys: a row's sum stays in its registers, and no two programs write
    # to the same row. Blocks of keys come in order: so does the summation, and the bits are the same every time.
    rows = tl.program_id(0) * SIZE + tl.arange(0, SIZE)
    here = rows < num_anchors
    slope = tl.load(numbers + rows, mask=here, other=0.0)
    power = tl.load(numbers + num_anchors + rows, mask=here, other=0.0)
    running_max = tl.full([SIZE], float("-inf"), dtype=tl.float32)
    running_sum = tl.zeros([SIZE], dtype=tl.float32)
    best = tl.full([SIZE], float("-inf"), dtype=tl.float32)
    best_at = tl.full([SIZE], -1, dtype=tl.int32)
    for start in range(0, num_keys, SIZE):
        columns = start + tl.arange(0, SIZE)
        products = tile.products(anchors, keys, rows, columns, num_anchors, num_keys, WIDTH, DEPTH)
        gone = tile.left_out(anchor_ids, key_ids, rows, columns, num_anchors, num_keys, NUM_EXCLUDED)
        scores = tl.where(gone, float("-inf"), products)
        if RESCORES:
            # The hardest negative waits outside of the sum until its score is computed again; the one that it replaces
            # goes in.
            scores, put_back, best, best_at = tile.hold_out(scores, start, best, best_at)
            running_max, running_sum = _with_one(
                running_max, running_sum, tile.logits(put_back, slope, power, endpoint, HAS_POWER)
            )
        logits = tile.logits(scores, slope[:, None], power[:, None], endpoint, HAS_POWER)
        highest = tl.maximum(running_max, tl.max(logits, axis=1))
        base = _finite(highest)
        # What was added so far is relative to the old maximum: scale it down to the new one.
        running_sum = running_sum * tl.exp2(running_max - base) + tl.sum(tl.exp2(logits - base[:, None]), axis=1)
        running_max = highest
    if RESCORES:
        best = tile.scores_at(exact_anchors, exact_keys, rows, best_at, num_anchors, WIDTH, DEPTH)
        running_max, running_sum = _with_one(
            running_max, running_sum, tile.logits(best, slope, power, endpoint, HAS_POWER)
        )
        tl.store(hardest + rows, best, mask=here)
        tl.store(hardest_at + rows, best_at, mask=here)
    tl.store(all_max + rows, running_max, mask=here)
    tl.store(all_sums + rows, running_sum, mask=here)


@triton.jit
def _with_one(running_max, running_sum, logits):
    """Add one logit to every row's sum."""
    highest = tl.maximum(running_max, logits)
    base = _finite(highest)
    return highest, running_sum * tl.exp2(running_max - base) + tl.exp2(logits - base)


@triton.jit
def _finite(highest):
    """Return what logits are relative to: a row of nothing but minus infinity has no maximum."""
    return tl.where(highest == float("-inf"), 0.0, highest)
