"""Pairs of rows: anchors, keys, views of the same samples, and which of the pairs count."""

from anchorwise.pairs.contrast import Contrast, PairWeight, SameId
from anchorwise.pairs.ids import EMPTY_SLOT, num_same, numbered
from anchorwise.pairs.rows import scale_gradient, unit_rows
from anchorwise.pairs.views import Views, gathered_classes, gathered_ids, views_of

__all__ = [
    "EMPTY_SLOT",
    "Contrast",
    "PairWeight",
    "SameId",
    "Views",
    "gathered_classes",
    "gathered_ids",
    "num_same",
    "numbered",
    "scale_gradient",
    "unit_rows",
    "views_of",
]
