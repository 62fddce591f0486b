"""How the embeddings fill their space, from a sample of them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from anchorwise.diagnostics.rows import Rows
from anchorwise.evaluation import geometry

MAX_ITEMS = 10_000  # Uniformity compares all pairs.


@dataclass(frozen=True)
class SpaceReport:
    """Geometry of a sample of the items.

    Attributes:
        num_items: Items in the sample.
        width: Numbers in a row.
        effective_rank: RankMe, from 1 to the width.
        spectrum: Singular values of the covariance of the unit rows, falling.
        uniformity: Log of the mean of exp(-2 |a - b|^2); lower is more uniform.
        alignment: Mean squared distance between positives; None without positives.
        tolerance: Mean cosine of items of one class; None without labels.
        mean_resultant: Length of the mean unit row, one per view.
        modality_gap: Distance between the mean unit rows of two encoders; None for one.
    """

    num_items: int
    width: int
    effective_rank: float
    spectrum: tuple[float, ...]
    uniformity: float
    alignment: float | None
    tolerance: float | None
    mean_resultant: tuple[float, ...]
    modality_gap: float | None


def look_at_space(rows: Rows, rng: np.random.Generator) -> SpaceReport:
    """Return the geometry of up to 10,000 items drawn at random."""
    items = np.sort(rng.permutation(rows.num_items)[:MAX_ITEMS])
    views = [torch.from_numpy(rows.units(view * rows.num_items + items)) for view in range(rows.num_views)]
    raw = _within_float32(rows.embeddings.views[0][rows.kept[items]])
    return SpaceReport(
        num_items=len(items),
        width=rows.width,
        effective_rank=geometry.effective_rank(torch.from_numpy(raw)),
        spectrum=tuple(geometry.covariance_spectrum(views[0]).tolist()),
        uniformity=geometry.uniformity(views[0]),
        alignment=_alignment(rows, views, items),
        tolerance=_over_classes(geometry.tolerance, views[0], rows.labels, items),
        mean_resultant=tuple(geometry.mean_resultant(view) for view in views),
        modality_gap=geometry.modality_gap(*views) if rows.embeddings.across else None,
    )


def _within_float32(rows: np.ndarray) -> np.ndarray:
    """Return rows in float32; wider ones times a power of two, which changes no rank: float64 reaches further."""
    if rows.dtype.itemsize > 4:
        wide = np.asarray(rows, np.float64)
        rows = np.ldexp(wide, -int(np.frexp(np.abs(wide).max())[1]))
    return np.asarray(rows, np.float32)


def _alignment(rows: Rows, views: list[torch.Tensor], items: np.ndarray) -> float | None:
    if len(views) == 2:
        return geometry.alignment(views[0], views[1])
    groups = None if rows.embeddings.ids is None else rows.groups
    return _over_classes(geometry.class_alignment, views[0], groups, items)


def _over_classes(
    measure: Callable[[torch.Tensor, torch.Tensor], float],
    units: torch.Tensor,
    labels: np.ndarray | None,
    items: np.ndarray,
) -> float | None:
    """Return a measure of pairs of one class; None where there is no such pair."""
    if labels is None:
        return None
    dense = torch.from_numpy(np.unique(labels[items], return_inverse=True)[1].astype(np.int64))
    return float(measure(units, dense)) if int(dense.bincount().max()) > 1 else None
