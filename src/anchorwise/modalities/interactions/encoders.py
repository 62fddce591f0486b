"""LightGCN: vectors of users and items, passed along their interactions.

Source: He et al. 2020, "LightGCN: Simplifying and Powering Graph Convolution Network for Recommendation", Eq. 3 to 8,
https://arxiv.org/abs/2002.02126; noise between layers: Yu et al. 2022, "Are Graph Augmentations Necessary? Simple Graph
Contrastive Learning for Recommendation", Eq. 7, https://arxiv.org/abs/2112.08679.
"""

from collections.abc import Sequence
from typing import cast, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from anchorwise.modalities.interactions.config import LightGCNConfig
from anchorwise.modalities.interactions.pairs import Pairs
from anchorwise.modalities.interactions.samples import InteractionSamples
from anchorwise.modalities.samples import Samples
from anchorwise.modalities.whole_graph import WholeGraphEncoder
from anchorwise.models.sparse import SparseMatrix

# n = users and then items, d = width


@final
class LightGCNEncoder(WholeGraphEncoder):
    """`E_k = A E_(k-1)` for k = 1 .. layers, and the mean of them; `A = D^-1/2 [[0, R], [R^T, 0]] D^-1/2`.

    Nothing is learnt but `E_0`, which has a vector for every user and item. A node without interactions has zeros in
    every layer behind `E_0`.

    Args:
        config: With the numbers of users, items and edges filled in.
    """

    def __init__(self, config: LightGCNConfig) -> None:
        num_users, num_items, num_edges = cast(
            tuple[int, int, int], (config.num_users, config.num_items, config.num_edges)
        )
        super().__init__(_Vectors(num_users, num_items, num_edges, config.width), num_features=config.width)
        self.num_users, self.num_items = num_users, num_items
        self.num_layers, self.with_first = config.num_layers, config.with_first

    def meet(self, samples: Samples) -> None:
        """Take the graph of the samples."""
        self.take_graph(cast(InteractionSamples, samples).graph)

    def take_graph(self, graph: Pairs) -> None:
        """Take a graph of as many users, items and interactions as were said."""
        self._vectors.take(graph)

    @property
    def graph(self) -> Pairs:
        """The graph that it has taken."""
        users, items = self._vectors.edges.cpu()
        return Pairs(users, items, self.num_users, self.num_items)

    @property
    def _vectors(self) -> "_Vectors":
        return cast(_Vectors, self.backbone)

    def layers(self, *, noise: float = 0.0) -> list[Float[Tensor, "n d"]]:
        """Return `E_0` to the last layer.

        Args:
            noise: Length of what is added to every row of every layer behind the first: a random direction within the
                orthant of the row, whose signs stay. Drawn by torch's generator.
        """
        layers = [self._vectors()]
        for _ in range(self.num_layers):
            rows = self._vectors.adjacency(layers[-1])
            layers.append(rows + _noise(rows, noise) if noise else rows)
        return layers

    def combined(self, layers: Sequence[Float[Tensor, "n d"]]) -> Float[Tensor, "n d"]:
        """Return the mean over layers, with or without the first."""
        return torch.stack([*layers[0 if self.with_first else 1 :]]).mean(dim=0)

    def all_rows(self) -> Float[Tensor, "n d"]:
        """Return the mean over layers without noise."""
        return self.combined(self.layers())


@torch.no_grad()
def _noise(rows: Float[Tensor, "n d"], length: float) -> Float[Tensor, "n d"]:
    drawn = torch.rand_like(rows)
    # A row of zeros has no sign and gets none.
    return rows.sign() * (length * drawn / drawn.norm(dim=1, keepdim=True).clamp_min(torch.finfo(rows.dtype).tiny))


class _Vectors(nn.Module):
    """What is learnt, and what never changes: the vectors of all nodes, and the graph, which is saved beside them."""

    edges: Tensor

    def __init__(self, num_users: int, num_items: int, num_edges: int, width: int) -> None:
        super().__init__()
        self.users = nn.Parameter(nn.init.xavier_uniform_(torch.empty(num_users, width)))
        self.items = nn.Parameter(nn.init.xavier_uniform_(torch.empty(num_items, width)))
        self.register_buffer("edges", torch.zeros(2, num_edges, dtype=torch.int64))
        self.adjacency = self._adjacency()
        self.register_load_state_dict_post_hook(_Vectors._after_loading)

    def forward(self) -> Float[Tensor, "n d"]:
        return torch.cat([self.users, self.items])

    def take(self, graph: Pairs) -> None:
        self.edges.copy_(torch.stack([graph.users, graph.items]))
        self.adjacency = self._adjacency()

    def _after_loading(self, keys: object) -> None:
        self.adjacency = self._adjacency()

    def _adjacency(self) -> SparseMatrix:
        """Return `D^-1/2 [[0, R], [R^T, 0]] D^-1/2`."""
        num_users, num_items = len(self.users), len(self.items)
        users, items = self.edges.cpu()
        by_degree = [
            torch.bincount(of, minlength=number).double().rsqrt()[of]
            for of, number in ((users, num_users), (items, num_items))
        ]
        values = (by_degree[0] * by_degree[1]).to(self.users.dtype)
        rows, columns = torch.cat([users, items + num_users]), torch.cat([items + num_users, users])
        num_nodes = num_users + num_items
        made = SparseMatrix(rows, columns, values.repeat(2), shape=(num_nodes, num_nodes), is_symmetric=True)
        return made.to(self.users.device)
