"""What a network makes of all samples of a training, for methods and orders that look at them between epochs."""

from collections.abc import Callable
from typing import cast

import torch
from jaxtyping import Int64
from torch import Tensor, nn

from anchorwise._ranks import gather_rows
from anchorwise.evaluation.embed import evaluation_mode
from anchorwise.methods import AllRows
from anchorwise.modalities.samples import Samples, View, moved
from anchorwise.modalities.views import ViewMaker
from anchorwise.training.distributed import Ranks

# n = samples

_BLOCK = 512  # Samples encoded at a time.


def all_rows(samples: Samples, ids: Int64[Tensor, " n"], views: ViewMaker, here: Ranks, *, seed: int) -> AllRows:
    """Return samples of a training as a network sees them.

    Args:
        samples: Of the training.
        ids: Which of them, and in which order.
        views: What makes their views.
        here: Who shares the work.
        seed: Of random views.
    """

    def plain(block: Tensor) -> tuple[View, ...]:
        return (views.plain(moved(samples.take(block), here.device)),)

    def drawn(block: Tensor) -> tuple[View, ...]:
        return views(views.collect(samples, block, seed=seed).to(here.device), seed=seed)[:2]

    def rows(network: nn.Module, views_of: Callable[[Tensor], tuple[View, ...]]) -> tuple[Tensor, ...]:
        mine = ids.tensor_split(here.world_size)[here.rank]
        with evaluation_mode(network):
            parts = [[network(view) for view in views_of(block)] for block in mine.split(_BLOCK)]
        return tuple(gather_rows(torch.cat(of_view).float()) for of_view in zip(*parts, strict=True))

    return AllRows(
        len(ids),
        lambda network: rows(network, plain)[0],
        lambda network: cast(tuple[Tensor, Tensor], rows(network, drawn)),
        here.from_first,
    )
