"""The encoder of nodes: numbers of nodes in, rows of them out, for which the whole graph is gone through once."""

from collections.abc import Mapping, Sequence
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from anchorwise.modalities.encoder import Encoder
from anchorwise.modalities.graphs.config import GraphEncoderConfig
from anchorwise.modalities.graphs.graph import Graph, graph_of
from anchorwise.modalities.graphs.network import MetaPathNetwork
from anchorwise.modalities.graphs.samples import COARSE, FINE, GRAPH
from anchorwise.modalities.samples import View

# b = nodes of a batch, d = width, n = nodes of the graph


@final
class NodeEncoder(Encoder):
    """A network on a graph. In evaluation the rows of all nodes are kept until a weight changes.

    Args:
        graph: Whose nodes are encoded.
        config: How.
    """

    backbone: MetaPathNetwork

    def __init__(self, graph: Graph, config: GraphEncoderConfig) -> None:
        super().__init__(MetaPathNetwork(graph, config), num_features=config.width)
        self._known = dict[str, tuple[object, Tensor]]()

    @property
    def graph(self) -> Graph:
        """Whose nodes are encoded."""
        return self.backbone.graph

    def on(self, graph: Graph) -> None:
        """Encode the nodes of another graph from now on.

        Raises:
            ValueError: If it has other kinds of nodes, other meta-paths, or other features.
        """
        here, there = (_form(each) for each in (self.graph, graph))
        if here != there:
            raise ValueError(f"the encoder is of graphs with {here}, got one with {there}")
        self._known.clear()
        self.backbone.on(graph)

    def encode(self, view: View) -> Float[Tensor, "b d"]:
        """Return one row per node.

        Raises:
            ValueError: If the nodes are of another graph.
        """
        if not isinstance(view, Mapping):
            raise TypeError("an encoder of nodes takes a table of their numbers, got a tensor")
        how = COARSE if COARSE in view else FINE
        if not self.training and bool((view[GRAPH] != self.graph.number).any()):
            raise ValueError(
                "the nodes are of another graph than the encoder's own; give it that graph with `encoder.on`, or judge "
                "the run with --data, which does"
            )
        return self._rows(how)[view[how]]

    def in_pieces_of(self, max_rows: int | None) -> None:
        """Refuse pieces: a graph is gone through whole."""
        if max_rows is not None:
            raise ValueError("train.micro_batch_size is for samples that are encoded apart, got nodes of a graph")

    def _rows(self, how: str) -> Float[Tensor, "n d"]:
        """Return the rows of all nodes; those that nothing random and no gradient is in are computed once."""
        make = self.backbone.coarse if how == COARSE else self.backbone.fine
        if self.training or torch.is_grad_enabled():
            return make()
        state = [(id(weight), weight._version, weight.device, weight.dtype) for weight in self.parameters()]
        if how not in self._known or self._known[how][0] != (state, self.backbone.drawn):
            self._known[how] = ((state, self.backbone.drawn), make())
        return self._known[how][1]


def encoder_of(examples: Sequence[View], config: GraphEncoderConfig) -> NodeEncoder:
    """Return an encoder of the graph that examples of views bring, with random weights."""
    view = examples[0]
    assert isinstance(view, Mapping)  # The modality's own.
    return NodeEncoder(graph_of(view), config)


def _form(graph: Graph) -> str:
    """Return in words what a network depends on."""
    kinds = [
        f"{kind} of {graph.features[kind].shape[1]} features"
        if kind in graph.features
        else f"{graph.sizes[kind]:,} {kind} without features"
        for kind in graph.kinds
    ]
    return f"{', '.join(kinds)} and meta-paths {', '.join(graph.meta_paths)}"
