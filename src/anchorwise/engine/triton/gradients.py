"""The kernel of gradients: scores are computed again, and every program adds up the gradient of its own rows."""

from dataclasses import dataclass

import torch
import triton
import triton.language as tl
from jaxtyping import Float, Int
from torch import Tensor

from anchorwise.engine.triton import tile
from anchorwise.engine.triton.setting import Setting, launch

# a = anchors, k = keys, d = embedding width, r = rows, e = exclusions


@dataclass(frozen=True)
class Shares:
    """What turns a score into the share of its anchor's sum, times the gradient of the anchor.

    Attributes:
        numbers: Slope times log2(e), power, peak (0 in rows without keys), and what powers of 2 relative to the peak
            are multiplied by (0 in rows without keys).
        hardest: Score of the hardest negative from float32 rows; where products are float32, unused.
        hardest_at: Its key.
    """

    numbers: Float[Tensor, "4 a"]
    hardest: Float[Tensor, " a"]
    hardest_at: Int[Tensor, " a"]


@dataclass(frozen=True)
class Wanted:
    """Which gradients are due."""

    anchors: bool
    keys: bool
    slope: bool
    power: bool


def gradients_of(
    setting: Setting,
    anchors: Float[Tensor, "a d"],
    keys: Float[Tensor, "k d"],
    shares: Shares,
    wanted: Wanted,
) -> tuple[Float[Tensor, "a d"], Float[Tensor, "k d"], Float[Tensor, "2 a"]]:
    """Return the gradients by anchors, by keys, and by every anchor's slope and power; those not due are arbitrary.

    Where the anchors are the keys, those by anchors have both parts, `(G + G') X` for the slopes G of the scores, and
    those by keys are the same tensor.
    """
    symmetric = keys is anchors
    by_anchors, by_numbers = anchors.new_empty(anchors.shape), torch.zeros_like(shares.numbers[:2])
    by_keys = by_anchors if symmetric else keys.new_empty(keys.shape)
    factors, others = setting.factors(anchors, keys)
    if wanted.anchors or wanted.slope or wanted.power:
        _launch(setting, (factors, others), shares, (by_anchors, by_numbers), wanted, (True, symmetric))
    if wanted.keys and not symmetric:
        of_keys = Wanted(anchors=True, keys=False, slope=False, power=False)
        _launch(setting, (others, factors), shares, (by_keys, by_numbers), of_keys, (False, True))
    return by_anchors, by_keys, by_numbers


def _launch(
    setting: Setting,
    factors: tuple[Tensor, Tensor],
    shares: Shares,
    results: tuple[Tensor, Tensor],
    wanted: Wanted,
    roles: tuple[bool, bool],
) -> None:
    """Compute the gradient by the first factors, in their roles as anchors and as keys of the others."""
    rows, others = factors
    if not len(rows):
        return
    width, blocks = rows.shape[1], setting.blocks
    span = blocks.span_of_width(width)
    num_spans = triton.cdiv(width, span) if wanted.anchors else 1
    launch(
        _gradient_kernel,
        (triton.cdiv(len(rows), blocks.size), num_spans),
        rows.device,
        *(rows, others, shares.numbers, shares.hardest, shares.hardest_at, setting.anchor_ids, setting.key_ids),
        *(*results, len(rows), len(others), setting.endpoint),
        **setting.options(width),
        HAS_POWER=setting.has_power,
        ARE_ANCHORS=roles[0],
        ARE_KEYS=roles[1],
        BY_ROWS=wanted.anchors,
        BY_SLOPE=wanted.slope,
        BY_POWER=wanted.power,
        SPAN=span,
    )


@triton.jit
def _gradient_kernel(
    rows_at,
    others_at,
    numbers,
    hardest,
    hardest_at,
    anchor_ids,
    key_ids,
    by_rows,
    by_numbers,
    num_rows,
    num_others,
    endpoint,
    NUM_EXCLUDED: tl.constexpr,
    RESCORES: tl.constexpr,
    HAS_POWER: tl.constexpr,
    ARE_ANCHORS: tl.constexpr,
    ARE_KEYS: tl.constexpr,
    BY_ROWS: tl.constexpr,
    BY_SLOPE: tl.constexpr,
    BY_POWER: tl.constexpr,
    SIZE: tl.constexpr,
    DEPTH: tl.constexpr,
    SPAN: tl.constexpr,
    WIDTH: tl.constexpr,
):
    rows = tl.program_id(0) * SIZE + tl.arange(0, SIZE)
    span = tl.program_id(1) * SPAN + tl.arange(0, SPAN)
    gradient = tl.zeros([SIZE, SPAN], dtype=tl.float32)
    by_slope = tl.zeros([SIZE], dtype=tl.float32)
    by_power = tl.zeros([SIZE], dtype=tl.float32)
    for start in range(0, num_others, SIZE):
        columns = start + tl.arange(0, SIZE)
        products = tile.products(rows_at, others_at, rows, columns, num_rows, num_others, WIDTH, DEPTH)
        slopes = tl.zeros([SIZE, SIZE], dtype=tl.float32)
        if ARE_ANCHORS:
            gone = tile.left_out(anchor_ids, key_ids, rows, columns, num_rows, num_others, NUM_EXCLUDED)
            scores, shares, parts = _shares(
                *(products, gone, rows, columns, numbers, hardest, hardest_at, num_rows, endpoint),
                *(tl.constexpr(1), RESCORES, HAS_POWER),
            )
            slopes += parts
            if BY_SLOPE:
                by_slope += tl.sum(tl.where(gone, 0.0, shares * scores), axis=1)
            if BY_POWER:
                by_power -= tl.sum(tl.where(gone, 0.0, shares * tile.log_shortfalls(scores, endpoint)), axis=1)
        if ARE_KEYS:
            gone = tile.left_out(key_ids, anchor_ids, rows, columns, num_rows, num_others, NUM_EXCLUDED)
            _, _, parts = _shares(
                *(products, gone, columns, rows, numbers, hardest, hardest_at, num_others, endpoint),
                *(tl.constexpr(0), RESCORES, HAS_POWER),
            )
            slopes += parts
        if BY_ROWS:
            others = tl.load(
                others_at + columns.to(tl.int64)[:, None] * WIDTH + span[None, :],
                mask=(columns < num_others)[:, None] & (span < WIDTH)[None, :],
                other=0.0,
            )
            gradient = tile.add_product(slopes.to(others.dtype), others, gradient)
    here = rows < num_rows
    if BY_ROWS:
        tl.store(
            by_rows + rows.to(tl.int64)[:, None] * WIDTH + span[None, :],
            gradient,
            mask=here[:, None] & (span < WIDTH)[None, :],
        )
    if tl.program_id(1) == 0:  # Every span of columns has the same ones.
        if BY_SLOPE:
            tl.store(by_numbers + rows, by_slope, mask=here)
        if BY_POWER:
            tl.store(by_numbers + num_rows + rows, by_power, mask=here)


@triton.jit
def _shares(
    products,
    gone,
    anchors,
    keys,
    numbers,
    hardest,
    hardest_at,
    num_anchors,
    endpoint,
    AXIS: tl.constexpr,
    RESCORES: tl.constexpr,
    HAS_POWER: tl.constexpr,
):
    """Return scores, their shares and their slopes, for anchors whose keys lie along AXIS."""
    here = anchors < num_anchors
    scores = tl.where(gone, float("-inf"), products)
    if RESCORES:
        at = tl.expand_dims(tl.load(hardest_at + anchors, mask=here, other=-1), AXIS)
        best = tl.expand_dims(tl.load(hardest + anchors, mask=here, other=0.0), AXIS)
        scores = tl.where(tl.expand_dims(keys, 1 - AXIS) == at, best, scores)
    slope = tl.expand_dims(tl.load(numbers + anchors, mask=here, other=0.0), AXIS)
    power = tl.expand_dims(tl.load(numbers + num_anchors + anchors, mask=here, other=0.0), AXIS)
    peak = tl.expand_dims(tl.load(numbers + 2 * num_anchors + anchors, mask=here, other=0.0), AXIS)
    factor = tl.expand_dims(tl.load(numbers + 3 * num_anchors + anchors, mask=here, other=0.0), AXIS)
    shares = factor * tl.exp2(tile.logits(scores, slope, power, endpoint, HAS_POWER) - peak)
    return scores, shares, shares * tile.slopes_of_logits(scores, slope, power, endpoint, HAS_POWER)
