"""The kernel of logarithms of sums of exponentials: every row's keys in one pass."""

import math

import triton
import triton.language as tl

from anchorwise.engine.triton import tile

_LEADING_LOG_2 = tl.constexpr(355 / 512)  # Nine bits.
_REST_OF_LOG_2 = tl.constexpr(math.log(2.0) - 355 / 512)


@triton.jit(do_not_specialize=["num_anchors", "num_keys", "offset", "period"])  # One kernel serves all batch sizes.
def log_sums_kernel(
    anchors,
    keys,
    exact_anchors,
    exact_keys,
    slope_at,
    power_at,
    anchor_ids,
    key_ids,
    values,
    numbers,
    hardest_at,
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
    FIRST_STRIDE: tl.constexpr,
    SECOND_STRIDE: tl.constexpr,
    HAS_POWER: tl.constexpr,
    IS_PLAIN: tl.constexpr,
    RESCORES: tl.constexpr,
    WIDTH: tl.constexpr,
    PADDED: tl.constexpr,
    PARTS: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    DEPTH: tl.constexpr,
):
    """Add up the exponentials of all keys of ROWS anchors, and take the logarithms."""
    # A program has ROWS anchors and passes over all keys: a row's sum stays in its registers, and no two programs write
    # to the same row. Blocks of keys come in order: so does the summation, and the bits are the same every time.
    first = tl.program_id(0) * ROWS
    rows = first + tl.arange(0, ROWS)
    slope = tile.number_of(slope_at, rows, num_anchors, FIRST_STRIDE) * tile.LOG2_E
    power = tile.number_of(power_at, rows, num_anchors, SECOND_STRIDE)
    high, low = tile.load_parts(anchors, first, 0, padded_anchors, ROWS, DEPTH, PADDED, PARTS)
    highest = tl.abs(slope) if IS_PLAIN else tl.full([ROWS], float("-inf"), dtype=tl.float32)
    total = tl.zeros([ROWS], dtype=tl.float32)
    best = tile.no_bits(ROWS)
    best_at = tl.full([ROWS], -1, dtype=tl.int32)
    for start in range(0, num_keys, COLUMNS):
        scores = tile.scores_of(
            *(anchors, keys, high, low, first, start, padded_anchors, padded_keys),
            *(ROWS, COLUMNS, DEPTH, PADDED, PARTS),
        )
        columns = start + tl.arange(0, COLUMNS)
        masked = tile.has_left_out(first, start, num_keys, offset, period, NUM_IDS, HAS_PERIOD, ROWS, COLUMNS)
        pairs = (anchor_ids, key_ids, rows, columns, num_anchors, num_keys, offset, period)
        if RESCORES:
            if masked:
                scores = tl.where(tile.left_out(*pairs, NUM_IDS, HAS_ONLY, HAS_PERIOD), float("-inf"), scores)
            # The hardest negative waits outside of the sum until its score is computed again; the one that it replaces
            # goes in.
            bits, at = tile.largest_of_rows(scores, COLUMNS)
            put_back = tile.score_of_bits(tl.minimum(best, bits))
            best_at = tl.where(bits > best, start + at, best_at)
            best = tl.maximum(best, bits)
            highest, total = _with_one(highest, total, put_back, slope, power, endpoint, HAS_POWER)
            waits = (tl.arange(0, COLUMNS)[None, :] == at[:, None]) | (scores == float("-inf"))
            logits = tile.logits(scores, slope[:, None], power[:, None], endpoint, HAS_POWER, RESCORES)
            logits = tl.where(waits, float("-inf"), logits)
        else:
            logits = tile.logits(scores, slope[:, None], power[:, None], endpoint, HAS_POWER, RESCORES)
            if IS_PLAIN:
                logits -= highest[:, None]
            if masked:
                logits = tl.where(tile.left_out(*pairs, NUM_IDS, HAS_ONLY, HAS_PERIOD), float("-inf"), logits)
        if IS_PLAIN:
            total += tl.sum(tl.exp2(logits), axis=1)
        else:
            higher = tl.maximum(highest, tl.max(logits, axis=1))
            base = _finite(higher)
            # What was added so far is relative to the old maximum: scale it down to the new one.
            total = total * tl.exp2(highest - base) + tl.sum(tl.exp2(logits - base[:, None]), axis=1)
            highest = higher
    here = rows < num_anchors
    if RESCORES:
        exact = tile.scores_at(exact_anchors, exact_keys, rows, best_at, num_anchors, WIDTH)
        highest, total = _with_one(highest, total, exact, slope, power, endpoint, HAS_POWER)
        tl.store(hardest_at + rows, best_at, mask=here)
        tl.store(numbers + 2 * num_anchors + rows, exact, mask=here)
    base = _finite(highest)
    tl.store(values + rows, _logarithm(base, total), mask=here)
    tl.store(numbers + rows, base, mask=here)
    tl.store(numbers + num_anchors + rows, tl.where(total == 0.0, 0.0, 1.0 / total), mask=here)


@triton.jit
def _with_one(highest, total, scores, slope, power, endpoint, HAS_POWER: tl.constexpr):
    """Add one score to every row's sum."""
    logits = tile.logits(scores, slope, power, endpoint, HAS_POWER, tile.EXACT)
    logits = tl.where(scores == float("-inf"), float("-inf"), logits)
    higher = tl.maximum(highest, logits)
    base = _finite(higher)
    return higher, total * tl.exp2(highest - base) + tl.exp2(logits - base)


@triton.jit
def _finite(highest):
    """Return what logits are relative to: a row of nothing but minus infinity has no maximum."""
    return tl.where(highest == float("-inf"), 0.0, highest)


@triton.jit
def _logarithm(highest, total):
    """Return the natural logarithm of `total * 2 ** highest`; as `engine.log_sum`, rounded once."""
    whole = tl.floor(highest + 0.5)
    small = whole * _REST_OF_LOG_2 + ((highest - whole) * tile.LOG_2 + tl.log(total))
    return tl.where(total == 0.0, float("-inf"), whole * _LEADING_LOG_2 + small)
