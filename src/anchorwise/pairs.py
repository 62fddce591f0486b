"""Which rows are anchors and keys, and which pairs do not count.

Exclusions are integer ids, one per row, and never a mask: a mask has as many entries as the score matrix.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from anchorwise import _checks

# n = images, d = embedding width, a = anchors, k = keys


@dataclass(frozen=True)
class Exclusion:
    """A pair is excluded where the anchor's id equals the key's id."""

    anchor_ids: Int[Tensor, " a"]
    key_ids: Int[Tensor, " k"]


@dataclass(frozen=True)
class TwoViews:
    """Two views of n images as one set of a = 2n rows, each an anchor and a key.

    Attributes:
        rows: Unit rows, view 0 above view 1, float32 or float64.
        positive_scores: Cosine of every row with the other view of its image.
        same_image: Excludes a row itself and its positive; what is left are its 2n - 2 negatives.
    """

    rows: Float[Tensor, "a d"]
    positive_scores: Float[Tensor, " a"]
    same_image: Exclusion


def two_views(view0: Float[Tensor, "n d"], view1: Float[Tensor, "n d"]) -> TwoViews:
    """Normalise two views and say which of their rows belong together.

    Raises:
        ValueError: If the views differ in shape, dtype or device, are not matrices, or are empty.
        TypeError: If a view is not floating.
    """
    _checks.views(view0, view1)
    unit0, unit1 = unit_rows(view0), unit_rows(view1)
    scores = (unit0 * unit1).sum(dim=1)
    images = torch.arange(len(view0), device=view0.device).repeat(2)
    return TwoViews(torch.cat([unit0, unit1]), scores.repeat(2), Exclusion(images, images))


def unit_rows(rows: Float[Tensor, "a d"]) -> Float[Tensor, "a d"]:
    """Scale every row to length 1 in float32 or wider; a row of zeros stays zero and passes its gradient on unscaled.

    Rows are first divided by their largest entry, so that squares neither overflow nor vanish at any scale of input.
    """
    wide = rows.double() if rows.dtype == torch.float64 else rows.float()
    largest = wide.detach().abs().amax(dim=1, keepdim=True)
    scaled = wide / torch.where(largest > 0, largest, 1.0)
    length = torch.linalg.vector_norm(scaled, dim=1, keepdim=True)
    return scaled / torch.where(length > 0, length, 1.0)
