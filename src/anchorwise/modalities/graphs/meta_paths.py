"""Neighbours on a meta-path: how often two nodes are linked there and back, the nearest of them, masked ones.

PathSim: Sun et al. 2011, "PathSim: Meta Path-Based Top-K Similarity Search", Eq. 1, VLDB 4(11).
"""

from typing import final

import numpy as np
import torch
from jaxtyping import Float
from scipy import sparse
from torch import Tensor, nn

from anchorwise.modalities.graphs.graph import Matrix, MetaPath, as_module
from anchorwise.models.sparse import SparseMatrix

# n = nodes, d = width

_MOST_LINKS = 300_000_000


@final
class ThinNeighbors(nn.Module):
    """`D^-1/2 A D^-1/2` of all neighbours, through the nodes in the middle: two thin products, and A is never made.

    A node without a link is its own only neighbour.

    Args:
        path: The meta-path.
        dropped: Links of weight 1 that are taken out of A, shape (nodes, nodes); None for none.
    """

    scale: Tensor
    alone: Tensor

    def __init__(self, path: MetaPath, dropped: Matrix = None) -> None:
        super().__init__()
        half: Matrix = path.half.astype(np.float64)
        degrees = half @ half.sum(axis=0)
        alone = degrees == 0
        degrees = degrees + alone - (0.0 if dropped is None else dropped.sum(axis=1))
        self.links = as_module(path.half)
        self.dropped = None if dropped is None else as_module(dropped)
        self.register_buffer("scale", _tensor(degrees**-0.5).unsqueeze(1), persistent=False)
        self.register_buffer("alone", _tensor(alone).unsqueeze(1), persistent=False)

    def forward(self, rows: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """Return for every node the weighted sum of its neighbours' rows."""
        scaled = self.scale * rows
        seen = self.links(self.links.transposed(scaled)) + self.alone * scaled
        return self.scale * (seen if self.dropped is None else seen - self.dropped(scaled))


def neighbors_of(path: MetaPath, most: int | None) -> nn.Module:
    """Return what sums the neighbours of every node, weighted by `D^-1/2 A D^-1/2`.

    Args:
        path: The meta-path.
        most: Neighbours that are kept, a node itself among them; None for all.
    """
    if most is None:
        return ThinNeighbors(path)
    return normalised(nearest(counts(path), most))


def counts(path: MetaPath) -> Matrix:
    """Return A: how often two nodes are linked, shape (nodes, nodes); a node without a link is linked to itself once.

    Raises:
        ValueError: If there are more links than can be kept.
    """
    half = path.half.astype(np.float64)
    num_links = int(np.bincount(half.indices).astype(np.int64) @ np.bincount(half.indices).astype(np.int64))
    if num_links > _MOST_LINKS:
        raise ValueError(
            f"a meta-path must have at most {_MOST_LINKS:,} links to be masked or cut to neighbours, got up to "
            f"{num_links:,} through {path.middle}: leave it out of data.meta_paths"
        )
    alone = np.diff(half.indptr) == 0
    return sparse.csr_array(half @ half.T + sparse.diags_array(alone.astype(np.float64)))


def nearest(links: Matrix, most: int) -> Matrix:
    """Return the links of every node to those of largest PathSim `2 A_ij / (A_ii + A_jj)`.

    Of equal ones a node itself comes first, then those of lower numbers.

    Args:
        links: A.
        most: Links of a node that stay, that to itself among them.
    """
    entries, own = links.tocoo(), links.diagonal()
    rows, columns = entries.coords
    similarity = 2.0 * entries.data / (own[rows] + own[columns])
    order = np.lexsort((columns, rows != columns, -similarity, rows))
    first = np.searchsorted(rows[order], np.arange(links.shape[0]))
    kept = order[np.arange(len(order)) - first[rows[order]] < most]
    return sparse.csr_array((entries.data[kept], (rows[kept], columns[kept])), shape=links.shape)


def masked_neighbors_of(path: MetaPath, most: int | None, share: float, generator: torch.Generator) -> nn.Module:
    """Return what sums neighbours of weight 1, without a share of them, and the node itself, `D^-1/2 A D^-1/2` again.

    Where no two nodes are linked twice, what is dropped is taken out of two thin products.

    Args:
        path: The meta-path.
        most: Neighbours that are kept before; None for all.
        share: Of the links between two nodes, each direction for itself.
        generator: What is drawn with.
    """
    links = counts(path) if most is None else nearest(counts(path), most)
    dropped = dropped_links(links, share, generator)
    if most is None and links.data.max() == 1.0:
        return ThinNeighbors(path, dropped)
    return normalised(masked(links, dropped))


def dropped_links(links: Matrix, share: float, generator: torch.Generator) -> Matrix:
    """Return a share of the links between two nodes, drawn at random, with weight 1."""
    rows, columns = links.tocoo().coords
    between = np.flatnonzero(rows != columns)
    gone = between[torch.randperm(len(between), generator=generator).numpy()[: int(share * len(between))]]
    return sparse.csr_array((np.ones(len(gone)), (rows[gone], columns[gone])), shape=links.shape)


def masked(links: Matrix, dropped: Matrix) -> Matrix:
    """Return links of weight 1 without those that are dropped, and one of every node to itself."""
    ones = links.copy()
    ones.data = np.ones_like(links.data)
    left: Matrix = ones - dropped - sparse.diags_array(ones.diagonal())
    left.eliminate_zeros()
    return sparse.csr_array(left + sparse.eye_array(links.shape[0]))


def normalised(links: Matrix) -> SparseMatrix:
    """Return `D^-1/2 A D^-1/2` with the sums of rows in D."""
    scale = sparse.diags_array(links.sum(axis=1) ** -0.5)
    return as_module(scale @ links @ scale)


def without_entries(matrix: Matrix, share: float, generator: torch.Generator) -> Matrix:
    """Return a matrix without a share of its entries, drawn at random."""
    entries = matrix.tocoo()
    order = torch.randperm(matrix.nnz, generator=generator).numpy()
    kept = order[int(share * matrix.nnz) :]
    rows, columns = (numbers[kept] for numbers in entries.coords)
    return sparse.csr_array((entries.data[kept], (rows, columns)), shape=matrix.shape)


def averaged(path: MetaPath, rows: np.ndarray) -> np.ndarray:
    """Return for every node the mean row of its neighbours, each counted as often as it is linked."""
    half = path.half.astype(np.float64)
    degrees = (half @ half.sum(axis=0))[:, None]
    return np.where(degrees > 0, (half @ (half.T @ rows)) / np.maximum(degrees, 1.0), rows)


def _tensor(numbers: np.ndarray) -> Tensor:
    return torch.from_numpy(numbers.astype(np.float32))
