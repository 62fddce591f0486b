"""Numbers of the spectra of features that need no label: how fast eigenvalues fall, and how many tell samples apart.

Sources: Agrawal et al. 2022, "alpha-ReQ: Assessing Representation Quality in Self-Supervised Learning by Measuring
Eigenspectrum Decay", with the fit of Stringer et al. 2019 that its authors' library `reptrix` has,
https://github.com/arnab39/reptrix; Thilak et al. 2023, "LiDAR: Sensing Linear Probing Performance in Joint Embedding
SSL Architectures", Eqs. 1 to 4, https://arxiv.org/abs/2312.04000. RankMe is
`anchorwise.evaluation.geometry.effective_rank`.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from anchorwise import _checks
from anchorwise._precision import magnitude
from anchorwise.evaluation.neighbors import checked_units

# n = rows, d = feature width, s = samples, q = views of a sample, r = ranks

FIRST_RANK, LAST_RANK = 11, 100  # As in `reptrix`: the first few eigenvalues follow no power law.
_FEWEST_RANKS = 5
_NEGLIGIBLE = 1e-7  # Eigenvalues below this share of the largest are rounding.


def alpha_req(
    features: Float[Tensor, "n d"], *, first_rank: int = FIRST_RANK, last_rank: int = LAST_RANK
) -> float | None:
    """Return alpha of the power law `eigenvalue of rank j = constant / j ** alpha` of the features' covariance.

    Fitted to the logarithms by least squares with weights `1 / j`. Features of alpha near 1 are said to generalise
    best; larger ones lie in few directions, smaller ones in all alike.

    Args:
        features: Rows, any scale.
        first_rank: First rank of the fit, counted from 1.
        last_rank: Last rank; fewer where eigenvalues end before.

    Returns:
        Alpha; None where fewer than 5 eigenvalues lie in the range.

    Raises:
        ValueError: If the features are unusable, or ranks are below 1.
    """
    checked_units("features", features)
    _checks.count("first_rank", first_rank)
    wide = features.double()
    wide = (wide - wide.mean(dim=0)) / magnitude(wide)
    gram = wide.T @ wide if wide.shape[0] >= wide.shape[1] else wide @ wide.T
    values = torch.linalg.eigvalsh(gram).flip(0)
    values = values[values > _NEGLIGIBLE * values[0]][first_rank - 1 : _checks.count("last_rank", last_rank)]
    if len(values) < _FEWEST_RANKS:
        return None
    ranks = torch.arange(first_rank, first_rank + len(values), dtype=values.dtype, device=values.device)
    x, y, weights = ranks.log(), values.log(), 1.0 / ranks
    x, y = x - (weights * x).sum() / weights.sum(), y - (weights * y).sum() / weights.sum()
    return float(-(weights * x * y).sum() / (weights * x * x).sum())


def lidar(views: Float[Tensor, "s q d"], *, ridge: float = 1e-4) -> float:
    """Return LiDAR: the effective rank of what tells samples apart, measured in how far the views of one differ.

    Samples are classes and their views the members, as in linear discriminant analysis; the value is the exponential of
    the entropy of the normalised eigenvalues of `W^-1/2 B W^-1/2`, with the covariance B of the samples' means and the
    mean covariance W of views around them. Deviations: `ridge` is added to W in units of W's mean eigenvalue, so the
    value does not depend on the scale of features, and the source's epsilon within the entropy is left out.

    Args:
        views: Features of the views, any scale.
        ridge: Added to W, above 0.

    Raises:
        ValueError: If there are fewer than two samples or views, or features are unusable.
    """
    _checks.positive("ridge", ridge)
    num_samples, num_views, width = views.shape
    if num_samples < 2 or num_views < 2:
        raise ValueError(f"views must be of two samples at least, two of each, got {num_samples} and {num_views}")
    checked_units("views", views.reshape(-1, width))
    wide = views.double() / magnitude(views.double().reshape(-1, width))
    means = wide.mean(dim=1)
    apart, around = means - means.mean(dim=0), (wide - means[:, None]).reshape(-1, width)
    between = apart.T @ apart / (num_samples - 1)
    within = around.T @ around / (num_samples * (num_views - 1))
    size = within.diagonal().mean().clamp_min(torch.finfo(torch.float64).tiny)
    within = within + ridge * size * torch.eye(width, dtype=within.dtype, device=within.device)
    root = torch.linalg.cholesky(within)
    half = torch.linalg.solve_triangular(root, between, upper=False)
    told_apart = torch.linalg.solve_triangular(root, half.T, upper=False)
    values = torch.linalg.eigvalsh((told_apart + told_apart.T) / 2).clamp_min(0.0)
    if float(values.sum()) == 0.0:
        return 1.0  # All samples have one mean: nothing is told apart.
    return float(torch.special.entr(values / values.sum()).sum().exp())
