"""The linear probe of clean training rows, as judges choose it that then look at changed test samples."""

from collections.abc import Sequence

import torch

from anchorwise.embeddings import Embeddings
from anchorwise.evaluation.base import Choices, Metric
from anchorwise.evaluation.linear import choose_penalty
from anchorwise.evaluation.rows import judged_rows, numbered_classes, numbered_groups
from anchorwise.evaluation.splits import stratified_split

CLEAN = Metric("clean", "linear probe, clean", "%")


def choose_clean_probe(
    train: Embeddings, *, penalties: Sequence[float], validation_fraction: float, seed: int, device: torch.device
) -> Choices:
    """Choose the penalty of the probe, as that of `CLEAN`.

    Raises:
        ValueError: If labels are missing or no class has two rows, of two groups where there are groups.
    """
    (labels,), _ = numbered_classes(train)
    rows, labels = judged_rows(train, device), labels.to(device)
    split = stratified_split(labels, validation_fraction=validation_fraction, seed=seed, groups=numbered_groups(train))
    choice = choose_penalty(rows, labels, split, penalties=penalties)
    return Choices({CLEAN.name: (choice.validation_accuracy,)}, {CLEAN.name: (choice.penalty,)})
