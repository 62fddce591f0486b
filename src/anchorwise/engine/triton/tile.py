"""What all kernels do with a tile of scores; a score of minus infinity stands for a pair that does not count."""

import math

import triton
import triton.language as tl
from triton import knobs

from anchorwise.links import MIN_SHORTFALL

_FLOOR = tl.constexpr(MIN_SHORTFALL)
_LOG_2 = tl.constexpr(math.log(2.0))
_INTERPRETED = tl.constexpr(knobs.runtime.interpret)


@triton.jit
def products(left, right, rows, columns, num_rows, num_columns, WIDTH: tl.constexpr, DEPTH: tl.constexpr):
    """Return the products of some rows of `left` and some of `right`, added up in float32, DEPTH columns at a time."""
    result = tl.zeros([rows.shape[0], columns.shape[0]], dtype=tl.float32)
    for start in range(0, WIDTH, DEPTH):
        depth = start + tl.arange(0, DEPTH)
        inside = depth < WIDTH
        left_part = tl.load(
            left + rows.to(tl.int64)[:, None] * WIDTH + depth[None, :],
            mask=(rows < num_rows)[:, None] & inside[None, :],
            other=0.0,
        )
        right_part = tl.load(
            right + columns.to(tl.int64)[None, :] * WIDTH + depth[:, None],
            mask=(columns < num_columns)[None, :] & inside[:, None],
            other=0.0,
        )
        result = add_product(left_part, right_part, result)
    return result


@triton.jit
def add_product(left, right, result):
    """Return `left @ right + result`, added up in float32; float32 factors as three products of TensorFloat-32.

    The three keep float32's digits and run on tensor cores (benchmarks/results/engine_h200_2026-11-27.md).
    """
    if _INTERPRETED:  # The interpreter takes the bits of bfloat16 for whole numbers.
        left, right = left.to(tl.float32), right.to(tl.float32)
    return tl.dot(left, right, result, input_precision="tf32x3")


@triton.jit
def left_out(row_ids, column_ids, rows, columns, num_rows, num_columns, NUM_EXCLUDED: tl.constexpr):
    """Return where pairs do not count: their ids are the same, or there is no such column."""
    result = (columns >= num_columns)[None, :] & (rows >= 0)[:, None]
    for index in tl.static_range(NUM_EXCLUDED):  # pyright: ignore[reportGeneralTypeIssues]  # Iterable to the compiler.
        ids = tl.load(row_ids + index * num_rows + rows, mask=rows < num_rows, other=0)
        others = tl.load(column_ids + index * num_columns + columns, mask=columns < num_columns, other=0)
        result = result | (ids[:, None] == others[None, :])
    return result


@triton.jit
def logits(scores, slope, power, endpoint, HAS_POWER: tl.constexpr):
    """Return the logits of base 2, for a slope times log2(e)."""
    result = slope * scores
    if HAS_POWER:
        result -= power * tl.log2(tl.maximum(endpoint - scores, _FLOOR))
    return tl.where(scores == float("-inf"), float("-inf"), result)


@triton.jit
def slopes_of_logits(scores, slope, power, endpoint, HAS_POWER: tl.constexpr):
    """Return the slopes of natural logits, for a slope times log2(e); the logarithm has none where the floor acts."""
    result = slope * _LOG_2
    if HAS_POWER:
        shortfalls = endpoint - scores
        result += tl.where(shortfalls < _FLOOR, 0.0, power / tl.maximum(shortfalls, _FLOOR))
    return result


@triton.jit
def log_shortfalls(scores, endpoint):
    """Return natural logarithms of shortfalls."""
    return tl.log2(tl.maximum(endpoint - scores, _FLOOR)) * _LOG_2


@triton.jit
def hold_out(scores, start, best, best_at):
    """Take the largest score of every row out of a tile, or that of the tiles before, whichever is smaller back in.

    Returns:
        The tile without its largest scores, the scores put back, and the largest of all so far with their columns.
    """
    largest, at = tl.max(scores, axis=1, return_indices=True)
    rest = tl.where(tl.arange(0, scores.shape[1])[None, :] == at[:, None], float("-inf"), scores)
    newer = largest > best
    put_back = tl.where(newer, best, largest)
    return rest, put_back, tl.where(newer, largest, best), tl.where(newer, start + at, best_at)


@triton.jit
def scores_at(anchors, keys, rows, at, num_rows, WIDTH: tl.constexpr, DEPTH: tl.constexpr):
    """Return every anchor's score with one key of its own, from float32 rows; minus infinity where `at` is below 0."""
    found = (at >= 0) & (rows < num_rows)
    result = tl.zeros([rows.shape[0]], dtype=tl.float32)
    for start in range(0, WIDTH, DEPTH):
        depth = start + tl.arange(0, DEPTH)
        mask = found[:, None] & (depth < WIDTH)[None, :]
        anchor_part = tl.load(anchors + rows.to(tl.int64)[:, None] * WIDTH + depth[None, :], mask=mask, other=0.0)
        key_part = tl.load(keys + at.to(tl.int64)[:, None] * WIDTH + depth[None, :], mask=mask, other=0.0)
        result += tl.sum(anchor_part * key_part, axis=1)
    return tl.where(found, result, float("-inf"))


@triton.jit
def at_endpoint(shortfall):
    """Return where two rows count as the same point."""
    return shortfall < _FLOOR
