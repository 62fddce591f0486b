"""Stratified validation splits: settings are chosen on them, never on the test set."""

from dataclasses import dataclass

from jaxtyping import Int
from torch import Tensor

from anchorwise import _checks
from anchorwise.modalities.selection import held_out

# n = rows


@dataclass(frozen=True)
class Split:
    """Row numbers of both parts, ascending, without overlap; together they are all rows."""

    train: Tensor
    validation: Tensor


def stratified_split(
    labels: Int[Tensor, " n"], *, validation_fraction: float, seed: int, groups: Int[Tensor, " n"] | None = None
) -> Split:
    """Put the same share of every class into the validation part, and of a group all rows or none.

    A class of two or more groups has at least one of them in both parts; the only group of a class stays in the
    training part.

    Args:
        labels: Classes of the rows.
        validation_fraction: Share of each class, in (0, 1), met as nearly as whole groups can.
        seed: The same seed gives the same split.
        groups: Rows of one number belong together; None if each stands for itself.

    Raises:
        ValueError: If the fraction is not inside (0, 1), or no class has two groups.
    """
    if not 0.0 < _checks.number("validation_fraction", validation_fraction) < 1.0:
        raise ValueError(f"validation_fraction must lie between 0 and 1, got {validation_fraction!r}")
    held = held_out(labels, validation_fraction, seed=seed, groups=groups)
    if not held.any():
        found = "rows of different classes" if groups is None else "rows of which every class is one group"
        unit = "rows" if groups is None else "groups"
        raise ValueError(f"labels must name a class of two or more {unit}, got {len(labels)} {found}")
    return Split(
        train=(~held).nonzero().flatten().to(labels.device),
        validation=held.nonzero().flatten().to(labels.device),
    )
