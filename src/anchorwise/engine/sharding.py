"""How ranks share a reduction: each has anchors of its own, against all keys.

Every rank holds all rows. Its anchors are a part of them in order, so no rank has more than one anchor less than
another, whatever the tiles of a backend, and every backend, kernels too, can serve a rank as it is. The price is that a
score and its mirror image are computed on two ranks where one process computes them once.
"""

from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Shaped
from torch import Tensor

from anchorwise._ranks import Ranks
from anchorwise.links import Link
from anchorwise.pairs import Contrast

# a = anchors of all ranks, o = anchors of this rank


def own_rows(contrast: Contrast, ranks: Ranks) -> slice:
    """Return which anchors are this rank's."""
    return ranks.shards(len(contrast.anchors))[ranks.rank]


def own_contrast(contrast: Contrast, link: Link, ranks: Ranks) -> tuple[Contrast, Link]:
    """Return this rank's anchors against all keys, with the link of these anchors.

    An anchor, a key or a number of the link has a gradient on every rank; what comes back is their sum.
    """
    tensors = {id(tensor): tensor for tensor in (contrast.anchors, contrast.keys, *link.parameters)}
    learnt = {key: tensor for key, tensor in tensors.items() if tensor.requires_grad}
    if learnt:
        tensors |= zip(learnt, _SumGradients.apply(ranks, *learnt.values()), strict=True)
    rows = own_rows(contrast, ranks)
    whole = replace(contrast, anchors=tensors[id(contrast.anchors)], keys=tensors[id(contrast.keys)], ranks=None)
    return whole.of_anchors(rows), link.with_parameters(lambda tensor: tensors[id(tensor)]).of_anchors(rows)


def gathered_rows(own: Shaped[Tensor, " o *rest"], num_rows: int, ranks: Ranks) -> Shaped[Tensor, " a *rest"]:
    """Return the rows of all anchors, of which every rank brings its own.

    Every rank goes on with all of them to the same loss, so the gradient of its own rows is complete there.
    """
    return _GatherRows.apply(own, num_rows, ranks)


class _SumGradients(torch.autograd.Function):
    """The tensors as they are; backward, their gradients added up over the ranks."""

    @staticmethod
    def forward(ctx: Any, ranks: Ranks, *tensors: Tensor) -> tuple[Tensor, ...]:
        ctx.ranks = ranks
        return tuple(tensor.view_as(tensor) for tensor in tensors)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        gradients = [gradient.clone(memory_format=torch.contiguous_format) for gradient in grad_outputs]
        ctx.ranks.add_up(*(gradient.detach() for gradient in gradients))
        return None, *gradients


class _GatherRows(torch.autograd.Function):
    """The rows of all ranks; backward, the gradient of this rank's own."""

    @staticmethod
    def forward(ctx: Any, own: Tensor, num_rows: int, ranks: Ranks) -> Tensor:
        ctx.rows = ranks.shards(num_rows)[ranks.rank]
        return ranks.all_shards(own, num_rows)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None, None]:
        return grad_outputs[0][ctx.rows], None, None
