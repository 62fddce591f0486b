"""What all kernels do with a tile of scores.

A tile's rows and columns are rows of two matrices; `first_row` and `first_column` say where it begins in them.
"""

import math

import triton
import triton.language as tl
from triton import knobs

from anchorwise.links import MIN_SHORTFALL

FLOOR = tl.constexpr(MIN_SHORTFALL)
EXACT = tl.constexpr(False)  # What is not coarse.
LOG_2 = tl.constexpr(math.log(2.0))
LOG2_E = tl.constexpr(math.log2(math.e))
_INTERPRETED = tl.constexpr(knobs.runtime.interpret)
_MINUS_INFINITY_BITS = tl.constexpr(-8388608)


@triton.jit
def load_part(parts, first, depth, SIZE: tl.constexpr, DEPTH: tl.constexpr, PADDED: tl.constexpr):
    """Return some rows of a part, DEPTH columns of them; rows are padded, so nothing is masked."""
    offsets = tl.arange(0, SIZE)[:, None] * PADDED + tl.arange(0, DEPTH)[None, :]
    return tl.load(parts + tl.cast(first, tl.int64) * PADDED + depth + offsets)


@triton.jit
def load_parts(
    parts, first, depth, padded, SIZE: tl.constexpr, DEPTH: tl.constexpr, PADDED: tl.constexpr, PARTS: tl.constexpr
):
    """Return both parts of some rows; the first one twice where there is one only."""
    high = load_part(parts, first, depth, SIZE, DEPTH, PADDED)
    low = high
    if PARTS == 2:
        low = load_part(parts + tl.cast(padded, tl.int64) * PADDED, first, depth, SIZE, DEPTH, PADDED)
    return high, low


@triton.jit
def add_product(high, low, other_high, other_low, result, PARTS: tl.constexpr):
    """Return the product of two matrices plus `result`, added up in float32.

    Of numbers in two parts the product of the low ones is below float32's last digit. Small products come first.
    """
    if PARTS == 2:
        result = dot(low, other_high, result)
        result = dot(high, other_low, result)
    return dot(high, other_high, result)


@triton.jit
def dot(left, right, result):
    """Return `left @ right + result`, added up in float32."""
    if _INTERPRETED:  # The interpreter takes the bits of bfloat16 for whole numbers.
        left, right = left.to(tl.float32), right.to(tl.float32)
    return tl.dot(left, right, result)


@triton.jit
def scores_of(
    anchors,
    keys,
    high,
    low,
    first_row,
    first_column,
    padded_anchors,
    padded_keys,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    DEPTH: tl.constexpr,
    PADDED: tl.constexpr,
    PARTS: tl.constexpr,
):
    """Return the scores of a tile whose rows, `high` and `low`, are held, unless they are too wide for that."""
    scores = tl.zeros([ROWS, COLUMNS], dtype=tl.float32)
    if DEPTH == PADDED:
        others, others_low = load_parts(keys, first_column, 0, padded_keys, COLUMNS, DEPTH, PADDED, PARTS)
        scores = add_product(high, low, tl.trans(others), tl.trans(others_low), scores, PARTS)
    else:
        scores = add_scores(
            *(anchors, keys, first_row, first_column, padded_anchors, padded_keys, scores),
            *(ROWS, COLUMNS, DEPTH, PADDED, PARTS),
        )
    return scores


@triton.jit
def add_scores(
    rows,
    columns,
    first_row,
    first_column,
    padded_rows,
    padded_columns,
    result,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    DEPTH: tl.constexpr,
    PADDED: tl.constexpr,
    PARTS: tl.constexpr,
):
    """Return the scores of a tile whose rows are too wide to be held, DEPTH columns at a time."""
    for depth in range(0, PADDED, DEPTH):
        high, low = load_parts(rows, first_row, depth, padded_rows, ROWS, DEPTH, PADDED, PARTS)
        other_high, other_low = load_parts(columns, first_column, depth, padded_columns, COLUMNS, DEPTH, PADDED, PARTS)
        result = add_product(high, low, tl.trans(other_high), tl.trans(other_low), result, PARTS)
    return result


@triton.jit
def has_left_out(
    first_row,
    first_column,
    num_columns,
    offset,
    period,
    NUM_IDS: tl.constexpr,
    HAS_PERIOD: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """Return whether a tile may have something to leave out; in others ids are not looked at, and nothing is masked."""
    result = (first_column + COLUMNS > num_columns) | (NUM_IDS > 0)
    if HAS_PERIOD:
        result = result | _touches_period(first_row, first_column, offset, period, ROWS, COLUMNS)
    return result


@triton.jit
def _touches_period(first_row, first_column, offset, period, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """Return whether a tile has a pair whose numbers, `offset + row` and `column`, differ by a multiple of a period."""
    distance = (offset + first_row - first_column) % period
    distance = tl.where(distance < 0, distance + period, distance)  # The remainder has the dividend's sign.
    return (distance < COLUMNS) | (distance + ROWS > period)


@triton.jit
def left_out(
    row_ids,
    column_ids,
    rows,
    columns,
    num_rows,
    num_columns,
    offset,
    period,
    NUM_IDS: tl.constexpr,
    HAS_ONLY: tl.constexpr,
    HAS_PERIOD: tl.constexpr,
):
    """Return where pairs do not count: there is no such column, their ids are the same, or, of `only`, are not.

    The ids of `only` come last.
    """
    result = (columns >= num_columns)[None, :] & (rows >= 0)[:, None]
    if HAS_PERIOD:
        result = result | ((offset + rows[:, None] - columns[None, :]) % period == 0)
    for index in tl.static_range(NUM_IDS):  # pyright: ignore[reportGeneralTypeIssues]  # Iterable to the compiler.
        ids = tl.load(row_ids + index * num_rows + rows, mask=rows < num_rows, other=0)
        others = tl.load(column_ids + index * num_columns + columns, mask=columns < num_columns, other=0)
        if HAS_ONLY and index == NUM_IDS - 1:
            result = result | (ids[:, None] != others[None, :])
        else:
            result = result | (ids[:, None] == others[None, :])
    return result


@triton.jit
def number_of(parameter, anchors, num_anchors, STRIDE: tl.constexpr):
    """Return a parameter of some anchors: a number (stride -1), one in memory for all (0), or one for each (1)."""
    if STRIDE < 0:
        result = tl.zeros([anchors.shape[0]], dtype=tl.float32) + parameter
    elif STRIDE == 0:
        result = tl.zeros([anchors.shape[0]], dtype=tl.float32) + tl.load(parameter)
    else:
        result = tl.load(parameter + anchors, mask=anchors < num_anchors, other=0.0)
    return result


@triton.jit
def logits(scores, slope, power, endpoint, HAS_POWER: tl.constexpr, IS_COARSE: tl.constexpr):
    """Return the logits of base 2, for a slope times log2(e); no number for scores of minus infinity."""
    result = slope * scores
    if HAS_POWER:
        result -= power * log2_shortfalls(scores, endpoint, IS_COARSE)
    return result


@triton.jit
def log2_shortfalls(scores, endpoint, IS_COARSE: tl.constexpr):
    """Return logarithms of base 2 of shortfalls, which the floor bounds.

    Coarse scores take the processor's own logarithm, off by 2 ** -22 at most: one instruction, where the exact one has
    twenty.
    """
    shortfalls = tl.maximum(endpoint - scores, FLOOR)
    if IS_COARSE and not _INTERPRETED:
        return tl.inline_asm_elementwise(
            "lg2.approx.ftz.f32 $0, $1;", "=f,f", [shortfalls], dtype=tl.float32, is_pure=True, pack=1
        )
    else:  # The compiler reads on after a return.
        return tl.log2(shortfalls)


@triton.jit
def inverse_shortfalls(scores, endpoint, IS_COARSE: tl.constexpr):
    """Return the slopes of minus the logarithm of shortfalls: none where the floor acts."""
    shortfalls = endpoint - scores
    if IS_COARSE and not _INTERPRETED:
        inverse = tl.inline_asm_elementwise(
            "rcp.approx.ftz.f32 $0, $1;", "=f,f", [shortfalls], dtype=tl.float32, is_pure=True, pack=1
        )
    else:
        inverse = 1.0 / shortfalls
    return tl.where(shortfalls < FLOOR, 0.0, inverse)


@triton.jit
def largest_of_rows(scores, COLUMNS: tl.constexpr):
    """Return the largest score of every row as bits that rise with it, and its column.

    The column takes the last bits of the score's, so that one maximum brings both: scores are told apart to 2e-5, which
    is less than a rounded product is off by.
    """
    bits = (scores + 2.0).to(tl.int32, bitcast=True)  # Of positive numbers bits rise with the number.
    columns = tl.arange(0, COLUMNS)[None, :]
    best = tl.max((bits & -COLUMNS) | columns, axis=1)
    return best & -COLUMNS, best & (COLUMNS - 1)  # pyright: ignore[reportOperatorIssue]


@triton.jit
def no_bits(SIZE: tl.constexpr):
    """Return the bits of scores of minus infinity."""
    return tl.full([SIZE], _MINUS_INFINITY_BITS, dtype=tl.int32)


@triton.jit
def score_of_bits(bits):
    """Return the scores that `largest_of_rows` made bits of."""
    return bits.to(tl.float32, bitcast=True) - 2.0


@triton.jit
def scores_at(anchors, keys, rows, at, num_rows, WIDTH: tl.constexpr):
    """Return every anchor's score with one key of its own, from float32 rows; minus infinity where `at` is below 0."""
    found = (at >= 0) & (rows < num_rows)
    result = tl.zeros([rows.shape[0]], dtype=tl.float32)
    for start in range(0, WIDTH, 32):
        depth = start + tl.arange(0, 32)
        mask = found[:, None] & (depth < WIDTH)[None, :]
        anchor_part = tl.load(anchors + rows.to(tl.int64)[:, None] * WIDTH + depth[None, :], mask=mask, other=0.0)
        key_part = tl.load(keys + at.to(tl.int64)[:, None] * WIDTH + depth[None, :], mask=mask, other=0.0)
        result += tl.sum(anchor_part * key_part, axis=1)
    return tl.where(found, result, float("-inf"))
