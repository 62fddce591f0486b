"""A heterogeneous graph as an encoder of nodes sees it: features, and the meta-paths between the nodes of one kind."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from anchorwise.models.sparse import SparseMatrix

Matrix = Any  # A scipy.sparse.csr_array, whose types do not know what it has.
NAME: Final = re.compile(r"[A-Za-z0-9_-]+")
_PARTS = ("starts", "columns", "values", "width")


@dataclass(frozen=True, eq=False)
class MetaPath:
    """How nodes of a kind are linked through nodes in the middle.

    Attributes:
        middle: The kind of these.
        half: How often each node is linked to each in the middle, shape (nodes, nodes in the middle). The path there
            and back is this times its transpose.
    """

    middle: str
    half: Matrix


@dataclass(frozen=True, eq=False)
class Graph:
    """What nodes are told apart by.

    Attributes:
        target: The kind of node that has rows.
        sizes: Nodes of every kind: of the target, and in the middle of a meta-path.
        features: Of the kinds that have some, one row a node.
        meta_paths: By name, in the order in which an encoder has them.

    Raises:
        ValueError: If it is no graph that could be learnt on; the message says how to make it one.
    """

    target: str
    sizes: Mapping[str, int]
    features: Mapping[str, Matrix]
    meta_paths: Mapping[str, MetaPath]

    def __post_init__(self) -> None:
        if not self.meta_paths:
            raise ValueError("a graph must have a meta-path, got none; name one in meta_paths")
        for name in (*self.sizes, *self.meta_paths):
            if not NAME.fullmatch(name):
                raise ValueError(f"names of nodes and meta-paths must be letters, digits, _ and -, got {name!r}")
        for name, path in self.meta_paths.items():
            if not path.half.nnz:
                raise ValueError(f"meta-path {name} must link some nodes, got none; leave it out of meta_paths")
        self._refuse_unknowable()

    def _refuse_unknowable(self) -> None:
        """Refuse nodes that nothing is known of: without a link on any meta-path, and without features."""
        is_alone = np.logical_and.reduce([self.is_alone(name) for name in self.meta_paths])
        features = self.features.get(self.target)
        has_none = np.ones(len(is_alone), dtype=bool) if features is None else np.diff(features.indptr) == 0
        bare = np.flatnonzero(is_alone & has_none)
        if len(bare):
            raise ValueError(
                f"every {self.target} must have a link on a meta-path or features, got {len(bare):,} of "
                f"{len(is_alone):,} without either, the first is number {bare[0]}; leave them out, or give their links"
            )

    def is_alone(self, name: str) -> np.ndarray:
        """Say of every node whether it has no link on a meta-path, shape (nodes,)."""
        return np.diff(self.meta_paths[name].half.indptr) == 0

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of node, the target first, the others in the order of the alphabet."""
        return self.target, *sorted(self.sizes.keys() - {self.target})

    @property
    def what(self) -> str:
        """Its number of nodes and its meta-paths, in words, with how many nodes a meta-path does not reach."""
        alone = {name: int(self.is_alone(name).sum()) for name in self.meta_paths}
        said = [f"{name} ({count:,} alone)" if count else name for name, count in alone.items()]
        return f"{self.sizes[self.target]:,} nodes ({self.target}) on {', '.join(said)}"

    @cached_property
    def number(self) -> int:
        """Tells the graph from others."""
        hashed = hashlib.sha256()
        for name, part in sorted(self.tensors().items()):
            hashed.update(name.encode())
            hashed.update(part.numpy().data)
        return int.from_bytes(hashed.digest()[:7], "big")

    def tensors(self) -> dict[str, Tensor]:
        """Return all of it as tensors by name, which `graph_of` reads."""
        found: dict[str, Tensor] = {
            f"nodes.{kind}": torch.tensor([number, int(kind == self.target)]) for kind, number in self.sizes.items()
        }
        for kind, features in self.features.items():
            found |= _parts(f"features.{kind}", features)
        for place, (name, path) in enumerate(self.meta_paths.items()):
            found |= _parts(f"path.{place}.{name}.{path.middle}", path.half)
        return found


def graph_of(tensors: Mapping[str, Tensor]) -> Graph:
    """Return the graph that `Graph.tensors` gave; what else is there is passed over.

    Raises:
        KeyError: If a part is missing.
        ValueError: If it is none.
    """
    kinds = {name.split(".")[1]: part.tolist() for name, part in tensors.items() if name.startswith("nodes.")}
    sizes = {kind: int(number) for kind, (number, _) in kinds.items()}
    target = next(kind for kind, (_, is_target) in kinds.items() if is_target)
    bases = sorted({name.rpartition(".")[0] for name in tensors if name.startswith(("features.", "path."))})
    features, paths = dict[str, Matrix](), dict[int, tuple[str, MetaPath]]()
    for base in bases:
        first, *rest = base.split(".")
        if first == "features":
            features[rest[0]] = _matrix(tensors, base)
        else:
            place, name, middle = rest
            paths[int(place)] = (name, MetaPath(middle, _matrix(tensors, base)))
    return Graph(target, sizes, features, dict(paths[place] for place in sorted(paths)))


def _parts(name: str, matrix: Matrix) -> dict[str, Tensor]:
    numbers = (matrix.indptr, matrix.indices, matrix.data, np.array([matrix.shape[1]]))
    kinds = (np.int64, np.int32, np.float32, np.int64)
    return {
        f"{name}.{part}": torch.from_numpy(np.ascontiguousarray(values, kind))
        for part, values, kind in zip(_PARTS, numbers, kinds, strict=True)
    }


def _matrix(tensors: Mapping[str, Tensor], name: str) -> Matrix:
    starts, columns, values, width = (tensors[f"{name}.{part}"].cpu().numpy() for part in _PARTS)
    matrix: Matrix = sparse.csr_array((values, columns, starts), shape=(len(starts) - 1, int(width[0])))
    matrix.check_format(full_check=True)
    return matrix


def as_module(matrix: Any, *, is_symmetric: bool = False) -> SparseMatrix:
    """Return a matrix as a part of a network."""
    entries = matrix.tocoo()
    rows, columns = (torch.from_numpy(numbers.astype(np.int64)) for numbers in entries.coords)
    values = torch.from_numpy(entries.data.astype(np.float32))
    return SparseMatrix(rows, columns, values, shape=matrix.shape, is_symmetric=is_symmetric)
