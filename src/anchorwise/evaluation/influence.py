"""How far the geometry of features would move with other rows: standard errors from the influence of every row.

The infinitesimal jackknife: a row's influence is the derivative of the measure by the row's weight, and the standard
error is the root of the sum of their squared deviations. It is what resampling the rows gives to first order, without a
resample, and without the copies of a row that a resample puts at distance 0 of it.

Source: Efron 1982, "The Jackknife, the Bootstrap and Other Resampling Plans", chapter 6,
https://doi.org/10.1137/1.9781611970319.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from anchorwise._precision import magnitude
from anchorwise.evaluation.neighbors import checked_units

# n = rows, d = width

FEWEST_ROWS_PER_COLUMN = 4
NEGLIGIBLE = 1e-7  # Singular values below this share of the largest are rounding, and carry no entropy.


def effective_rank_error(features: Float[Tensor, "n d"]) -> float | None:
    """Return the standard error of `anchorwise.evaluation.geometry.effective_rank`.

    None for fewer than 4 rows to a column: the rank then counts rows as well, and the first order is too small.
    """
    if len(features) < FEWEST_ROWS_PER_COLUMN * features.shape[1]:
        return None
    wide = features.double()
    wide = wide / magnitude(wide)
    values, directions = torch.linalg.eigh(wide.T @ wide)
    singular = values.clamp(min=0.0).sqrt()
    shares = singular / singular.sum()
    entropy = torch.special.entr(shares).sum()
    kept = singular > NEGLIGIBLE * singular.max()
    # d entropy / d eigenvalue, by the chain over shares and singular values.
    slopes = torch.where(kept, -(shares.log() + entropy) / (2.0 * singular * singular.sum()), 0.0)
    return _error(entropy.exp() * ((wide @ directions).square() @ slopes))


def uniformity_error(kernels: Float[Tensor, " n"]) -> float:
    """Return the standard error of `anchorwise.evaluation.geometry.uniformity`, from its `pair_kernels`."""
    return _error(2.0 * kernels / (len(kernels) * kernels.mean()))


def class_alignment_error(features: Float[Tensor, "n d"], labels: Int[Tensor, " n"]) -> float:
    """Return the standard error of `anchorwise.evaluation.geometry.class_alignment`."""
    units = checked_units("features", features).double()
    _, numbers, sizes = labels.unique(return_inverse=True, return_counts=True)
    sizes, lengths = sizes.double(), units.square().sum(dim=1)
    sums = units.new_zeros(len(sizes), units.shape[1]).index_add_(0, numbers, units)
    squares = units.new_zeros(len(sizes)).index_add_(0, numbers, lengths)
    num_pairs = (sizes * (sizes - 1)).sum()
    mean = (2 * sizes * squares - 2 * sums.square().sum(dim=1)).sum() / num_pairs
    # What a row adds to the distances within its class, and to the pairs.
    distances = 2 * squares[numbers] + 2 * sizes[numbers] * lengths - 4 * (units * sums[numbers]).sum(dim=1)
    return _error((distances - mean * 2 * (sizes[numbers] - 1)) / num_pairs)


def _error(influences: Float[Tensor, " n"]) -> float:
    return float((influences - influences.mean()).square().sum().sqrt())
