"""The kernel of sums of terms: what a link says of every score, added up over a row."""

import triton
import triton.language as tl

from anchorwise.engine.triton import tile


@triton.jit(do_not_specialize=["num_anchors", "num_keys", "offset", "period"])  # One kernel serves all batch sizes.
def term_sums_kernel(
    anchors,
    keys,
    first_at,
    second_at,
    anchor_ids,
    key_ids,
    values,
    num_anchors,
    num_keys,
    padded_anchors,
    padded_keys,
    offset,
    period,
    endpoint,
    TERM: tl.constexpr,
    NUM_IDS: tl.constexpr,
    HAS_ONLY: tl.constexpr,
    HAS_PERIOD: tl.constexpr,
    FIRST_STRIDE: tl.constexpr,
    SECOND_STRIDE: tl.constexpr,
    PADDED: tl.constexpr,
    PARTS: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    DEPTH: tl.constexpr,
):
    """Add up a term over all keys of ROWS anchors."""
    # As in the kernel of logarithms of sums: a program has ROWS anchors, and all keys pass by in order.
    begin = tl.program_id(0) * ROWS
    rows = begin + tl.arange(0, ROWS)
    first = tile.number_of(first_at, rows, num_anchors, FIRST_STRIDE)
    second = tile.number_of(second_at, rows, num_anchors, SECOND_STRIDE)
    high, low = tile.load_parts(anchors, begin, 0, padded_anchors, ROWS, DEPTH, PADDED, PARTS)
    total = tl.zeros([ROWS], dtype=tl.float32)
    for start in range(0, num_keys, COLUMNS):
        scores = tile.scores_of(
            *(anchors, keys, high, low, begin, start, padded_anchors, padded_keys),
            *(ROWS, COLUMNS, DEPTH, PADDED, PARTS),
        )
        columns = start + tl.arange(0, COLUMNS)
        terms, _, _, _ = TERM(scores, first[:, None], second[:, None], endpoint)
        if tile.has_left_out(begin, start, num_keys, offset, period, NUM_IDS, HAS_PERIOD, ROWS, COLUMNS):
            gone = tile.left_out(
                *(anchor_ids, key_ids, rows, columns, num_anchors, num_keys, offset, period),
                *(NUM_IDS, HAS_ONLY, HAS_PERIOD),
            )
            terms = tl.where(gone, 0.0, terms)
        total += tl.sum(terms, axis=1)
    tl.store(values + rows, total, mask=rows < num_anchors)
