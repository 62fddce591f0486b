"""The kernel of sums over the scores above each row's threshold."""

import torch
import triton
import triton.language as tl
from jaxtyping import Float
from torch import Tensor

from anchorwise.engine.results import ExceedanceSums
from anchorwise.engine.triton import tile
from anchorwise.engine.triton.setting import Setting, launch_over_keys
from anchorwise.links import MIN_SHORTFALL

# a = anchors, k = keys, d = embedding width


@torch.no_grad()
def exceedances_of(
    setting: Setting, anchors: Float[Tensor, "a d"], keys: Float[Tensor, "k d"], threshold: Float[Tensor, " a"]
) -> ExceedanceSums:
    """Return the sums over the scores above every row's threshold."""
    widest = setting.endpoint - threshold.to(anchors.dtype)
    numbers = torch.stack([widest, widest.clamp_min(MIN_SHORTFALL).log()])
    sums = anchors.new_zeros(3, len(anchors))
    largest = torch.full_like(sums[0], -torch.inf)
    launch_over_keys(_exceedances_kernel, setting, (anchors, keys), numbers, (sums, largest))
    count, sum_log_ratio, sum_excess = sums
    return ExceedanceSums(count, sum_log_ratio, sum_excess, largest)


@triton.jit
def _exceedances_kernel(
    anchors,
    keys,
    exact_anchors,
    exact_keys,
    numbers,
    anchor_ids,
    key_ids,
    sums,
    largest,
    num_anchors,
    num_keys,
    endpoint,
    NUM_EXCLUDED: tl.constexpr,
    RESCORES: tl.constexpr,
    SIZE: tl.constexpr,
    DEPTH: tl.constexpr,
    WIDTH: tl.constexpr,
):
    # As in the kernel of sums: a program has SIZE anchors, and all keys pass by in order.
    rows = tl.program_id(0) * SIZE + tl.arange(0, SIZE)
    here = rows < num_anchors
    widest = tl.load(numbers + rows, mask=here, other=0.0)[:, None]
    log_widest = tl.load(numbers + num_anchors + rows, mask=here, other=0.0)[:, None]
    count = tl.zeros([SIZE], dtype=tl.float32)
    log_ratio = tl.zeros([SIZE], dtype=tl.float32)
    excess = tl.zeros([SIZE], dtype=tl.float32)
    best = tl.full([SIZE], float("-inf"), dtype=tl.float32)
    best_at = tl.full([SIZE], -1, dtype=tl.int32)
    for start in range(0, num_keys, SIZE):
        columns = start + tl.arange(0, SIZE)
        products = tile.products(anchors, keys, rows, columns, num_anchors, num_keys, WIDTH, DEPTH)
        gone = tile.left_out(anchor_ids, key_ids, rows, columns, num_anchors, num_keys, NUM_EXCLUDED)
        scores = tl.where(gone, float("-inf"), products)
        if RESCORES:
            scores, put_back, best, best_at = tile.hold_out(scores, start, best, best_at)
            count, log_ratio, excess = _added(count, log_ratio, excess, put_back[:, None], widest, log_widest, endpoint)
        else:
            best = tl.maximum(best, tl.max(scores, axis=1))
        count, log_ratio, excess = _added(count, log_ratio, excess, scores, widest, log_widest, endpoint)
    if RESCORES:
        best = tile.scores_at(exact_anchors, exact_keys, rows, best_at, num_anchors, WIDTH, DEPTH)
        count, log_ratio, excess = _added(count, log_ratio, excess, best[:, None], widest, log_widest, endpoint)
    tl.store(sums + rows, count, mask=here)
    tl.store(sums + num_anchors + rows, log_ratio, mask=here)
    tl.store(sums + 2 * num_anchors + rows, excess, mask=here)
    tl.store(largest + rows, best, mask=here)


@triton.jit
def _added(count, log_ratio, excess, scores, widest, log_widest, endpoint):
    """Add some scores of every row to its sums."""
    shortfalls = endpoint - scores
    counted = (shortfalls < widest) & ~tile.at_endpoint(shortfalls)
    ratios = tl.where(counted, log_widest - tile.log_shortfalls(scores, endpoint), 0.0)
    return (
        count + tl.sum(counted.to(tl.float32), axis=1),
        log_ratio + tl.sum(ratios, axis=1),
        excess + tl.sum(tl.where(counted, widest - shortfalls, 0.0), axis=1),
    )
