"""Rows of several encoders as one row."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from anchorwise.embeddings.embeddings import Embeddings


def side_by_side(parts: Sequence[Embeddings]) -> Embeddings:
    """Return rows of the same items by several encoders, each at length 1, one behind the other; of one its own.

    What is known of the items is the first part's.

    Source: Zhang et al. 2024, which joins what the stages of a training have learnt, https://arxiv.org/abs/2402.11816.

    Raises:
        ValueError: If there is no part, or the parts are of other items.
    """
    if not parts:
        raise ValueError("parts must hold the rows of one encoder at least, got none")
    first = parts[0]
    if len(parts) == 1:
        return first
    for number, part in enumerate(parts):
        if len(part.views) != len(first.views) or len(part) != len(first) or list(part.names) != list(first.names):
            raise ValueError(
                f"parts must hold the same items in the same order, got {len(first)} rows in the first one and "
                f"{len(part)} in number {number}, or other names; embed the same samples with every encoder"
            )
    by_view = zip(*(part.views for part in parts), strict=True)
    views = tuple(np.concatenate([_units(view) for view in of_view], axis=1) for of_view in by_view)
    return replace(first, views=views)


def _units(view: np.ndarray) -> np.ndarray:
    rows = view.astype(np.promote_types(view.dtype, np.float32), copy=False)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.finfo(rows.dtype).tiny)
