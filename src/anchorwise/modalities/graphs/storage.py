"""A trained encoder of nodes on disk, with its graph.

encoder.json, encoder.safetensors    as every run has them
graph.safetensors                    features and meta-paths
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from safetensors.torch import load_file, save_file

from anchorwise import _files
from anchorwise._config import Section
from anchorwise.modalities.encoder import DescribedEncoder, read_spec
from anchorwise.modalities.graphs.config import GraphEncoderConfig
from anchorwise.modalities.graphs.encoder import NodeEncoder
from anchorwise.modalities.graphs.graph import graph_of
from anchorwise.modalities.graphs.samples import NodeSamples
from anchorwise.modalities.samples import Samples, View

GRAPH_FILE = "graph.safetensors"


class NodeEncoderSpec(Section):
    """What an encoder is.

    Attributes:
        modality: What it takes.
        encoder: The architecture.
    """

    modality: Literal["graphs"] = "graphs"
    encoder: GraphEncoderConfig


@dataclass(frozen=True)
class FrozenNodes(DescribedEncoder):
    """A trained encoder of the nodes of a graph."""

    encoder: NodeEncoder
    spec: NodeEncoderSpec

    def plain(self, raw: View) -> View:
        """Return nodes as they are."""
        return raw

    def adapted(self, samples: Samples) -> Samples:
        """Return nodes as they are, and let the encoder take their graph.

        Raises:
            ValueError: If they are no nodes, or of a graph of another form.
        """
        if not isinstance(samples, NodeSamples):
            raise ValueError(f"an encoder of nodes takes nodes of a graph, got {samples.what}")
        if samples.graph.number != self.encoder.graph.number:
            self.encoder.on(samples.graph)
        return samples

    def save(self, folder: Path) -> None:
        """Write it; every file appears whole or not at all."""
        super().save(folder)
        with _files.replacing(folder / GRAPH_FILE) as temporary:
            save_file(self.encoder.graph.tensors(), temporary)


def load_node_encoder(folder: Path) -> FrozenNodes:
    """Read what `FrozenNodes.save` wrote, in evaluation mode.

    Raises:
        FileNotFoundError: If a file is missing.
        UnusableFileError: If one is damaged.
    """
    spec = read_spec(NodeEncoderSpec, folder, GRAPH_FILE)
    with _files.reading(folder / GRAPH_FILE):
        graph = graph_of(load_file(folder / GRAPH_FILE))
    encoder = NodeEncoder(graph, spec.encoder)
    encoder.eval()
    frozen = FrozenNodes(encoder, spec)
    frozen.restore(folder)
    return frozen
