"""Views as they are, for objectives in which lengths count."""

import torch
from jaxtyping import Float
from torch import Tensor

from anchorwise import _tensor_checks
from anchorwise._ranks import gather_rows, sharing_ranks
from anchorwise.pairs import Views
from anchorwise.pairs.rows import stacked

# n = samples, m = samples of all ranks, v = views, d = width


def unscaled_views(*views: Float[Tensor, "n d"]) -> Float[Tensor, "v m d"]:
    """Return views of the samples of all ranks, unchanged, in float32 or wider.

    Raises:
        ValueError: If the views differ in shape or device, are not matrices, or are empty.
        TypeError: If a view is no tensor or not floating.
    """
    _tensor_checks.views(*views)
    wide = stacked(views)
    # All views at once: a collective costs more than what it carries.
    gathered = gather_rows(wide.transpose(0, 1)).transpose(0, 1)
    _tensor_checks.some_samples(gathered.shape[1], *views)
    return gathered


def shortened_views(*views: Float[Tensor, "n d"]) -> tuple[Views, Float[Tensor, ""]]:
    """Return views divided by the length of the longest row of all, and that length: no row is longer than 1.

    Products of rows as they are then are scores times the square of the length, which a link can have as its scale.

    Raises:
        ValueError: As `unscaled_views`.
        TypeError: Likewise.
    """
    rows = unscaled_views(*views)
    # Whatever rows are divided by, the scores' scale undoes it: so the length needs no gradient.
    longest = torch.linalg.vector_norm(rows.detach(), dim=2).amax().clamp_min(torch.finfo(rows.dtype).tiny)
    return Views(rows / longest, torch.arange(rows.shape[1], device=rows.device), ranks=sharing_ranks()), longest
