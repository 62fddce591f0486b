"""Runs on equal views: where nothing but two views of a sample are to be alike, equal ones teach nothing."""

import copy

import torch
from torch import Tensor

from anchorwise.methods import Method
from anchorwise.modalities.encoder import Encoder
from anchorwise.modalities.samples import Samples, View
from anchorwise.modalities.seeds import seeded
from anchorwise.modalities.views import ViewMaker

_NUM_TRIED, _NUM_DRAWS = 8, 32


def refuse_equal_views(method: Method, views: ViewMaker, samples: Samples, device: torch.device) -> None:
    """Refuse a run in which nothing tells the views of a sample apart.

    Views of a few samples are made, of others in every draw, until two of a sample differ. Whatever makes them, a
    policy, two texts, somebody's own code, need not say whether they will.

    Args:
        method: With its encoder and objective, on the device.
        views: What makes its views, likewise.
        samples: To train on.
        device: Where views are made.

    Raises:
        ValueError: If all views are equal, nothing in the encoder is random, and the method learns of views alone.
    """
    num_views = method.plan.num_views + method.plan.num_small
    if num_views < 2 or not method.needs_differing_views:
        return
    for draw in range(_NUM_DRAWS):
        ids = torch.randint(len(samples), (_NUM_TRIED,), generator=torch.Generator().manual_seed(draw))
        batch = views.collect(samples, ids, seed=draw).to(device)
        first, *others = views(batch, seed=draw)[:num_views]
        if not all(_are_equal(first, other) for other in others):
            return
        if draw == 0 and _draws(method.online.encoder, first, batch.ids.device):
            return
    raise ValueError(
        "the views of a sample are equal, and the encoder has no dropout or other draws that tell them apart: nothing "
        f"would be learnt by {type(method).__name__}, which learns of how they differ; set encoder.dropout where there "
        "is such a setting, or views that differ (views), or an objective of labels such as objective.name=sup_con"
    )


def _are_equal(one: View, other: View) -> bool:
    if isinstance(one, Tensor) or isinstance(other, Tensor):
        return isinstance(one, Tensor) and isinstance(other, Tensor) and torch.equal(one, other)
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@torch.no_grad()
def _draws(encoder: Encoder, view: View, device: torch.device) -> bool:
    """Return whether an encoder makes other rows of one view each time, while it is trained."""
    probe = copy.deepcopy(encoder).train()  # The encoder's own running statistics do not move.
    with seeded(device, 0):
        return not torch.equal(probe(view), probe(view))
