"""Where in its image a view comes from, so that places of two views can be compared.

A place is an affine map from the view to the image, both measured in fractions of their own width and height from the
top left corner:

    (x, y) = place[:, :2] @ (u, v) + place[:, 2]

A crop has its size on the diagonal, negative along an axis that is mirrored, and its first corner in the last column.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from anchorwise._precision import full_precision

# n = samples, p = cells of a view's grid, row by row


def cell_centres(places: Float[Tensor, "n 2 3"], grid: tuple[int, int]) -> Float[Tensor, "n p 2"]:
    """Return where the centres of a view's cells lie in its image, x and y in fractions of width and height.

    Args:
        places: Of the views.
        grid: Rows and columns of cells, such as those of a feature map.
    """
    rows, columns = grid
    u = (torch.arange(columns, device=places.device) + 0.5) / columns
    v = (torch.arange(rows, device=places.device) + 0.5) / rows
    centres = torch.stack([u.expand(rows, columns), v[:, None].expand(rows, columns)]).flatten(start_dim=1)
    with full_precision(places.device):  # Rounded places would pair cells that are apart.
        return (places[:, :, :2] @ centres + places[:, :, 2:]).transpose(1, 2)


def cell_diagonals(places: Float[Tensor, "n 2 3"], grid: tuple[int, int]) -> Float[Tensor, " n"]:
    """Return the length of a cell's diagonal in the image, measured like `cell_centres`."""
    rows, columns = grid
    width, height = places[:, :, 0] / columns, places[:, :, 1] / rows
    return (width.square().sum(dim=1) + height.square().sum(dim=1)).sqrt()
