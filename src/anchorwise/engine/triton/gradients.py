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
class RowNumbers:
    """What turns a score into its softmax weight times the upstream gradient of its anchor.

    Attributes:
        numbers: Slope times log2(e), power, and the shift and factor of a `SoftmaxGradient`.
        hardest: Score of the hardest negative from float32 rows; where products are float32, unused.
        hardest_at: Its key.
    """

    numbers: Float[Tensor, "4 a"]
    hardest: Float[Tensor, " a"]
    hardest_at: Int[Tensor, " a"]


@dataclass(frozen=True)
class NeedsGradient:
    """Which gradients are due."""

    anchors: bool
    keys: bool
    slope: bool
    power: bool


def gradients_of(
    setting: Setting,
    anchors: Float[Tensor, "a d"],
    keys: Float[Tensor, "k d"],
    of_rows: RowNumbers,
    wanted: NeedsGradient,
) -> tuple[Float[Tensor, "a d"], Float[Tensor, "k d"], Float[Tensor, "2 a"]]:
    """Return the gradients by anchors, by keys, and by every anchor's slope and power; those not due are arbitrary.

    Where the anchors are the keys, those by anchors have both parts, `(G + G') X` for the gradient G by the scores, and
    those by keys are the same tensor.
    """
    symmetric = keys is anchors
    by_anchors, by_numbers = anchors.new_empty(anchors.shape), torch.zeros_like(of_rows.numbers[:2])
    by_keys = by_anchors if symmetric else keys.new_empty(keys.shape)
    factors, others = setting.factors(anchors, keys)
    if wanted.anchors or wanted.slope or wanted.power:
        _launch(setting, (factors, others), of_rows, (by_anchors, by_numbers), wanted, (True, symmetric))
    if wanted.keys and not symmetric:
        # The kernel once more with the roles exchanged: each program has the keys as its rows and passes over the
        # anchors, so the gradient of a key is added up in registers, without atomics, whose order would vary.
        of_keys = NeedsGradient(anchors=True, keys=False, slope=False, power=False)
        _launch(setting, (others, factors), of_rows, (by_keys, by_numbers), of_keys, (False, True))
    return by_anchors, by_keys, by_numbers


def _launch(
    setting: Setting,
    factors: tuple[Tensor, Tensor],
    of_rows: RowNumbers,
    results: tuple[Tensor, Tensor],
    wanted: NeedsGradient,
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
        *(rows, others, of_rows.numbers, of_rows.hardest, of_rows.hardest_at, setting.anchor_ids, setting.key_ids),
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
    # A program has SIZE rows and a span of the columns of their gradient, which stays in registers while all other rows
    # pass by in order: no atomics, and the same bits every time. Every span of a row computes the row's scores again.
    rows = tl.program_id(0) * SIZE + tl.arange(0, SIZE)
    span = tl.program_id(1) * SPAN + tl.arange(0, SPAN)
    gradient = tl.zeros([SIZE, SPAN], dtype=tl.float32)
    by_slope = tl.zeros([SIZE], dtype=tl.float32)
    by_power = tl.zeros([SIZE], dtype=tl.float32)
    for start in range(0, num_others, SIZE):
        columns = start + tl.arange(0, SIZE)
        products = tile.products(rows_at, others_at, rows, columns, num_rows, num_others, WIDTH, DEPTH)
        by_scores = tl.zeros([SIZE, SIZE], dtype=tl.float32)
        if ARE_ANCHORS:
            gone = tile.left_out(anchor_ids, key_ids, rows, columns, num_rows, num_others, NUM_EXCLUDED)
            scores, weights, parts = _score_gradients(
                *(products, gone, rows, columns, numbers, hardest, hardest_at, num_rows, endpoint),
                *(tl.constexpr(1), RESCORES, HAS_POWER),
            )
            by_scores += parts
            if BY_SLOPE:
                by_slope += tl.sum(tl.where(gone, 0.0, weights * scores), axis=1)
            if BY_POWER:
                by_power -= tl.sum(tl.where(gone, 0.0, weights * tile.log_shortfalls(scores, endpoint)), axis=1)
        if ARE_KEYS:
            # The rows as keys, the columns as anchors. A pair is left out if anchor_ids[anchor] == key_ids[key], and
            # here the key is the row: its ids come first. For the same reason the anchors' numbers lie along axis 0.
            gone = tile.left_out(key_ids, anchor_ids, rows, columns, num_rows, num_others, NUM_EXCLUDED)
            _, _, parts = _score_gradients(
                *(products, gone, columns, rows, numbers, hardest, hardest_at, num_others, endpoint),
                *(tl.constexpr(0), RESCORES, HAS_POWER),
            )
            by_scores += parts
        if BY_ROWS:
            others = tl.load(
                others_at + columns.to(tl.int64)[:, None] * WIDTH + span[None, :],
                mask=(columns < num_others)[:, None] & (span < WIDTH)[None, :],
                other=0.0,
            )
            gradient = tile.add_product(by_scores.to(others.dtype), others, gradient)
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
def _score_gradients(
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
    """Return scores, softmax weights times upstream gradients, and the gradient by the scores.

    The keys of an anchor lie along AXIS: 1 where the tile's rows are the anchors, 0 where its columns are.
    """
    here = anchors < num_anchors
    scores = tl.where(gone, float("-inf"), products)
    if RESCORES:
        # The sums have the hardest negative's exact score, so its weight must be that score's: weights add up to 1.
        at = tl.expand_dims(tl.load(hardest_at + anchors, mask=here, other=-1), AXIS)
        best = tl.expand_dims(tl.load(hardest + anchors, mask=here, other=0.0), AXIS)
        scores = tl.where(tl.expand_dims(keys, 1 - AXIS) == at, best, scores)
    slope = tl.expand_dims(tl.load(numbers + anchors, mask=here, other=0.0), AXIS)
    power = tl.expand_dims(tl.load(numbers + num_anchors + anchors, mask=here, other=0.0), AXIS)
    shift = tl.expand_dims(tl.load(numbers + 2 * num_anchors + anchors, mask=here, other=0.0), AXIS)
    factor = tl.expand_dims(tl.load(numbers + 3 * num_anchors + anchors, mask=here, other=0.0), AXIS)
    weights = factor * tl.exp2(tile.logits(scores, slope, power, endpoint, HAS_POWER) - shift)
    return scores, weights, weights * tile.slopes_of_logits(scores, slope, power, endpoint, HAS_POWER)
