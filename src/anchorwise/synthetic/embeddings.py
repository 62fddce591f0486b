"""Points on spheres: independent ones, and clusters, whose members are dependent and yet of the same law one by one."""

from dataclasses import dataclass
from typing import final

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from anchorwise import _checks

# n = points, d = dimension, c = clusters


def sphere_points(number: int, *, dimension: int, generator: torch.Generator) -> Float[Tensor, "n d"]:
    """Return independent uniform points on the unit sphere of a space of this dimension, in float64."""
    _checks.count("number", number, lowest=0)
    _checks.count("dimension", dimension)
    return F.normalize(_normals(number, dimension, generator), dim=1)


@final
@dataclass(frozen=True)
class Clusters:
    """Unit rows in clusters.

    Attributes:
        points: Unit rows, cluster by cluster.
        cluster_ids: The cluster of every row.
    """

    points: Float[Tensor, "n d"]
    cluster_ids: Int[Tensor, " n"]


def clustered_points(
    num_clusters: int, num_per_cluster: int, *, dimension: int, spread: float, generator: torch.Generator
) -> Clusters:
    """Return clusters of points around uniform centres: normalised(centre + spread * Gaussian of unit mean square).

    Every single point is uniform on the sphere, so its cosine with a fixed anchor has the law of `sphere_scores`: the
    truth is known. But the negatives of one cluster rise and fall together, and an anchor's tail is made of few
    clusters. The cosine of two members of a cluster is near 1 / (1 + spread^2).

    Args:
        num_clusters: Clusters.
        num_per_cluster: Points in each.
        dimension: Of the space around the sphere, at least 2.
        spread: Length of the deviation from the centre, above 0; large values give independent points.
        generator: Draws them.
    """
    _checks.count("num_clusters", num_clusters)
    _checks.count("num_per_cluster", num_per_cluster)
    _checks.count("dimension", dimension, lowest=2)
    _checks.positive("spread", spread)
    cluster_ids = torch.arange(num_clusters, device=generator.device).repeat_interleave(num_per_cluster)
    centres = sphere_points(num_clusters, dimension=dimension, generator=generator)
    deviations = _normals(len(cluster_ids), dimension, generator) * (spread / dimension**0.5)
    return Clusters(F.normalize(centres[cluster_ids] + deviations, dim=1), cluster_ids)


def _normals(number: int, dimension: int, generator: torch.Generator) -> Float[Tensor, "n d"]:
    return torch.randn(number, dimension, generator=generator, dtype=torch.float64, device=generator.device)
