"""What a network makes of all samples of a training, for methods and orders that look at them between epochs."""

from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn

from anchorwise._ranks import gather_rows
from anchorwise.evaluation.embed import evaluation_mode
from anchorwise.methods import AllRows
from anchorwise.modalities.samples import Samples, moved
from anchorwise.modalities.views import ViewMaker
from anchorwise.training.distributed import Ranks

# n = samples, d = width

_BLOCK = 512  # Samples encoded at a time.


def all_rows(samples: Samples, views: ViewMaker, here: Ranks) -> AllRows:
    """Return the samples of a training as a network sees them without anything random."""
    return AllRows(len(samples), partial(_rows, samples=samples, views=views, here=here), samples.labels)


def _rows(network: nn.Module, *, samples: Samples, views: ViewMaker, here: Ranks) -> Float[Tensor, "n d"]:
    mine = torch.arange(len(samples)).tensor_split(here.world_size)[here.rank]
    with evaluation_mode(network):
        parts = [network(views.plain(moved(samples.take(ids), here.device))) for ids in mine.split(_BLOCK)]
    return gather_rows(torch.cat(parts).float())
