"""The kernel of sums over the scores above each row's threshold."""

import torch
import triton
import triton.language as tl
from jaxtyping import Float
from torch import Tensor

from anchorwise.engine.results import ExceedanceSums
from anchorwise.engine.triton import tile
from anchorwise.engine.triton.launching import launch
from anchorwise.engine.triton.problem import Problem

# a = anchors


@torch.no_grad()
def exceedances_of(problem: Problem, threshold: Float[Tensor, " a"], endpoint: float) -> ExceedanceSums:
    """Return the sums over the scores above every row's threshold."""
    anchors, keys, left_out = problem.anchors, problem.keys, problem.left_out
    sums = anchors.exact.new_empty(4, len(anchors))
    blocks = problem.blocks(len(anchors), has_gradient=False, is_plain=False)
    if len(anchors):
        launch(
            exceedances_kernel,
            (triton.cdiv(len(anchors), blocks.rows),),
            *(anchors.parts, keys.parts, anchors.exact, keys.exact, threshold.to(anchors.exact).contiguous()),
            *(left_out.anchor_ids, left_out.key_ids, sums, len(anchors), len(keys)),
            *(anchors.num_padded, keys.num_padded, left_out.first_anchor, left_out.period, endpoint),
            **problem.options,
            **blocks.options,
            RESCORES=problem.is_coarse,
            WIDTH=anchors.width,
        )
    count, sum_log_ratio, sum_excess, largest = sums
    return ExceedanceSums(count, sum_log_ratio, sum_excess, largest)


@triton.jit(do_not_specialize=["num_anchors", "num_keys", "offset", "period"])  # One kernel serves all batch sizes.
def exceedances_kernel(
    anchors,
    keys,
    exact_anchors,
    exact_keys,
    threshold,
    anchor_ids,
    key_ids,
    sums,
    num_anchors,
    num_keys,
    padded_anchors,
    padded_keys,
    offset,
    period,
    endpoint,
    NUM_IDS: tl.constexpr,
    HAS_ONLY: tl.constexpr,
    HAS_PERIOD: tl.constexpr,
    RESCORES: tl.constexpr,
    WIDTH: tl.constexpr,
    PADDED: tl.constexpr,
    PARTS: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    DEPTH: tl.constexpr,
):
    """Add up what is above the thresholds of ROWS anchors over all keys."""
    # As in the kernel of sums: a program has ROWS anchors, and all keys pass by in order.
    first = tl.program_id(0) * ROWS
    rows = first + tl.arange(0, ROWS)
    here = rows < num_anchors
    widest = endpoint - tl.load(threshold + rows, mask=here, other=0.0)
    log_widest = tl.log2(tl.maximum(widest, tile.FLOOR))
    high, low = tile.load_parts(anchors, first, 0, padded_anchors, ROWS, DEPTH, PADDED, PARTS)
    count = tl.zeros([ROWS], dtype=tl.float32)
    log_ratio = tl.zeros([ROWS], dtype=tl.float32)
    excess = tl.zeros([ROWS], dtype=tl.float32)
    largest = tl.full([ROWS], float("-inf"), dtype=tl.float32)
    best = tile.no_bits(ROWS)
    best_at = tl.full([ROWS], -1, dtype=tl.int32)
    for start in range(0, num_keys, COLUMNS):
        scores = tile.scores_of(
            *(anchors, keys, high, low, first, start, padded_anchors, padded_keys),
            *(ROWS, COLUMNS, DEPTH, PADDED, PARTS),
        )
        columns = start + tl.arange(0, COLUMNS)
        if tile.has_left_out(first, start, num_keys, offset, period, NUM_IDS, HAS_PERIOD, ROWS, COLUMNS):
            gone = tile.left_out(
                *(anchor_ids, key_ids, rows, columns, num_anchors, num_keys, offset, period),
                *(NUM_IDS, HAS_ONLY, HAS_PERIOD),
            )
            scores = tl.where(gone, float("-inf"), scores)
        if RESCORES:
            bits, at = tile.largest_of_rows(scores, COLUMNS)
            put_back = tile.score_of_bits(tl.minimum(best, bits))
            best_at = tl.where(bits > best, start + at, best_at)
            best = tl.maximum(best, bits)
            count, log_ratio, excess = _added(
                count, log_ratio, excess, put_back[:, None], widest, log_widest, endpoint, RESCORES
            )
            scores = tl.where(tl.arange(0, COLUMNS)[None, :] == at[:, None], float("-inf"), scores)
        else:
            largest = tl.maximum(largest, tl.max(scores, axis=1))
        count, log_ratio, excess = _added(count, log_ratio, excess, scores, widest, log_widest, endpoint, RESCORES)
    if RESCORES:
        largest = tile.scores_at(exact_anchors, exact_keys, rows, best_at, num_anchors, WIDTH)
        count, log_ratio, excess = _added(
            count, log_ratio, excess, largest[:, None], widest, log_widest, endpoint, tile.EXACT
        )
    tl.store(sums + rows, count, mask=here)
    tl.store(sums + num_anchors + rows, log_ratio * tile.LOG_2, mask=here)
    tl.store(sums + 2 * num_anchors + rows, excess, mask=here)
    tl.store(sums + 3 * num_anchors + rows, largest, mask=here)


@triton.jit
def _added(count, log_ratio, excess, scores, widest, log_widest, endpoint, IS_COARSE: tl.constexpr):
    """Add some scores of every row to its sums; logarithms are of base 2."""
    shortfalls = endpoint - scores
    counted = (shortfalls < widest[:, None]) & (shortfalls >= tile.FLOOR)
    ratios = tl.where(counted, log_widest[:, None] - tile.log2_shortfalls(scores, endpoint, IS_COARSE), 0.0)
    return (
        count + tl.sum(counted.to(tl.float32), axis=1),
        log_ratio + tl.sum(ratios, axis=1),
        excess + tl.sum(tl.where(counted, widest[:, None] - shortfalls, 0.0), axis=1),
    )
