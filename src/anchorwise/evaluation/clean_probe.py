"""The linear probe of clean training rows, as judges choose it that ask something else of test samples."""

import torch
from pydantic import Field

from anchorwise._config import Positive, Seed
from anchorwise.embeddings import Embeddings
from anchorwise.evaluation.base import Choices, JudgeConfig, Metric
from anchorwise.evaluation.linear import PENALTIES, choose_penalty
from anchorwise.evaluation.rows import check_several, judged_rows, numbered_classes, numbered_groups
from anchorwise.evaluation.splits import stratified_split

CLEAN = Metric("clean", "linear probe, clean", "%")


class CleanProbeConfig(JudgeConfig):
    """How the probe is chosen.

    Attributes:
        penalties: Grid of the linear probe (`anchorwise.evaluation.linear`).
        validation_fraction: Share of every class's training rows held out to choose among them.
        seed: Decides the rows held out, and what a judge draws.
    """

    penalties: tuple[Positive, ...] = Field(default=PENALTIES, min_length=1, max_length=1000)
    validation_fraction: float = Field(default=0.2, gt=0, lt=1)
    seed: Seed = 0


def choose_clean_probe(train: Embeddings, config: CleanProbeConfig, device: torch.device) -> Choices:
    """Choose the penalty of the probe, as that of `CLEAN`.

    Raises:
        ValueError: If labels are missing or all of one class, or no class has two rows, of two groups where there
            are groups.
    """
    (labels,), _ = numbered_classes(train)
    check_several(labels)
    rows, labels = judged_rows(train, device), labels.to(device)
    share, groups = config.validation_fraction, numbered_groups(train)
    split = stratified_split(labels, validation_fraction=share, seed=config.seed, groups=groups)
    choice = choose_penalty(rows, labels, split, penalties=config.penalties)
    return Choices({CLEAN.name: (choice.validation_accuracy,)}, {CLEAN.name: (choice.penalty,)})
