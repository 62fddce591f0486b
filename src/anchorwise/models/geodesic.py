"""How far samples are from each other along the graph of their neighbours, and what that makes them count for.

Where rows lie on something bent, two of them may be near each other across a gap that no other row is in. Along the
graph they are as far apart as they are on it.

Source of the idea: Li et al. 2023, "G2L: Semantically Aligned and Uniform Video Grounding via Geodesic and Game
Theory", https://arxiv.org/abs/2307.14277, of which the abstract was read and no code was found. Graph and weights are
this library's construction; distances are those of Isomap, Tenenbaum et al. 2000,
https://doi.org/10.1126/science.290.5500.2319.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from anchorwise import _checks
from anchorwise._precision import products
from anchorwise.pairs import unit_rows

# n = samples, d = width


@torch.no_grad()
def geodesic_distances(features: Float[Tensor, "n d"], k: int) -> Float[Tensor, "n n"]:
    """Return the lengths of the shortest paths between samples; infinite where none leads.

    Two samples are joined where one is among the `k` nearest of the other, by an edge as long as 1 minus their cosine.
    It takes n^3 operations, n of them one after the other.

    Args:
        features: Rows, of any length.
        k: Neighbours of each, at least 1; where there are fewer others, all of them.

    Raises:
        ValueError: If `k` is below 1.
    """
    units = unit_rows(features)
    itself = torch.eye(len(units), dtype=torch.bool, device=units.device)
    apart = (1.0 - products(units, units)).clamp_min(0.0).masked_fill(itself, torch.inf)
    nearest = apart.topk(min(_checks.count("k", k), len(units) - 1), dim=1, largest=False)
    found = torch.full_like(apart, torch.inf).scatter(1, nearest.indices, nearest.values)
    found = torch.minimum(found, found.T).masked_fill(itself, 0.0)
    for through in range(len(found)):
        found = torch.minimum(found, found[:, through, None] + found[through])
    return found


@torch.no_grad()
def geodesic_weights(features: Float[Tensor, "n d"], k: int) -> Float[Tensor, "n n"]:
    """Return what samples count for as negatives of each other, as logarithms, without gradient.

    The weight is `1 - exp(-distance / mean)`, of distances along the graph and their mean over pairs that a path leads
    between: 0 for a sample's like, near 1 for what is far, and 1 for what no path leads to.

    Args:
        features: Rows of the samples, on several ranks those of all of them (`anchorwise.gather_rows`).
        k: Neighbours of each sample in the graph.

    Raises:
        ValueError: If `k` is below 1.
    """
    distances = geodesic_distances(features, k)
    is_far = distances.isinf()
    num_near = (~is_far).sum() - len(distances)  # Without each sample and itself.
    mean = distances.masked_fill(is_far, 0.0).sum() / num_near.clamp_min(1)
    smallest = torch.finfo(distances.dtype).tiny
    return (-torch.expm1(-distances / mean.clamp_min(smallest))).log()
