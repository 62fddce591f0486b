"""A graph read from its folder."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64
from scipy import sparse
from torch import Tensor

from anchorwise import _checks
from anchorwise.modalities.graphs.config import GraphData
from anchorwise.modalities.graphs.description import DESCRIPTION, Description, read_description
from anchorwise.modalities.graphs.files import read_features, read_links, read_numbers
from anchorwise.modalities.graphs.graph import Graph, Matrix, MetaPath
from anchorwise.modalities.graphs.heco import described_as_heco, is_heco
from anchorwise.modalities.graphs.splits import LabelSplit, drawn_splits

# n = nodes that are encoded

_MOST_UNUSED = 10  # Times the node numbers in use: beyond that they are no numbers of nodes.


@dataclass(frozen=True, eq=False)
class Labelled:
    """A graph with what is known of its nodes beside it.

    Attributes:
        graph: The graph.
        labels: Class of every node as an index into `class_names`, -1 where nobody knows; None without any.
        class_names: Names of the classes.
        splits: Parts of the labelled nodes, by the number of labels of a class; empty without labels.
    """

    graph: Graph
    labels: Int64[Tensor, " n"] | None = None
    class_names: tuple[str, ...] = ()
    splits: Mapping[int, LabelSplit] | None = None


def read_graph(data: GraphData) -> Labelled:
    """Read the folder that a data section names.

    Raises:
        FileNotFoundError: If it is not there, or holds no graph.
        UnusableFileError: If a file of it is damaged.
        ValueError: If files do not fit together.
    """
    folder = Path(data.source)
    if not folder.is_dir():
        raise FileNotFoundError(f"data.source must be the folder of a graph, got {data.source!r}, which is not there")
    if (folder / DESCRIPTION).is_file():
        described = read_description(folder / DESCRIPTION)
    elif is_heco(folder):
        described = described_as_heco(folder)
    else:
        raise FileNotFoundError(
            f"{folder} must hold {DESCRIPTION}, or labels.npy with meta-paths such as pap.npz, as HeCo and MEOW lay "
            "their data out; got neither"
        )
    graph = _Reader(folder, described).graph(data.meta_paths)
    if described.labels is None:
        return Labelled(graph)
    labels, names = _labels(folder / described.labels, graph)
    if described.splits:
        splits = {number: _split(folder, described, number, labels) for number in sorted(described.splits)}
    else:
        sizes = {"num_validation": data.num_validation, "num_test": data.num_test}
        splits = drawn_splits(labels, data.labels_per_class, **sizes, seed=data.seed)
    return Labelled(graph, labels, names, splits)


class _Reader:
    """Reads features and edges once, however many meta-paths lead over them."""

    def __init__(self, folder: Path, described: Description) -> None:
        self._folder, self._described = folder, described
        kinds = {name: nodes for name, nodes in described.nodes.items() if nodes.features is not None}
        self._features = {name: read_features(folder / str(nodes.features)) for name, nodes in kinds.items()}
        self._links = {edge.file: read_links(folder / edge.file) for edge in described.edges.values()}

    def graph(self, wanted: tuple[str, ...] | None) -> Graph:
        described = self._described
        names = list(described.meta_paths) if wanted is None else wanted
        along = [described.meta_paths[_checks.one_of("data.meta_paths", name, described.meta_paths)] for name in names]
        halves = [kinds[: len(kinds) // 2 + 1] for kinds in along]
        kinds = list(dict.fromkeys(kind for half in halves for kind in half))
        sizes = {kind: self._size(kind) for kind in kinds}
        paths = {name: MetaPath(half[-1], self._half(half, sizes)) for name, half in zip(names, halves, strict=True)}
        used = (described.target, *dict.fromkeys(path.middle for path in paths.values()))
        features = {kind: self._features[kind] for kind in dict.fromkeys(used) if kind in self._features}
        return Graph(described.target, {kind: sizes[kind] for kind in dict.fromkeys(used)}, features, paths)

    def _size(self, kind: str) -> int:
        """Return how many nodes there are of a kind, and refuse files that say different numbers."""
        described, said = self._described, dict[str, int]()
        if kind in self._features:
            said[str(described.nodes[kind].features)] = self._features[kind].shape[0]
        if kind in described.nodes and (number := described.nodes[kind].num) is not None:
            said[f"nodes.{kind}.num"] = number
        used = [np.zeros(0, dtype=np.int64)]
        for edge in described.edges.values():
            links, shape = self._links[edge.file]
            for place in (0, 1):
                if edge.between[place] == kind:
                    used.append(np.unique(links[:, place]))
                    said |= {} if shape is None else {edge.file: shape[place]}
        if len(set(said.values())) > 1:
            got = ", ".join(f"{number:,} in {name}" for name, number in said.items())
            raise ValueError(f"files in {self._folder} must agree on how many nodes {kind!r} there are, got {got}")
        in_use = np.unique(np.concatenate(used))
        highest = int(in_use[-1]) + 1 if len(in_use) else 0
        num = next(iter(said.values()), highest)
        if highest > num:
            raise ValueError(
                f"edges in {self._folder} must name nodes that are there, got number {highest - 1:,} of {num:,} "
                f"{kind!r}, counted from 0; correct it, or say how many there are with nodes.{kind}.num"
            )
        if not said and num > _MOST_UNUSED * len(in_use):
            raise ValueError(
                f"numbers of {kind!r} in {self._folder} have gaps: {len(in_use):,} are in use, up to {highest - 1:,}; "
                f"number the nodes from 0, or say how many there are with nodes.{kind}.num"
            )
        return num

    def _half(self, kinds: tuple[str, ...], sizes: Mapping[str, int]) -> Matrix:
        """Return how often each target node is linked to each node in the middle, along these kinds."""
        product: Matrix = None
        for first, second in pairwise(kinds):
            file, is_other_way = self._described.edges_between(first, second)
            links = self._links[file][0]
            rows, columns = (links[:, 1], links[:, 0]) if is_other_way else (links[:, 0], links[:, 1])
            step: Matrix = sparse.csr_array((np.ones(len(links)), (rows, columns)), shape=(sizes[first], sizes[second]))
            product = step if product is None else sparse.csr_array(product @ step)
        assert product is not None  # A half path has two kinds at least.
        product.sort_indices()
        return product


def _labels(path: Path, graph: Graph) -> tuple[Int64[Tensor, " n"], tuple[str, ...]]:
    numbers = read_numbers(path)
    size = graph.sizes[graph.target]
    if len(numbers) != size:
        raise ValueError(
            f"{path} must have a label for each of the {size:,} nodes {graph.target!r}, -1 where nobody knows, got "
            f"{len(numbers):,}; where some have no edge, say how many there are with nodes.{graph.target}.num"
        )
    classes = np.unique(numbers[numbers >= 0])
    if len(classes) < 2:
        raise ValueError(f"{path} must have two classes or more, got {len(classes)}; leave labels out without any")
    indices = np.where(numbers >= 0, np.searchsorted(classes, numbers), -1)
    return torch.from_numpy(indices), tuple(map(str, classes.tolist()))


def _split(folder: Path, described: Description, number: int, labels: Int64[Tensor, " n"]) -> LabelSplit:
    files = described.splits[number]
    parts = (files.train, files.validation, files.test)
    # Some index files were drawn with replacement: a node that a part names twice counts once.
    split = LabelSplit(*(torch.from_numpy(np.unique(read_numbers(folder / file)).astype(np.int64)) for file in parts))
    split.check(f"splits.{number} in {folder}", labels)
    return split
