"""K-means of all samples' rows, kept with the method that owns it, with how dense every cluster is.

Source: Li et al. 2020, "Prototypical Contrastive Learning of Unsupervised Representations", Section 3.4 (Eq. 12),
https://arxiv.org/abs/2005.04966, and its released code.
"""

from collections.abc import Callable
from typing import Any, final

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from anchorwise.pairs import unit_rows

# n = samples, k = clusters, d = embedding width

_SMOOTHING = 10.0  # alpha of the source: small clusters do not count as dense by chance.

Agreed = Callable[[Callable[[], Any]], Any]
"""Returns to every rank what work gives on the first: a GPU adds up in no fixed order, and ranks would differ."""


def as_it_is(work: Callable[[], Any]) -> Any:
    """Return what work gives, where one process is alone."""
    return work()


@final
class Clustering(nn.Module):
    """Clusters of all samples by their unit rows: centres of length 1, temperatures, and who is in which.

    Args:
        num_clusters: Their number, at least 1.
        width: Of a row.
        mean_temperature: What the temperatures are scaled to on average, above 0.

    Attributes:
        centres: Means of the clusters, at length 1.
        temperatures: The mean distance of a cluster's Z rows from its mean over log(Z + 10), clipped at the 10th and
            90th percentile, and scaled; a cluster of one row has the largest.
        members: The cluster of every sample; empty before the first clustering.
    """

    centres: Tensor
    temperatures: Tensor
    members: Tensor

    def __init__(self, num_clusters: int, width: int, *, mean_temperature: float) -> None:
        super().__init__()
        self.mean_temperature = mean_temperature
        self.register_buffer("centres", torch.zeros(num_clusters, width))
        self.register_buffer("temperatures", torch.full((num_clusters,), mean_temperature))
        self.register_buffer("members", torch.zeros(0, dtype=torch.int64))
        self.register_load_state_dict_pre_hook(_as_many_members)

    @torch.no_grad()
    def fit(self, rows: Float[Tensor, "n d"], *, agreed: Agreed = as_it_is) -> None:
        """Cluster the samples anew; what is drawn comes from torch's global generator.

        Args:
            rows: Of all samples, in their order.
            agreed: Returns to every rank what work gives on the first.

        Raises:
            ValueError: If there are fewer samples than clusters.
        """
        centres, temperatures, members = agreed(lambda: self._fitted(unit_rows(rows).to(self.centres)))
        self.centres.copy_(centres)
        self.temperatures.copy_(temperatures)
        if len(self.members) != len(members):
            self.members = torch.empty_like(members, device=self.centres.device)
        self.members.copy_(members)  # In place, for steps that were recorded.

    def _fitted(self, units: Float[Tensor, "n d"]) -> tuple[Tensor, ...]:
        """Return centres, temperatures and members in the memory of the CPU, from which ranks tell each other."""
        means, members = k_means(units, len(self.centres))
        temperatures = _temperatures((units - means[members]).norm(dim=1), members, self.temperatures)
        scale = self.mean_temperature / temperatures.mean()
        return unit_rows(means).cpu(), (temperatures * scale).cpu(), members.cpu()


def _as_many_members(clustering: Any, state_dict: dict[str, Any], prefix: str, *_: Any) -> None:
    """Make room for the members that are loaded: how many samples there are is known from the first clustering on."""
    saved = state_dict.get(f"{prefix}members")
    if isinstance(saved, Tensor):
        clustering.members = torch.zeros_like(saved, device=clustering.members.device)


def k_means(
    rows: Float[Tensor, "n d"], num_clusters: int, *, num_iterations: int = 20
) -> tuple[Float[Tensor, "k d"], Int64[Tensor, " n"]]:
    """Return the means of clusters, and every row's cluster, by Lloyd's iterations from random rows.

    A cluster that loses all its rows takes the row that is farthest from its own mean. Iterations are those of the
    source's faiss, which splits large clusters instead.

    Args:
        rows: What is clustered.
        num_clusters: Their number.
        num_iterations: At least 1.

    Raises:
        ValueError: If there are fewer rows than clusters.
    """
    if num_clusters > len(rows):
        raise ValueError(f"num_clusters must be at most the number of samples, {len(rows)}, got {num_clusters}")
    first = torch.randperm(len(rows), device="cpu")[:num_clusters].to(rows.device)
    means = rows[first]
    for _ in range(num_iterations):
        members, distances = _nearest(rows, means)
        counts = torch.zeros_like(means[:, 0]).index_add_(0, members, torch.ones_like(rows[:, 0]))
        sums = torch.zeros_like(means).index_add_(0, members, rows)
        is_empty = (counts == 0).unsqueeze(1)
        # As many far rows as there are clusters: the first empty one takes the farthest, and so on.
        far = rows[distances.topk(num_clusters).indices]
        far = far[(is_empty.cumsum(dim=0) - 1).clamp_min(0).squeeze(1)]
        means = torch.where(is_empty, far, sums / counts.clamp_min(1.0).unsqueeze(1))
    return means, _nearest(rows, means)[0]


def _nearest(rows: Float[Tensor, "n d"], means: Float[Tensor, "k d"]) -> tuple[Tensor, Tensor]:
    """Return for every row its nearest mean, and half the squared distance from it."""
    halves = 0.5 * means.square().sum(dim=1)
    parts = [(halves - part @ means.T).min(dim=1) for part in rows.split(_BLOCK)]
    distances = torch.cat([part.values for part in parts]) + 0.5 * rows.square().sum(dim=1)
    return torch.cat([part.indices for part in parts]), distances


def _temperatures(
    distances: Float[Tensor, " n"], members: Int64[Tensor, " n"], like: Float[Tensor, " k"]
) -> Float[Tensor, " k"]:
    counts = torch.zeros_like(like).index_add_(0, members, torch.ones_like(distances))
    sums = torch.zeros_like(like).index_add_(0, members, distances)
    density = sums / counts.clamp_min(1.0) / (counts + _SMOOTHING).log()
    density = torch.where(counts > 1, density, density.max())
    low, high = density.quantile(density.new_tensor([0.1, 0.9]))
    return density.clamp(low, high).clamp_min(1e-6)


_BLOCK = 4096  # Rows whose distances from all means are in memory at once.
