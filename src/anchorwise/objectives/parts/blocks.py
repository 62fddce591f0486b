"""What no link can say of a pair, computed for some anchors at a time, and again for the gradient.

The engine's reductions are sums over keys of a function of one score. The few objectives that need more about a pair
(a network's weight, a mixture of two keys) compute it here, so that memory holds one block's pairs and not all of them.
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.checkpoint import checkpoint

# a = anchors, c = columns of results

BLOCK_ENTRIES = 2**22  # Entries of the largest tensor of one block: 16 MiB in float32.


def by_blocks(
    compute: Callable[..., Float[Tensor, "_ c"]], per_anchor: Sequence[Tensor], *, entries_per_anchor: int
) -> Float[Tensor, "a c"]:
    """Return what `compute` gives for all anchors; if they are several blocks, each is computed again for its gradient.

    Args:
        compute: Takes some anchors' rows of every tensor of `per_anchor` and returns one row for each.
        per_anchor: Tensors with one row per anchor.
        entries_per_anchor: How large the largest tensor in `compute` is for one anchor; sets the size of a block.
    """
    size = max(1, BLOCK_ENTRIES // entries_per_anchor)
    blocks = [*zip(*(values.split(size) for values in per_anchor), strict=True)]
    if len(blocks) == 1:
        return compute(*blocks[0])
    return torch.cat([_recomputed(compute, block) for block in blocks])


def _recomputed(compute: Callable[..., Tensor], block: Sequence[Tensor]) -> Tensor:
    return checkpoint(compute, *block, use_reentrant=False)  # type: ignore[return-value]
