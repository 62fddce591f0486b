"""The frozen encoder looked at while it trains, by judges, on training images only."""

import torch

from anchorwise.evaluation.embed import embed, with_origin
from anchorwise.evaluation.registry import judges_of
from anchorwise.modalities.samples import Samples
from anchorwise.training.state import RunState

_MOST_LABELLED, _MOST_UNLABELLED = 10_000, 2_048


def watched(state: RunState, train: Samples, device: torch.device) -> dict[str, float]:
    """Return what judges say of at most 10,000 training images, 2,048 where there are no labels.

    Test images are for the end of a study alone.
    """
    most = _MOST_UNLABELLED if train.labels is None else _MOST_LABELLED
    images = train.balanced_subset(min(most, len(train)), 0)
    rows = embed(state.kept, images, transform=state.views.plain, device=device)
    embedded = with_origin(rows, images, state.frozen())
    judges = judges_of(state.config.judges, device=device)
    return {name: value for judge in judges for name, value in judge.watch(embedded).items()}
