"""Pixel consistency: cells of two views that come from about the same place of an image have similar rows.

Source: Xie et al. 2020, "Propagate Yourself: Exploring Pixel-Level Consistency for Unsupervised Visual Representation
Learning", Eqs. 1 and 4, https://arxiv.org/abs/2011.10043, and its released code (PixPro).
"""

from collections.abc import Sequence
from functools import reduce
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from anchorwise import _checks, _tensor_checks
from anchorwise._precision import products
from anchorwise._ranks import gather_rows
from anchorwise.objectives.objective import Inputs, Objective, Outcome, mean_outcome
from anchorwise.pairs import unit_rows

# n = samples, p = cells of a view, d = embedding width, f = p d

_NUMBERS = 3  # Of a place: x, y and the length of the cell's diagonal.


@final
class PixelConsistency(Objective):
    """`-2 mean over positive pairs of cells of cos`, for either view against the other's keys, both added.

    A row holds the d numbers of each of a sample's p cells, cell after cell. Cells i of a view and j of the other one
    are a positive pair where their centres are less than `threshold` of the longer of their two diagonals apart, in the
    image. The mean is over the pairs of a sample; a sample whose views do not overlap counts 0. Keys get no gradient,
    and there are no negatives: the loss lies between -4 and 4.

    Args:
        threshold: Above 0. At 0.7 only the same cells of two equal square views are near: neighbours are 0.71 apart.

    Raises:
        ValueError: If the threshold is out of range.
    """

    inputs: Inputs = Inputs(needs=("keys", "places"))

    def __init__(self, *, threshold: float = 0.7) -> None:
        super().__init__()
        self.threshold = _checks.positive("threshold", threshold)

    def detail(
        self,
        view0: Float[Tensor, "n f"],
        view1: Float[Tensor, "n f"],
        *,
        keys: Sequence[Float[Tensor, "n f"]] | None = None,
        places: Sequence[Float[Tensor, "n _places"]] | None = None,
    ) -> Outcome:
        """Return the loss with the samples' losses, those of view 0 first, their cosines, and numbers of positives.

        Args:
            view0: The trained side's cells of view 0.
            view1: Those of view 1.
            keys: The momentum side's cells of both views.
            places: Of both views: x, y and the length of the diagonal of every cell, cell after cell, in a measure of
                the image that both share; shape (samples, 3 p).
        """
        keys = _tensor_checks.needed(self, "keys", keys, "the momentum side's cells of both views, (key0, key1)")
        places = _tensor_checks.needed(self, "places", places, "x, y and diagonal of all cells of both views")
        views = (view0, view1)
        _tensor_checks.views(*views)
        keys, where = _tensor_checks.views_beside("keys", keys, views), _places(places, view0)
        num_cells = where[0].shape[1]
        wide = reduce(torch.promote_types, (view.dtype for view in views), torch.float32)
        units = [unit_rows(view.unflatten(1, (num_cells, -1))).to(wide) for view in views]
        targets = [unit_rows(key.detach().unflatten(1, (num_cells, -1))).to(wide) for key in keys]
        where = [of_view.to(wide) for of_view in where]
        # A cell whose place is not finite would be near none without a word.
        shown = 0.0 * (where[0] + where[1]).sum(dim=(1, 2))
        cosines, counts = [], []
        for view, other in ((0, 1), (1, 0)):
            near = _near(where[view], where[other], self.threshold)
            scores = products(units[view], targets[other])
            counts.append(near.sum(dim=(1, 2)))
            cosines.append((scores * near).sum(dim=(1, 2)) / (counts[-1] + 1e-6) + shown)
        # What samples come to is gathered, and not their cells.
        per_view, numbers = gather_rows(torch.stack(cosines, dim=1)), gather_rows(torch.stack(counts, dim=1))
        _tensor_checks.some_samples(len(per_view), *views)
        scores, numbers = per_view.T.flatten(), numbers.T.flatten()
        return mean_outcome(-4.0 * scores, {"positive_score": scores, "num_positives": numbers})


def _places(places: Sequence[Tensor], view: Float[Tensor, "n f"]) -> list[Float[Tensor, "n p 3"]]:
    of_views = _tensor_checks.one_each("places", places, 2, "views")
    for index, of_view in enumerate(of_views):
        name = f"places[{index}]"
        _tensor_checks.rows(name, of_view)
        _tensor_checks.same_shape("places[0]", of_views[0], name, of_view)
        _tensor_checks.same_device("view0", view, name, of_view)
        num_cells, rest = divmod(of_view.shape[1], _NUMBERS)
        if len(of_view) != len(view) or rest or not num_cells or view.shape[1] % num_cells:
            raise ValueError(
                f"{name} must have x, y and diagonal of every cell of the {len(view)} samples, shape ({len(view)}, "
                f"3 cells), where cells divide the width {view.shape[1]}, got {tuple(of_view.shape)}"
            )
    return [of_view.unflatten(1, (-1, _NUMBERS)) for of_view in of_views]


def _near(cells: Float[Tensor, "n p 3"], others: Float[Tensor, "n p 3"], threshold: float) -> Float[Tensor, "n p p"]:
    """Return 1 where a cell and one of the other view are a positive pair, and 0 elsewhere."""
    apart = cells[:, :, None, :2] - others[:, None, :, :2]
    longest = torch.maximum(cells[:, :, None, 2], others[:, None, :, 2])
    return (apart.square().sum(dim=3) < (threshold * longest).square()).to(cells)
