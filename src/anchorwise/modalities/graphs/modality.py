"""Nodes of a graph as a modality."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast, final

import torch

from anchorwise._config import section_of_json
from anchorwise.modalities.base import Modality
from anchorwise.modalities.encoder import Encoder, FrozenEncoder
from anchorwise.modalities.graphs.config import GraphData, GraphEncoderConfig, GraphViewsConfig
from anchorwise.modalities.graphs.encoder import NodeEncoder, encoder_of
from anchorwise.modalities.graphs.samples import NodeSamples
from anchorwise.modalities.graphs.sources import read_graph
from anchorwise.modalities.graphs.storage import FrozenNodes, NodeEncoderSpec, load_node_encoder
from anchorwise.modalities.graphs.views import NodeViews
from anchorwise.modalities.progress import OnProgress
from anchorwise.modalities.samples import Samples, Splits, View
from anchorwise.modalities.views import ViewMaker, ViewPlan


@final
class Graphs(Modality):
    """The nodes of one kind in a heterogeneous graph. A batch is some of them; the graph is gone through whole."""

    data = GraphData
    views = GraphViewsConfig
    encoder = GraphEncoderConfig

    def load(self, data: GraphData, *, on_progress: OnProgress | None = None) -> Splits[Samples]:
        """Read a graph: all nodes to pretrain on, without labels; of those with the parts of most labels to judge."""
        read = read_graph(data)
        nodes = torch.arange(read.graph.sizes[read.graph.target])
        everything = NodeSamples(read.graph, nodes, read.labels, read.splits)
        if read.labels is None or not read.splits:
            return Splits(everything, everything, None)
        split = read.splits[max(read.splits)]

        def part(numbers: torch.Tensor) -> NodeSamples:
            labels = cast(torch.Tensor, read.labels)[numbers]
            return NodeSamples(read.graph, numbers, read.labels, read.splits, labels, read.class_names)

        train = part(torch.cat([split.train, split.validation]).sort().values)
        return Splits(everything, train, part(split.test))

    def other_data(
        self, source: str, *, like: GraphData, frozen: FrozenEncoder | None = None, **where: Any
    ) -> GraphData:
        """Return where to find another graph.

        Raises:
            ValueError: If it is to be fetched.
        """
        if any(value not in (None, False) for value in where.values()):
            raise ValueError("--root and --download are for data sets of images by name; graphs are read from --data")
        return section_of_json(GraphData, like.model_copy(update={"source": source}).model_dump_json())

    def resolved_views(self, views: GraphViewsConfig | None, data: GraphData, samples: Samples) -> GraphViewsConfig:
        """Return the views' section."""
        return views or GraphViewsConfig()

    def view_maker(self, views: GraphViewsConfig, plan: ViewPlan, samples: Samples) -> ViewMaker:
        """Return what says which nodes are seen, and how."""
        _nodes(samples)
        return NodeViews(plan)

    def judges_of(self, splits: Splits[Samples]) -> tuple[str, ...]:
        """Return the judge of nodes where some have labels."""
        return ("nodes", "geometry") if splits.are_judgeable else ()

    def examples(self, samples: Samples) -> tuple[View, ...]:
        """Return two nodes with their graph beside them."""
        nodes = _nodes(samples)
        return ({**nodes.take(torch.arange(min(2, len(nodes)))), **nodes.graph.tensors()},)

    def new_encoder(self, encoder: GraphEncoderConfig, examples: Sequence[View]) -> Encoder:
        """Return an encoder of the graph as a training begins with it."""
        return encoder_of(examples, encoder)

    def freeze(
        self, encoder: Encoder, section: GraphEncoderConfig, views: ViewMaker, examples: Sequence[View]
    ) -> FrozenNodes:
        """Return an encoder with its graph."""
        return FrozenNodes(cast(NodeEncoder, encoder), NodeEncoderSpec(encoder=section))

    def rebuild(self, folder: Path) -> FrozenNodes:
        """Read a stored encoder, in evaluation mode."""
        return load_node_encoder(folder)


def _nodes(samples: Samples) -> NodeSamples:
    if not isinstance(samples, NodeSamples):
        raise ValueError(f"modality 'graphs' takes nodes of a graph, got {samples.what}")
    return samples
