"""Nodes of a graph as samples."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, final

import torch
from jaxtyping import Int64
from torch import Tensor

from anchorwise.modalities.graphs.graph import Graph
from anchorwise.modalities.graphs.splits import LabelSplit
from anchorwise.modalities.samples import Samples

# n = nodes of the graph, m = those of the set, b = those of a batch

# A view says which nodes in the name of how they are seen, and of which graph they are.
FINE: Final = "fine"
COARSE: Final = "coarse"
GRAPH: Final = "graph"


@final
@dataclass(frozen=True, eq=False)
class NodeSamples(Samples):
    """Some nodes of a graph, or all.

    Attributes:
        graph: All of it.
        nodes: Which.
        class_of: Class of every node of the graph, -1 where nobody knows; None without labels.
        label_splits: Parts of the labelled nodes of the graph, by the number of labels of a class.
        labels: Classes of these nodes; None where they are not to be looked at, as in pretraining.
        class_names: As `Samples`.
    """

    graph: Graph
    nodes: Int64[Tensor, " m"]
    class_of: Int64[Tensor, " n"] | None = None
    label_splits: Mapping[int, LabelSplit] | None = None
    labels: Int64[Tensor, " m"] | None = None
    class_names: tuple[str, ...] = ()

    @property
    def what(self) -> str:
        """The graph in words, and how many of its nodes these are."""
        size = self.graph.sizes[self.graph.target]
        some = "" if len(self) == size else f"{len(self):,} of "
        return some + self.graph.what

    @property
    def all_nodes(self) -> "NodeSamples":
        """All nodes of the graph, without their labels."""
        return replace(self, nodes=torch.arange(self.graph.sizes[self.graph.target]), labels=None, class_names=())

    def __len__(self) -> int:
        return len(self.nodes)

    def take(self, ids: Int64[Tensor, " b"]) -> dict[str, Tensor]:
        """Return nodes as they are judged: in the fine view."""
        return {FINE: self.nodes[ids], GRAPH: torch.full_like(ids, self.graph.number)}

    def name_of(self, number: int) -> str:
        """Return kind and number of a node."""
        return f"{self.graph.target} {int(self.nodes[number])}"

    def subset(self, ids: Int64[Tensor, " m"]) -> "NodeSamples":
        """Return a set of these nodes, in this order."""
        return replace(self, nodes=self.nodes[ids], labels=None if self.labels is None else self.labels[ids])

    def content(self) -> Iterator[Tensor]:
        """Yield the graph and which nodes these are."""
        yield from self.graph.tensors().values()
        yield self.nodes
