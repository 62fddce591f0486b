"""How embeddings fill their space: effective rank, spectrum, alignment, uniformity, tolerance, mean direction.

Sources: Garrido et al. 2023, "RankMe", Eq. 1 and 2, https://arxiv.org/abs/2210.02885;
Wang and Isola 2020, "Understanding Contrastive Representation Learning through Alignment and Uniformity on the
Hypersphere", section 4.1, https://arxiv.org/abs/2005.10242;
Wang and Liu 2021, "Understanding the Behaviour of Contrastive Loss", section 4, https://arxiv.org/abs/2012.09740;
Jing et al. 2022, "Understanding Dimensional Collapse in Contrastive Self-supervised Learning", section 3,
https://arxiv.org/abs/2110.09348;
Liang et al. 2022, "Mind the Gap", section 4.1, https://arxiv.org/abs/2203.02053.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from anchorwise import _checks, _tensor_checks
from anchorwise._precision import magnitude
from anchorwise.evaluation.knn import check_labels
from anchorwise.evaluation.neighbors import CHUNK_SCORES, checked_units, rows_at_once

# n = rows, d = feature width


def effective_rank(features: Float[Tensor, "n d"]) -> float:
    """Return RankMe: the exponential of the entropy of the normalised singular values, from 1 to min(n, d).

    The features are taken as they are, neither centred nor normalised, as in the source.

    Raises:
        ValueError: If the features are unusable or all zero.
    """
    checked_units("features", features)
    wide = features.double()
    wide = wide / magnitude(wide)  # Shares of the sum do not depend on the scale, and squares stay in range.
    # Singular values are the roots of the eigenvalues of the smaller Gram matrix.
    gram = wide.T @ wide if wide.shape[0] >= wide.shape[1] else wide @ wide.T
    singular = torch.linalg.eigvalsh(gram).clamp(min=0.0).sqrt()
    if float(singular.sum()) == 0.0:
        raise ValueError("features must not be all zero; the encoder has collapsed")
    shares = singular / singular.sum()
    return float(torch.special.entr(shares).sum().exp())


def covariance_spectrum(features: Float[Tensor, "n d"]) -> Float[Tensor, " d"]:
    """Return the singular values of the covariance of the unit rows, falling: directions near 0 are collapsed.

    Raises:
        ValueError: If the features are unusable.
    """
    units = checked_units("features", features).double()
    centred = units - units.mean(dim=0)
    # Rounding can make an eigenvalue of 0 negative.
    return torch.linalg.eigvalsh(centred.T @ centred / len(units)).clamp(min=0.0).flip(0)


def mean_resultant(features: Float[Tensor, "n d"]) -> float:
    """Return the length of the mean unit row: 0 where directions cancel, 1 where all rows point one way.

    Raises:
        ValueError: If the features are unusable.
    """
    return float(checked_units("features", features).double().mean(dim=0).norm())


def spread(features: Float[Tensor, "n d"]) -> float:
    """Return the mean over columns of the standard deviation of the unit rows, times the root of their width.

    1 where the rows are spread over all directions alike, 0 where all are one point.

    Source: Chen and He 2021, "Exploring Simple Siamese Representation Learning", section 4.1,
    https://arxiv.org/abs/2011.10566.

    Raises:
        ValueError: If the features are unusable.
    """
    units = checked_units("features", features).double()
    return float(units.std(dim=0, correction=0).mean() * units.shape[1] ** 0.5)


def modality_gap(view0: Float[Tensor, "n d"], view1: Float[Tensor, "m d"]) -> float:
    """Return the distance between the mean unit rows of two modalities, from 0 to 2.

    Raises:
        ValueError: If the features are unusable.
    """
    first, second = (
        checked_units(name, view).double().mean(dim=0) for name, view in (("view0", view0), ("view1", view1))
    )
    return float((first - second).norm())


def tolerance(features: Float[Tensor, "n d"], labels: Int[Tensor, " n"]) -> float:
    """Return the mean cosine of two different items of one class; higher leaves semantically alike items closer.

    The source averages the cosine times [same class] over all pairs, which also measures how many classes there are;
    here it is the mean over the pairs of one class. Not a number when no class has two items.

    Raises:
        ValueError: If shapes or values do not fit.
    """
    return 1.0 - class_alignment(features, labels) / 2.0  # |a - b|^2 = 2 - 2 a.b


def alignment(view0: Float[Tensor, "n d"], view1: Float[Tensor, "n d"], *, exponent: float = 2.0) -> float:
    """Return the mean distance between the unit rows of two views of one image, to the power `exponent`.

    Raises:
        ValueError: If the views do not fit or `exponent` is not above 0.
    """
    _tensor_checks.views(view0, view1)
    _checks.positive("exponent", exponent)
    distances = (checked_units("view0", view0) - checked_units("view1", view1)).norm(dim=1)
    return float(distances.double().pow(exponent).mean())


def class_alignment(features: Float[Tensor, "n d"], labels: Int[Tensor, " n"]) -> float:
    """Return the mean squared distance between the unit rows of two different items of one class.

    Like `alignment`, with classes in the place of views: it needs labels and no augmentation. All pairs of all classes
    weigh the same. Not a number when no class has two items.

    Raises:
        ValueError: If shapes or values do not fit.
    """
    check_labels("labels", labels, len(features))
    units = checked_units("features", features).double()
    _, numbers, sizes = labels.unique(return_inverse=True, return_counts=True)
    sums = units.new_zeros(len(sizes), units.shape[1]).index_add_(0, numbers, units)
    squares = units.new_zeros(len(sums)).index_add_(0, numbers, units.square().sum(dim=1))
    sizes = sizes.double()
    # Over ordered pairs, sum |a - b|^2 = 2 * size * sum |a|^2 - 2 * |sum a|^2.
    total = (2 * sizes * squares - 2 * sums.square().sum(dim=1)).sum()
    return float(total / (sizes * (sizes - 1)).sum())


def uniformity(features: Float[Tensor, "n d"], *, scale: float = 2.0) -> float:
    """Return `log mean exp(-scale * |a - b|^2)` over all pairs of different unit rows; lower is more uniform.

    Args:
        features: At least two rows, any scale.
        scale: The source's t, above 0.

    Raises:
        ValueError: If there are fewer than two rows, or the values do not fit.
    """
    return float(pair_kernels(features, scale=scale).mean().log())


def pair_kernels(features: Float[Tensor, "n d"], *, scale: float = 2.0) -> Float[Tensor, " n"]:
    """Return for every row the mean of `exp(-scale * |a - b|^2)` over all others, in float64, as for `uniformity`."""
    _checks.positive("scale", scale)
    units = checked_units("features", features)
    n = len(units)
    if n < 2:
        raise ValueError(f"features must have at least two rows, got {n}")
    chunk_size = rows_at_once(CHUNK_SCORES, features)
    sums = []
    for start in range(0, n, chunk_size):
        chunk = units[start : start + chunk_size]
        kernel = (2 * scale * (chunk @ units.T - 1)).exp()  # |a - b|^2 = 2 - 2 a.b
        rows = torch.arange(len(chunk), device=units.device)
        kernel[rows, rows + start] = 0.0
        sums.append(kernel.sum(dim=1, dtype=torch.float64))
    return torch.cat(sums) / (n - 1)
