"""Rows as tensor cores take them: in one part or two of half precision, padded to whole blocks."""

from dataclasses import dataclass

import torch
import triton
import triton.language as tl
from jaxtyping import Float
from torch import Tensor

from anchorwise.engine.triton.launching import launch

# r = rows, d = embedding width, n = padded rows, w = padded width, p = parts

ROW_MULTIPLE = 128  # Every block has a divisor of this many rows: none reads behind the last one.


@dataclass(frozen=True)
class Rows:
    """Rows of one side of a contrast.

    Attributes:
        exact: As they came, float32.
        parts: What they are the sum of: float16, or one part of bfloat16; zeros where they are padded. Entries of unit
            rows are at most 1, so two parts are off by 2 ** -25 at most: a score has float32's digits.
    """

    exact: Float[Tensor, "r d"]
    parts: Float[Tensor, "p n w"]

    @classmethod
    def of(cls, rows: Float[Tensor, "r d"], *, two_parts: bool) -> "Rows":
        """Split rows into parts."""
        exact = rows.detach().contiguous()
        num_rows, width = exact.shape
        shape = (1 + two_parts, triton.cdiv(num_rows, ROW_MULTIPLE) * ROW_MULTIPLE, padded_width(width))
        parts = exact.new_empty(shape, dtype=torch.float16 if two_parts else torch.bfloat16)
        if num_rows:
            depth = depth_of(shape[2], 512)
            size = max(1, 4096 // depth)
            launch(
                _parts_kernel,
                (triton.cdiv(shape[1], size), shape[2] // depth),
                *(exact, parts, num_rows, shape[1]),
                WIDTH=width,
                PADDED=shape[2],
                PARTS=shape[0],
                SIZE=size,
                DEPTH=depth,
            )
        return cls(exact, parts)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.exact)

    @property
    def width(self) -> int:
        """Columns of a row."""
        return self.exact.shape[1]

    @property
    def num_padded(self) -> int:
        """Rows with those that fill up the last block."""
        return self.parts.shape[1]


def padded_width(width: int) -> int:
    """Return the width of the parts: a power of 2, at least 16 for tensor cores; above 512 a multiple of 128."""
    return max(16, triton.next_power_of_2(width)) if width <= 512 else 128 * triton.cdiv(width, 128)


def depth_of(padded: int, most: int) -> int:
    """Return how many columns of so wide a part are taken at once: all, or else a power of 2 that divides them."""
    return padded if padded <= most else min(128, most)


@triton.jit(do_not_specialize=["num_rows"])
def _parts_kernel(
    rows,
    parts,
    num_rows,
    num_padded,
    WIDTH: tl.constexpr,
    PADDED: tl.constexpr,
    PARTS: tl.constexpr,
    SIZE: tl.constexpr,
    DEPTH: tl.constexpr,
):
    which = (tl.program_id(0) * SIZE + tl.arange(0, SIZE)).to(tl.int64)[:, None]
    depth = (tl.program_id(1) * DEPTH + tl.arange(0, DEPTH))[None, :]
    there = which < num_padded
    values = tl.load(rows + which * WIDTH + depth, mask=(which < num_rows) & (depth < WIDTH), other=0.0)
    high = values.to(parts.dtype.element_ty)
    tl.store(parts + which * PADDED + depth, high, mask=there)
    if PARTS == 2:
        low = (values - high.to(tl.float32)).to(parts.dtype.element_ty)
        tl.store(parts + (num_padded + which) * PADDED + depth, low, mask=there)
