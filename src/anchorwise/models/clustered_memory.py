"""The clustered memory: rows of earlier batches in clusters, from whose own cluster a row takes its neighbours (DyCE).

Source: Poulakakis-Daktylidis and Jamali-Rad 2024, "BECLR: Batch Enhanced Contrastive Few-Shot Learning",
https://arxiv.org/abs/2402.02444, and its released code.
"""

from collections.abc import Sequence
from typing import final

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from anchorwise import _checks
from anchorwise._precision import products
from anchorwise._ranks import gather_rows
from anchorwise._sinkhorn import balanced_assignments
from anchorwise.models.clustering import Agreed, as_it_is, k_means
from anchorwise.models.queue import Queue
from anchorwise.pairs import EMPTY_SLOT, unit_rows

# n = rows of this rank's batch, m = rows of all ranks, k = clusters, b = neighbours, d = embedding width

_IN_NO_CLUSTER = -2


@final
class ClusteredMemory(nn.Module):
    """A ring of unit rows, each with the cluster that it came into. Saved with the method that owns it.

    K-means clusters what is stored whenever `cluster` is called. After that a batch that is pushed is spread about
    evenly over the clusters, every row into the one of its largest share, and a prototype is the mean of the rows that
    its cluster has in the ring; where it has none, what it was before.

    Args:
        num_slots: Rows that are kept, at least as many as a batch of all ranks has.
        width: Of a row.
        num_clusters: Their number.
        epsilon: Of the balancing, above 0: smaller is closer to each row's own choice.
        num_iterations: Of the balancing.
        to_the_farthest: Whether a row's share of a cluster grows with the distance of its prototype, as in the release,
            instead of falling.

    Attributes:
        ring: The rows; in the place of the samples' numbers it has those of the clusters, and -2 before there are any.
        prototypes: Means of the clusters.
    """

    prototypes: Tensor

    def __init__(
        self,
        num_slots: int,
        width: int,
        *,
        num_clusters: int,
        epsilon: float = 0.1,
        num_iterations: int = 10,
        to_the_farthest: bool = False,
    ) -> None:
        super().__init__()
        self.ring = Queue(num_slots, width)
        self.register_buffer("prototypes", torch.zeros(_checks.count("num_clusters", num_clusters), width))
        self.epsilon = _checks.positive("epsilon", epsilon)
        self.num_iterations = _checks.count("num_iterations", num_iterations)
        self.to_the_farthest = to_the_farthest

    @torch.no_grad()
    def cluster(self, *, agreed: Agreed = as_it_is) -> None:
        """Cluster the rows that are stored anew; what is drawn comes from torch's global generator.

        Args:
            agreed: Returns to every rank what work gives on the first.

        Raises:
            ValueError: If there are fewer than clusters.
        """
        is_there = self.ring.ids != EMPTY_SLOT
        stored, number = self.ring.rows[is_there], len(self.prototypes)
        means, members = agreed(lambda: tuple(part.cpu() for part in k_means(stored, number)))
        self.prototypes.copy_(means)
        self.ring.ids[is_there] = members.to(self.ring.ids)

    @torch.no_grad()
    def push(self, views: Sequence[Float[Tensor, "n d"]], *, into_clusters: bool) -> None:
        """Put the rows of several views in, of all ranks in their order, view by view.

        In evaluation mode the memory stays as it is.

        Args:
            views: Rows of any length.
            into_clusters: Whether there are clusters for them.

        Raises:
            ValueError: If they are more than there are slots.
        """
        if not self.training:
            return
        rows = torch.cat([gather_rows(unit_rows(view)) for view in views]).to(self.prototypes)
        if len(rows) > len(self.ring.rows):
            raise ValueError(
                f"a memory must have slots for the {len(rows)} rows of all views of a batch, got {len(self.ring.rows)}"
                "; raise method.num_queued, or lower train.batch_size"
            )
        if into_clusters:
            self.ring.put(rows, self._assigned(rows))
            self._follow()
        else:
            self.ring.put(rows, self.ring.ids.new_full((len(rows),), _IN_NO_CLUSTER))

    @torch.no_grad()
    def nearest(self, rows: Float[Tensor, "n d"], num: int) -> Float[Tensor, "n b d"]:
        """Return the stored rows of largest cosine in the cluster whose prototype is nearest to each row, best first.

        Where that cluster has fewer rows than are asked for, they are those of the whole memory, as in the release.

        Args:
            rows: Of any length.
            num: How many for each.
        """
        units = unit_rows(rows).to(self.prototypes)
        own = products(units, unit_rows(self.prototypes)).argmax(dim=1, keepdim=True)
        scores = products(units, self.ring.rows).masked_fill(self.ring.ids == EMPTY_SLOT, -torch.inf)
        is_in_own = self.ring.ids == own
        has_enough = is_in_own.sum(dim=1, keepdim=True) >= num
        best = torch.where(has_enough & ~is_in_own, -torch.inf, scores).topk(num, dim=1).indices
        return self.ring.rows[best]

    def _assigned(self, rows: Float[Tensor, "m d"]) -> Int64[Tensor, " m"]:
        """Return the cluster that every row has the largest share of, once the shares are balanced."""
        distances = (2.0 - 2.0 * products(rows, unit_rows(self.prototypes))).clamp_min(0.0).sqrt()
        scores = distances if self.to_the_farthest else -distances
        given = {"epsilon": self.epsilon, "num_iterations": self.num_iterations}
        return balanced_assignments(scores, **given).argmax(dim=1)

    def _follow(self) -> None:
        """Make the prototypes the means of their clusters."""
        # What is in no cluster goes to one beside them.
        members = torch.where(self.ring.ids < 0, len(self.prototypes), self.ring.ids)
        counts = self.prototypes.new_zeros(len(self.prototypes) + 1, 1)
        counts.index_add_(0, members, torch.ones_like(self.ring.rows[:, :1]))
        sums = self.prototypes.new_zeros(len(counts), self.prototypes.shape[1])
        sums.index_add_(0, members, self.ring.rows)
        means = sums[:-1] / counts[:-1].clamp_min(1.0)
        self.prototypes.copy_(torch.where(counts[:-1] > 0, means, self.prototypes))
