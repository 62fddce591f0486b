"""The kernel of gradients of sums, and of their logarithms: scores are computed again."""

import triton
import triton.language as tl

from anchorwise.engine.triton import tile
from anchorwise.engine.triton.accumulation import add_weighted, scaled_back


@triton.jit(
    do_not_specialize=["num_rows", "num_others", "upstream_stride", "offset", "period"]
)  # One kernel serves all batch sizes.
def gradients_kernel(
    rows_at,
    others_at,
    first_at,
    second_at,
    anchor_ids,
    key_ids,
    upstream,
    numbers,
    hardest_at,
    by_rows,
    by_numbers,
    num_rows,
    num_others,
    padded_rows,
    padded_others,
    upstream_stride,
    offset,
    period,
    endpoint,
    TERM: tl.constexpr,
    IS_EXPONENTIAL: tl.constexpr,
    NUM_IDS: tl.constexpr,
    HAS_ONLY: tl.constexpr,
    HAS_PERIOD: tl.constexpr,
    FIRST_STRIDE: tl.constexpr,
    SECOND_STRIDE: tl.constexpr,
    HAS_POWER: tl.constexpr,
    IS_PLAIN: tl.constexpr,
    RESCORES: tl.constexpr,
    ARE_ANCHORS: tl.constexpr,
    ARE_KEYS: tl.constexpr,
    BY_ROWS: tl.constexpr,
    BY_FIRST: tl.constexpr,
    BY_SECOND: tl.constexpr,
    WIDTH: tl.constexpr,
    PADDED: tl.constexpr,
    PARTS: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    DEPTH: tl.constexpr,
    SPAN: tl.constexpr,
):
    """Add up the gradient of ROWS rows over all others."""
    # A program has ROWS rows and a span of the columns of their gradient, which stays in registers while all other rows
    # pass by in order: no atomics, and the same bits every time. Every span of a row computes the row's scores again.
    # Where anchors are keys, a row is both: an anchor of all others, and a key of all others.
    begin = tl.program_id(0) * ROWS
    rows = begin + tl.arange(0, ROWS)
    span = tl.program_id(1) * SPAN
    of_anchors = (first_at, second_at, upstream, numbers, hardest_at, num_rows if ARE_ANCHORS else num_others)
    of_row = _numbers(*of_anchors, upstream_stride, rows, IS_EXPONENTIAL, FIRST_STRIDE, SECOND_STRIDE, RESCORES)
    first, second, shift, factor, best, best_at = of_row
    best_weight, by_best = factor, factor
    if RESCORES:
        best_weight, by_best = _hardest(best, first, second, shift, factor, endpoint, HAS_POWER)
    high, low = tile.load_parts(rows_at, begin, 0, padded_rows, ROWS, DEPTH, PADDED, PARTS)
    gradient = tl.zeros([ROWS, SPAN], dtype=tl.float32)
    scale = tl.zeros([ROWS], dtype=tl.float32)
    by_first = tl.zeros([ROWS], dtype=tl.float32)
    by_second = tl.zeros([ROWS], dtype=tl.float32)
    for start in range(0, num_others, COLUMNS):
        scores = tl.zeros([ROWS, COLUMNS], dtype=tl.float32)
        if DEPTH == PADDED:
            others, others_low = tile.load_parts(others_at, start, 0, padded_others, COLUMNS, DEPTH, PADDED, PARTS)
            scores = tile.add_product(high, low, tl.trans(others), tl.trans(others_low), scores, PARTS)
        else:
            scores = tile.add_scores(
                *(rows_at, others_at, begin, start, padded_rows, padded_others, scores),
                *(ROWS, COLUMNS, DEPTH, PADDED, PARTS),
            )
        columns = start + tl.arange(0, COLUMNS)
        by_scores = tl.zeros([ROWS, COLUMNS], dtype=tl.float32)
        # What the slopes by the numbers are, and what they count.
        of_first, of_second, weights = scores, scores, by_scores
        logs, inverses = scores, scores
        if HAS_POWER:
            logs = tile.log2_shortfalls(scores, endpoint, RESCORES)
            inverses = tile.inverse_shortfalls(scores, endpoint, RESCORES)
            of_second = logs * -tile.LOG_2
        if ARE_ANCHORS:
            if IS_PLAIN:
                by_scores += factor[:, None]
                weights = by_scores
            elif IS_EXPONENTIAL:
                weights, by_scores = _of_logits(
                    *(scores, logs, inverses, first[:, None], second[:, None], shift[:, None], factor[:, None]),
                    HAS_POWER,
                )
                if RESCORES:
                    # The sums have the hardest negative's exact score, so its weight must be that score's: weights add
                    # up to 1.
                    hardest = columns[None, :] == best_at[:, None]
                    by_scores = tl.where(hardest, by_best[:, None], by_scores)
                    weights = tl.where(hardest, 0.0, weights)
            else:
                weights += factor[:, None]
                _, slopes, of_first, of_second = TERM(scores, first[:, None], second[:, None], endpoint)
                by_scores = weights * slopes
        if ARE_KEYS:
            of_column = _numbers(
                *of_anchors, upstream_stride, columns, IS_EXPONENTIAL, FIRST_STRIDE, SECOND_STRIDE, RESCORES
            )
            first_j, second_j, shift_j, factor_j, best_j, best_at_j = of_column
            if IS_PLAIN:
                by_scores += factor_j[None, :]
            elif IS_EXPONENTIAL:
                _, as_keys = _of_logits(
                    *(scores, logs, inverses, first_j[None, :], second_j[None, :], shift_j[None, :], factor_j[None, :]),
                    HAS_POWER,
                )
                if RESCORES:
                    _, by_best_j = _hardest(best_j, first_j, second_j, shift_j, factor_j, endpoint, HAS_POWER)
                    as_keys = tl.where(rows[:, None] == best_at_j[None, :], by_best_j[None, :], as_keys)
                by_scores += as_keys
            else:
                _, slopes, _, _ = TERM(scores, first_j[None, :], second_j[None, :], endpoint)
                by_scores += factor_j[None, :] * slopes
        if IS_PLAIN:
            # The same numbers for all: a pair's exponential, or its slope, is the same from both sides.
            if IS_EXPONENTIAL:
                of_score = (first * tile.LOG2_E)[:, None]
                by_scores = by_scores * tl.exp2(of_score * scores - tl.abs(of_score))
            else:
                _, slopes, of_first, of_second = TERM(scores, first[:, None], second[:, None], endpoint)
                by_scores = by_scores * slopes
        if tile.has_left_out(begin, start, num_others, offset, period, NUM_IDS, HAS_PERIOD, ROWS, COLUMNS):
            gone = tile.left_out(
                *(anchor_ids, key_ids, rows, columns, num_rows, num_others, offset, period),
                *(NUM_IDS, HAS_ONLY, HAS_PERIOD),
            )
            by_scores = tl.where(gone, 0.0, by_scores)
            if BY_FIRST or BY_SECOND:
                weights = tl.where(gone, 0.0, weights)
        if BY_FIRST:
            by_first += tl.sum(weights * of_first, axis=1)
        if BY_SECOND:
            by_second += tl.sum(weights * of_second, axis=1)
        if BY_ROWS:
            if SPAN != PADDED or DEPTH != PADDED:
                others, others_low = tile.load_parts(
                    *(others_at, start, span, padded_others, COLUMNS, SPAN, PADDED, PARTS)
                )
            added = (by_scores, others, others_low)  # pyright: ignore[reportPossiblyUnboundVariable]
            gradient, scale = add_weighted(*added, gradient, scale, PARTS)
    here = rows < num_rows
    if BY_ROWS:
        gradient = scaled_back(gradient, scale, PARTS)
        if IS_PLAIN and IS_EXPONENTIAL:
            gradient *= first[:, None]
        depth = (span + tl.arange(0, SPAN))[None, :]
        places = by_rows + rows.to(tl.int64)[:, None] * WIDTH + depth
        tl.store(places, gradient, mask=here[:, None] & (depth < WIDTH))
    if span == 0:  # Every span of columns has the same ones.
        if RESCORES:
            there = best_weight != 0.0
            by_first += tl.where(there, best_weight * best, 0.0)
            by_second -= tl.where(
                there, best_weight * tile.log2_shortfalls(best, endpoint, tile.EXACT) * tile.LOG_2, 0.0
            )
        if BY_FIRST:
            tl.store(by_numbers + rows, by_first, mask=here)
        if BY_SECOND:
            tl.store(by_numbers + num_rows + rows, by_second, mask=here)


@triton.jit
def _numbers(
    first_at,
    second_at,
    upstream,
    numbers,
    hardest_at,
    num_anchors,
    upstream_stride,
    anchors,
    IS_EXPONENTIAL: tl.constexpr,
    FIRST_STRIDE: tl.constexpr,
    SECOND_STRIDE: tl.constexpr,
    RESCORES: tl.constexpr,
):
    """Return of some anchors: the link's numbers, shift of logits, upstream gradient, hardest score and its key.

    The upstream gradient of a logarithm is over the sum.
    """
    here = anchors < num_anchors
    first = tile.number_of(first_at, anchors, num_anchors, FIRST_STRIDE)
    second = tile.number_of(second_at, anchors, num_anchors, SECOND_STRIDE)
    factor = tl.load(upstream + anchors * upstream_stride, mask=here, other=0.0)
    shift, best, best_at = factor, factor, anchors
    if IS_EXPONENTIAL:
        shift = tl.load(numbers + anchors, mask=here, other=0.0)
        factor *= tl.load(numbers + num_anchors + anchors, mask=here, other=0.0)
    if RESCORES:
        best = tl.load(numbers + 2 * num_anchors + anchors, mask=here, other=float("-inf"))
        best_at = tl.load(hardest_at + anchors, mask=here, other=-1)
    return first, second, shift, factor, best, best_at


@triton.jit
def _of_logits(scores, logs, inverses, slope, power, shift, factor, HAS_POWER: tl.constexpr):
    """Return softmax weights times upstream gradients, and these times the slopes of the logits."""
    logits, slopes = slope * tile.LOG2_E * scores, slope
    if HAS_POWER:
        logits -= power * logs
        slopes += power * inverses
    weights = factor * tl.exp2(logits - shift)
    return weights, weights * slopes


@triton.jit
def _hardest(best, slope, power, shift, factor, endpoint, HAS_POWER: tl.constexpr):
    """Return the same of the hardest scores; 0 where there is none."""
    logs, inverses = best, best
    if HAS_POWER:
        logs = tile.log2_shortfalls(best, endpoint, tile.EXACT)
        inverses = tile.inverse_shortfalls(best, endpoint, tile.EXACT)
    weight, gradient = _of_logits(best, logs, inverses, slope, power, shift, factor, HAS_POWER)
    return tl.where(best == float("-inf"), 0.0, weight), tl.where(best == float("-inf"), 0.0, gradient)
