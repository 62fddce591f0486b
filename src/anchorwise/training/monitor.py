"""kNN accuracy of the frozen encoder while it trains, on training images only."""

import torch

from anchorwise.evaluation.embed import embed
from anchorwise.evaluation.knn import knn_accuracy
from anchorwise.evaluation.rows import judged_rows
from anchorwise.evaluation.splits import stratified_split
from anchorwise.modalities.images.image_set import ImageSet
from anchorwise.training.state import RunState

_NUM_NEIGHBORS = 20
_MAX_IMAGES = 10_000
_VALIDATION_FRACTION = 0.2


def monitor_knn(state: RunState, train: ImageSet, device: torch.device) -> float | None:
    """Return weighted-kNN accuracy on a fifth of at most 10,000 training images.

    Test images are for the end of a study alone. None where that says nothing: for images without labels, or without
    two of a class among those that are looked at.
    """
    if train.labels is None:
        return None
    images = train.balanced_subset(min(_MAX_IMAGES, len(train)), 0)
    if images.labels is None or images.labels.bincount().max() < 2:
        return None
    embedded = embed(state.model.encoder, images, transform=state.augmentation.plain, device=device)
    rows, labels = judged_rows(embedded), images.labels
    split = stratified_split(labels, validation_fraction=_VALIDATION_FRACTION, seed=0)
    return knn_accuracy(
        rows[split.train],
        labels[split.train],
        rows[split.validation],
        labels[split.validation],
        num_neighbors=min(_NUM_NEIGHBORS, len(split.train)),
    )
