"""How large the blocks of a program are: by kernel, by the width of rows, and by what a multiprocessor holds."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

import torch

# Beside the rows: what is exchanged between the warps of a program.
_SCRATCH_BYTES = 18 * 1024
# On Blackwell weights go through shared memory on their way to the tensor cores, which take no registers.
_STAGED_BYTES = 58 * 1024
# A multiprocessor's of Hopper and Blackwell, which the interpreter is taken for.
_MOST_SHARED_BYTES = 227 * 1024
# Blocks of 128 rows leave multiprocessors idle below so many.
_MANY_ROWS = 16384


@dataclass(frozen=True)
class Blocks:
    """What a program of a kernel holds at once; powers of 2.

    Attributes:
        rows: Rows that it is responsible for.
        columns: Rows of the other side that pass by at a time.
        num_warps: Warps of a program.
        num_stages: Blocks of columns in shared memory, of which all but one are on their way.
        depth: Columns of the embeddings that are multiplied at once: all of them, and the rows are held, or a part.
        span: Columns of the gradient that a program adds up; others are another program's, which computes the scores
            again. 0 in kernels without gradient.
    """

    rows: int
    columns: int
    num_warps: int
    num_stages: int
    depth: int = 0
    span: int = 0

    @property
    def options(self) -> dict[str, int]:
        """The arguments of a kernel."""
        names = {"ROWS": self.rows, "COLUMNS": self.columns, "DEPTH": self.depth}
        names |= {"SPAN": self.span} if self.span else {}
        return {**names, "num_warps": self.num_warps, "num_stages": self.num_stages}

    def shared_bytes(self, padded: int, parts: int) -> int:
        """Return about how much shared memory a program takes with parts of this width."""
        held = self.rows * (1 if self.depth == padded else self.num_stages)
        products = (held + self.columns * self.num_stages) * self.depth
        gradients = self.columns * self.span * self.num_stages if self.span != self.depth else 0
        return 2 * parts * (products + gradients) + _SCRATCH_BYTES


# By whether a kernel adds up gradients, whether one exponential serves a pair, and by how wide rows are, all parts
# together. On an H100 the plain ones with 128 columns reach four fifths of a matrix product's rate; all are so large
# that no register is spilled.
_BLOCKS: dict[tuple[bool, bool], dict[int, Blocks]] = {
    (False, True): {128: Blocks(128, 64, 4, 3), 256: Blocks(128, 64, 4, 2), 512: Blocks(64, 64, 4, 2)},
    (False, False): {128: Blocks(64, 64, 4, 3), 256: Blocks(64, 64, 4, 2), 512: Blocks(64, 64, 4, 2)},
    (True, True): {128: Blocks(64, 128, 4, 2), 256: Blocks(64, 64, 4, 2), 512: Blocks(64, 64, 8, 2)},
    (True, False): {128: Blocks(64, 128, 8, 2), 256: Blocks(64, 64, 8, 2), 512: Blocks(64, 32, 8, 2)},
}
_WIDE = {False: Blocks(64, 64, 4, 3, depth=128), True: Blocks(64, 64, 8, 2, depth=128, span=256)}


@cache
def blocks_of(
    padded: int,
    parts: int,
    num_rows: int,
    shared_bytes: int,
    *,
    has_gradient: bool,
    is_plain: bool,
    is_crowded: bool,
    size: int | None,
) -> Blocks:
    """Return the blocks of a kernel.

    Args:
        padded: Width of a part.
        parts: Parts of a row.
        num_rows: Rows that programs are responsible for.
        shared_bytes: What a program may have.
        has_gradient: Whether gradients of rows are added up.
        is_plain: Whether one exponential serves a pair.
        is_crowded: Whether ids are read, or gradients of the link added up, which take registers too.
        size: Rows and columns, where they are not to be chosen.
    """
    width = padded * parts
    by_width = _BLOCKS[has_gradient, is_plain]
    span = padded if has_gradient else 0
    if width <= (max(by_width) if parts == 1 else 256):
        blocks = replace(by_width[min(each for each in by_width if each >= width)], depth=padded, span=span)
    else:
        blocks = _within(_WIDE[has_gradient], padded)
    if blocks.rows == 128 and num_rows < _MANY_ROWS:
        blocks = replace(blocks, rows=64, columns=128 if width <= 128 else 64)
    if is_crowded and has_gradient:
        blocks = replace(blocks, columns=max(32, blocks.columns // 2))
    if size is not None:
        blocks = replace(blocks, rows=size, columns=size)
    return next(fitting for fitting in _smaller(blocks, padded) if fitting.shared_bytes(padded, parts) <= shared_bytes)


def _within(blocks: Blocks, padded: int) -> Blocks:
    """Return the blocks with no more columns of the embeddings than there are."""
    return replace(blocks, depth=min(blocks.depth, padded), span=min(blocks.span, padded))


def _smaller(blocks: Blocks, padded: int) -> Iterator[Blocks]:
    """Yield the blocks, and then smaller and smaller ones."""
    narrow = [_within(replace(blocks, depth=depth, span=128 if blocks.span else 0), padded) for depth in (64, 32)]
    for each in (blocks, *narrow):
        for columns in (each.columns, each.columns // 2, each.columns // 4, each.columns // 8):
            for num_stages in range(each.num_stages, 1, -1):
                yield replace(each, columns=max(16, columns), num_stages=num_stages)


def shared_bytes_of(device: torch.device) -> int:
    """Return how much shared memory the blocks of a program may take on a device."""
    if device.type != "cuda":
        return _MOST_SHARED_BYTES
    properties = torch.cuda.get_device_properties(device)
    return usable_shared_bytes(properties.shared_memory_per_block_optin, properties.major)


def usable_shared_bytes(shared_bytes: int, major: int) -> int:
    """Return what blocks may take of a program's shared memory, by the first number of the compute capability."""
    return shared_bytes - (_STAGED_BYTES if major == 10 else 0)
