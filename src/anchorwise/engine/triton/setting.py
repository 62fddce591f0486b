"""What a launch needs beside its rows: precision, sizes of blocks and ids of excluded pairs."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
import triton
from jaxtyping import Float, Int
from torch import Tensor

from anchorwise.pairs import SameId

# a = anchors, k = keys, d = embedding width, e = exclusions


@dataclass(frozen=True)
class Blocks:
    """Sizes of what a program holds at once; powers of 2, at least 16 for tensor cores.

    Attributes:
        size: Rows, and keys, of a tile.
        depth: Columns of the embeddings that are multiplied at once.
        span: Columns of the gradient of a row that one program adds up; wider rows take further programs, each of which
            computes the scores again.
        num_warps: Warps of a program.
    """

    size: int
    depth: int
    span: int
    num_warps: int

    def of_width(self, width: int) -> dict[str, int]:
        """Return the arguments of a kernel for rows of this width."""
        padded = max(16, triton.next_power_of_2(width))
        return {"SIZE": self.size, "DEPTH": min(self.depth, padded), "num_warps": self.num_warps, "WIDTH": width}

    def span_of_width(self, width: int) -> int:
        """Return how many columns of the gradient a program adds up."""
        return min(self.span, max(16, triton.next_power_of_2(width)))


# The fastest of fifteen on an H100 (benchmarks/results/engine_h200_2026-11-27.md). With four warps, or blocks of 128
# rows, the gradient leaves the registers; what is in shared memory fits the 99 KiB of the smallest current card.
# A program's gradient has size x span float32: 64 x 128 are 32 KiB of registers over 256 threads, 32 a thread.
# bfloat16 factors take half the shared memory, so twice the depth and span fit.
BLOCKS = {"float32": Blocks(64, 32, 128, 8), "bfloat16": Blocks(64, 64, 256, 8)}


@dataclass(frozen=True)
class Setting:
    """One reduction's precision, blocks and excluded pairs.

    Attributes:
        dtype: Of the factors of products; sums are float32.
        blocks: Sizes of blocks.
        anchor_ids: One row for each exclusion.
        key_ids: One row for each exclusion.
        num_excluded: Exclusions; ids have one unused row where there is none.
        endpoint: Where scores end.
        has_power: Whether logits have a logarithm.
    """

    dtype: torch.dtype
    blocks: Blocks
    anchor_ids: Int[Tensor, "e a"]
    key_ids: Int[Tensor, "e k"]
    num_excluded: int
    endpoint: float
    has_power: bool = True

    @property
    def rescores(self) -> bool:
        """Whether products are so coarse that the hardest negatives are scored again."""
        return self.dtype != torch.float32

    def factors(self, anchors: Float[Tensor, "a d"], keys: Float[Tensor, "k d"]) -> tuple[Tensor, Tensor]:
        """Return anchors and keys as they are multiplied; the same tensor where they are the same rows."""
        factors = anchors.to(self.dtype).contiguous()
        return factors, factors if keys is anchors else keys.to(self.dtype).contiguous()

    def options(self, width: int) -> dict[str, Any]:
        """Return the arguments that all kernels have in common."""
        options = {"NUM_EXCLUDED": self.num_excluded, "RESCORES": self.rescores}
        return {**options, **self.blocks.of_width(width)}


def stacked_ids(exclude: Sequence[SameId], anchors: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
    """Return the ids of all exclusions, one exclusion a row; one unused row where there is none."""
    if not exclude:
        unused = torch.zeros(1, max(len(anchors), len(keys)), dtype=torch.int64, device=anchors.device)
        return unused[:, : len(anchors)], unused[:, : len(keys)]
    return torch.stack([same.anchor_ids for same in exclude]), torch.stack([same.key_ids for same in exclude])


def launch_over_keys(
    kernel: Any,
    setting: Setting,
    rows: tuple[Float[Tensor, "a d"], Float[Tensor, "k d"]],
    numbers: Float[Tensor, "2 a"],
    results: tuple[Tensor, ...],
    **options: Any,
) -> None:
    """Run a kernel whose programs have a block of anchors each, and pass over all keys.

    Args:
        kernel: Takes the rows as they are multiplied, the rows, and all that follows here.
        setting: Precision, blocks and excluded pairs.
        rows: Anchors and keys.
        numbers: What every anchor comes with.
        results: What the kernel writes.
        options: Arguments of this kernel only.
    """
    anchors, keys = rows
    if not len(anchors):
        return
    launch(
        kernel,
        (triton.cdiv(len(anchors), setting.blocks.size),),
        anchors.device,
        *(*setting.factors(anchors, keys), anchors.contiguous(), keys.contiguous()),
        *(numbers, setting.anchor_ids, setting.key_ids, *results),
        *(len(anchors), len(keys), setting.endpoint),
        **setting.options(anchors.shape[1]),
        **options,
    )


def launch(kernel: Any, grid: tuple[int, ...], device: torch.device, *arguments: Any, **options: Any) -> None:
    """Run a kernel on the device where its rows are."""
    context: AbstractContextManager[Any] = torch.cuda.device(device) if device.type == "cuda" else nullcontext()
    with context:
        # Multiply-adds are asked for, since what Triton does unasked differs between versions.
        kernel[grid](*arguments, enable_fp_fusion=True, **options)
