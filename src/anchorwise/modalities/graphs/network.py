"""Rows of nodes seen coarsely and finely, as MEOW does.

    h      = ELU(dropout(W_target x))                               features of the target
    h_m    = ELU(h + dropout(U_m mean over the middle of m of ELU(dropout(W_kind x))))
    G(., A)                                                         two graph convolutions that all share
    coarse = G(h, mean over m of A_m)
    fine   = sum_v beta_v unit(G(h_v, A_v))                         over every meta-path, as it is and masked
    beta   = softmax over v of a . mean over nodes of tanh(W z_v + b)

Source: Yu and Li 2023, "Heterogeneous Graph Contrastive Learning with Meta-path Contexts and Weighted Negative
Samples", sections 4.1 to 4.3, and its released code.
"""

from collections.abc import Sequence
from typing import Any, Final, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from anchorwise.modalities.graphs.config import GraphEncoderConfig
from anchorwise.modalities.graphs.graph import Graph, as_module
from anchorwise.modalities.graphs.meta_paths import masked_neighbors_of, neighbors_of, without_entries
from anchorwise.models.sparse import SparseMatrix
from anchorwise.pairs import unit_rows

# n = nodes, d = width, v = versions

_XAVIER_GAIN: Final = 1.414


@final
class MetaPathNetwork(nn.Module):
    """The rows of all nodes of a graph at once.

    The masks are drawn once, by `mask_seed`, which comes of torch's generator and is saved with the weights. Deviations
    from the release: the views draw their dropout apart; a node without a link on a meta-path is its own neighbour
    there; a kind of node without features has a row of `W` for each node, as one-hot features give it.

    Args:
        graph: What is encoded.
        config: How.
    """

    mask_seed: Tensor

    def __init__(self, graph: Graph, config: GraphEncoderConfig) -> None:
        super().__init__()
        self.config, self.kinds = config, graph.kinds
        paths, width = graph.meta_paths, config.width
        self.inputs = nn.ModuleList(nn.Linear(_num_inputs(graph, kind), width) for kind in self.kinds)
        self.contexts = nn.ModuleList(nn.Linear(width, width, bias=False) for _ in paths)
        self.convolutions = GraphConvolutions(width, config.dropout)
        self.attention = VersionAttention(width, config.dropout)
        self.dropout = nn.Dropout(config.dropout)
        self.register_buffer("mask_seed", torch.randint(2**62, ()))
        self.on(graph)
        self.register_load_state_dict_post_hook(_draw_masks_of_seed)

    def on(self, graph: Graph) -> None:
        """Take a graph, of the same kinds of nodes and meta-paths, to give the rows of its nodes from now on."""
        self.graph = graph
        paths = list(graph.meta_paths.values())
        self.features = nn.ModuleList(_features(graph, kind) for kind in self.kinds)
        self.middles = [self.kinds.index(path.middle) for path in paths]
        self.means = nn.ModuleList(as_module(_row_means(path.half)) for path in paths)
        self.most = _one_each("num_neighbors", self.config.num_neighbors, len(paths))
        self.neighbors = nn.ModuleList(neighbors_of(path, most) for path, most in zip(paths, self.most, strict=True))
        self.draw_masks()

    def draw_masks(self) -> None:
        """Draw what the masked versions do without; the same for the same seed and graph."""
        self.drawn = int(self.mask_seed)
        generator = torch.Generator().manual_seed(self.drawn)
        self.masked_features = nn.Identity()
        if (features := self.graph.features.get(self.graph.target)) is not None:
            self.masked_features = as_module(without_entries(features, self.config.feature_mask, generator))
        paths = list(self.graph.meta_paths.values())
        shares = _one_each("edge_mask", self.config.edge_mask, len(paths))
        self.masked_neighbors = nn.ModuleList(
            masked_neighbors_of(path, most, share, generator)
            for path, most, share in zip(paths, self.most, shares, strict=True)
        )
        self.to(self.attention.vector)  # Where the weights are, and as wide.

    def coarse(self) -> Float[Tensor, "n d"]:
        """Return the rows of the coarse view."""
        return self.convolutions(self._own(self.features[0]), self._all_neighbors)

    def fine(self) -> Float[Tensor, "n d"]:
        """Return the rows of the fine view, of length 1 at most."""
        own, own_masked = self._own(self.features[0]), self._own(self.masked_features)
        versions = []
        for place, context in enumerate(self._contexts()):
            for start, neighbors in (
                (own, self.neighbors[place]),
                (own_masked, self.masked_neighbors[place]),
            ):
                seen = self.convolutions(functional.elu(start + context), neighbors)
                versions.append(unit_rows(seen))
        return self.attention(versions)

    def _own(self, features: nn.Module) -> Float[Tensor, "n d"]:
        return functional.elu(self.dropout(_linear(self.inputs[0], features)))

    def _contexts(self) -> list[Float[Tensor, "n d"]]:
        """Return what the nodes in the middle of every meta-path say of a node."""
        rows = {
            place: functional.elu(self.dropout(_linear(self.inputs[place], self.features[place])))
            for place in set(self.middles)
        }
        return [
            self.dropout(self.contexts[path](self.means[path](rows[middle])))
            for path, middle in enumerate(self.middles)
        ]

    def _all_neighbors(self, rows: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        return torch.stack([neighbors(rows) for neighbors in self.neighbors]).mean(dim=0)


@final
class GraphConvolutions(nn.Module):
    """`LayerNorm(A dropout(PReLU(A dropout(x W_1)) W_2))`, normalised over the whole matrix at once.

    Args:
        width: Of rows that come and go.
        dropout: Its rate.
    """

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.first, self.second = (nn.Linear(width, width, bias=False) for _ in range(2))
        for layer in (self.first, self.second):
            nn.init.uniform_(layer.weight, -(width**-0.5), width**-0.5)
        self.between, self.dropout = nn.PReLU(), nn.Dropout(dropout)

    def forward(self, rows: Float[Tensor, "n d"], neighbors: Any) -> Float[Tensor, "n d"]:
        """Return rows of nodes that have looked at their neighbours, and at these nodes' neighbours."""
        hidden = self.between(neighbors(self.dropout(self.first(rows))))
        seen = neighbors(self.dropout(self.second(hidden)))
        return functional.layer_norm(seen, seen.shape)


@final
class VersionAttention(nn.Module):
    """A weighted sum of versions, each with one weight for all nodes.

    Args:
        width: Of a row.
        dropout: Of the vector that is attended with.
    """

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.layer, self.vector = nn.Linear(width, width), nn.Parameter(torch.empty(1, width))
        self.dropout = nn.Dropout(dropout)
        for weight in (self.layer.weight, self.vector):
            nn.init.xavier_normal_(weight, gain=_XAVIER_GAIN)

    def forward(self, versions: Sequence[Float[Tensor, "n d"]]) -> Float[Tensor, "n d"]:
        """Return one row for each node."""
        means = torch.stack([self.layer(rows).tanh().mean(dim=0) for rows in versions])
        shares = (means @ self.dropout(self.vector).squeeze(0)).softmax(dim=0)
        return torch.stack([share * rows for share, rows in zip(shares, versions, strict=True)]).sum(dim=0)


def _draw_masks_of_seed(network: MetaPathNetwork, _: Any) -> None:
    """Draw anew where weights of another seed were loaded."""
    if int(network.mask_seed) != network.drawn:
        network.draw_masks()


def _linear(layer: nn.Module, features: nn.Module) -> Float[Tensor, "n d"]:
    """Return a linear map of features; of nodes without any, that of one-hot rows, which is its weights."""
    assert isinstance(layer, nn.Linear)
    rows = features(layer.weight.T) if isinstance(features, SparseMatrix) else layer.weight.T
    return rows + layer.bias


def _num_inputs(graph: Graph, kind: str) -> int:
    return graph.features[kind].shape[1] if kind in graph.features else graph.sizes[kind]


def _features(graph: Graph, kind: str) -> nn.Module:
    return as_module(graph.features[kind]) if kind in graph.features else nn.Identity()


def _row_means(half: Any) -> Any:
    """Return a matrix that takes the mean over the nodes in the middle, each counted as often as it is linked."""
    sums = half.sum(axis=1)
    scaled = half.copy()
    scaled.data = half.data / (sums.repeat(half.indptr[1:] - half.indptr[:-1]))
    return scaled


def _one_each(name: str, given: Any, num_paths: int) -> list[Any]:
    """Return a setting for every meta-path.

    Raises:
        ValueError: If as many are given as there are no meta-paths.
    """
    if not isinstance(given, tuple):
        return [given] * num_paths
    if len(given) != num_paths:
        raise ValueError(
            f"encoder.{name} must be one number, or one for each of {num_paths} meta-paths, got {list(given)}"
        )
    return list(given)
