"""Stratified validation splits: settings are chosen on them, never on the test set."""

from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from anchorwise import _checks

# n = rows


@dataclass(frozen=True)
class Split:
    """Row numbers of both parts, ascending, without overlap; together they are all rows."""

    train: Tensor
    validation: Tensor


def stratified_split(labels: Int[Tensor, " n"], *, validation_fraction: float, seed: int) -> Split:
    """Put the same share of every class into the validation part.

    A class of two or more rows has at least one row in both parts; a class of one row stays in the training part.

    Args:
        labels: Classes of the rows.
        validation_fraction: Share of each class, in (0, 1), rounded to whole rows.
        seed: The same seed gives the same split.

    Raises:
        ValueError: If the fraction is not inside (0, 1), or no class has two rows.
    """
    if not 0.0 < _checks.number("validation_fraction", validation_fraction) < 1.0:
        raise ValueError(f"validation_fraction must lie between 0 and 1, got {validation_fraction!r}")
    generator = torch.Generator().manual_seed(seed)
    held_out = torch.zeros(len(labels), dtype=torch.bool)
    for label in labels.unique().tolist():
        rows = (labels == label).nonzero().flatten().cpu()
        num_held_out = min(max(1, round(validation_fraction * len(rows))), len(rows) - 1)
        held_out[rows[torch.randperm(len(rows), generator=generator)[:num_held_out]]] = True
    if not held_out.any():
        raise ValueError(f"labels must name a class of two or more rows, got {len(labels)} rows of different classes")
    return Split(
        train=(~held_out).nonzero().flatten().to(labels.device),
        validation=held_out.nonzero().flatten().to(labels.device),
    )
