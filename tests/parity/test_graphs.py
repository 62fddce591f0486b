"""Meta-paths multiplied from edges are those that MEOW's authors released; `ANCHORWISE_GRAPHS` holds acm/ and imdb/."""

import os
from pathlib import Path

import pytest

from anchorwise.modalities.graphs.config import GraphData
from anchorwise.modalities.graphs.files import read_matrix
from anchorwise.modalities.graphs.meta_paths import counts
from anchorwise.modalities.graphs.sources import read_graph

GRAPHS = os.environ.get("ANCHORWISE_GRAPHS")
pytestmark = [
    pytest.mark.parity,
    pytest.mark.skipif(not GRAPHS, reason="ANCHORWISE_GRAPHS names no folder of ACM and IMDB"),
]


@pytest.mark.parametrize(("name", "num_classes"), [("acm", 3), ("imdb", 3)])
def test_products_of_edges_are_the_released_meta_paths(name: str, num_classes: int):
    folder = Path(GRAPHS or "") / name
    read = read_graph(GraphData(source=str(folder)))
    assert [*read.splits] == [20, 40, 60]
    assert len(read.class_names) == num_classes
    for path, through in read.graph.meta_paths.items():
        ours, theirs = counts(through), read_matrix(folder / f"{path.lower()}.npz")
        alone = read.graph.is_alone(path)
        assert abs(ours - theirs).sum() == alone.sum()  # Nodes without a link are their own neighbours here.
