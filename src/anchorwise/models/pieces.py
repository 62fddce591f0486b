"""A batch larger than memory: encoded in pieces, with the gradient of the whole.

Every piece is encoded without keeping what the backward pass needs; the loss of all rows and its gradient for each row
are computed once; then each piece is encoded again, with a graph, and takes the gradient of its rows. Random numbers of
the second pass are those of the first.

Source: Gao et al. 2021, "Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup", section 3.2,
https://arxiv.org/abs/2101.06983 (GradCache). Its passes are those of recomputed activations (Chen et al. 2016,
https://arxiv.org/abs/1604.06174) with a piece of the batch in the place of a part of the network, so torch's carry them
out, and whatever calls the encoder needs to know nothing of it.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


def encoded_in_pieces(
    network: nn.Module, encode: Callable[[Any], Tensor], view: Tensor | Mapping[str, Tensor], *, max_rows: int
) -> Tensor:
    """Return what `encode` makes of a view, piece by piece; equal to the whole where rows do not look at each other.

    Batch normalisation takes the statistics of each piece, in both passes, and counts a piece once.

    Args:
        network: Whose buffers the first pass moves and the second leaves alone.
        encode: Maps a view to rows; a part of `network`.
        view: A tensor, or a table of tensors, whose first axis is the samples.
        max_rows: Samples of a piece, at least 1. Pieces differ by one sample at most, so that none is tiny.
    """
    num_rows = len(view if isinstance(view, Tensor) else next(iter(view.values())))
    pieces = _pieces(view, -(-num_rows // max_rows))
    if len(pieces) == 1 or not torch.is_grad_enabled():
        return torch.cat([encode(piece) for piece in pieces])

    def contexts() -> tuple[Any, Any]:
        return nullcontext(), _buffers_left_alone(network)

    return torch.cat([checkpoint(encode, piece, use_reentrant=False, context_fn=contexts) for piece in pieces])


def _pieces(view: Any, num_pieces: int) -> list[Any]:
    if isinstance(view, Tensor):
        return list(view.tensor_split(num_pieces))
    parts = {name: tensor.tensor_split(num_pieces) for name, tensor in view.items()}
    return [{name: tensors[piece] for name, tensors in parts.items()} for piece in range(num_pieces)]


@contextmanager
def _buffers_left_alone(network: nn.Module) -> Iterator[None]:
    """Let a pass change copies: running statistics must not count a piece twice."""
    kept = [(part, name, buffer) for part in network.modules() for name, buffer in part.named_buffers(recurse=False)]
    for part, name, buffer in kept:
        setattr(part, name, buffer.clone())
    try:
        yield
    finally:
        for part, name, buffer in kept:
            setattr(part, name, buffer)
