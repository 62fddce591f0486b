"""How products of weights and rows are added up over tiles without losing digits."""

import triton
import triton.language as tl

from anchorwise.engine.triton import tile

# A row's largest weight so far, as float16: room above it for none, and 2 ** 38 below until nothing is left.
_TOP = tl.constexpr(16384.0)


@triton.jit
def add_weighted(weights, others, others_low, total, scale, PARTS: tl.constexpr):
    """Return `total` plus the products of a tile's weights and its columns' rows.

    Weights in two parts are relative to the largest of their row so far, since float16 has few exponents. Tensor cores
    cut off what they add up, so tiles are added up outside of them.
    """
    if PARTS == 1:
        total = tile.dot(weights.to(others.dtype), others, total)
    else:
        largest = tl.maximum(tl.maximum(scale, tl.max(tl.abs(weights), axis=1)), 1e-30)
        weights = weights * (1.0 / largest)[:, None] * _TOP
        high = weights.to(others.dtype)
        low = (weights - high.to(tl.float32)).to(others.dtype)
        product = tl.zeros(total.shape, dtype=tl.float32)
        product = tile.add_product(high, low, others, others_low, product, PARTS)
        total = total * (scale / largest)[:, None] + product
        scale = largest
    return total, scale


@triton.jit
def scaled_back(total, scale, PARTS: tl.constexpr):
    """Return the sum of products as it is, no longer relative to a row's largest weight."""
    if PARTS == 2:
        total = total * scale[:, None] * (1.0 / _TOP)
    return total
