"""Neighbours on meta-paths beside dense matrices."""

import numpy as np
import pytest
import torch
from scipy import sparse

from anchorwise.modalities.graphs.graph import MetaPath
from anchorwise.modalities.graphs.meta_paths import (
    averaged,
    counts,
    dropped_links,
    masked,
    masked_neighbors_of,
    nearest,
    neighbors_of,
    without_entries,
)

HALF = np.array([[2.0, 0, 1], [1, 1, 0], [0, 3, 0], [0, 0, 0], [1, 0, 0]])
ROWS = torch.randn(5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def _path(half: np.ndarray = HALF) -> MetaPath:
    return MetaPath("middle", sparse.csr_array(half))


def _dense(half: np.ndarray = HALF) -> np.ndarray:
    links = half @ half.T
    return links + np.diag((half.sum(axis=1) == 0).astype(float))


def _normalised(links: np.ndarray) -> torch.Tensor:
    scale = np.diag(links.sum(axis=1) ** -0.5)
    return torch.from_numpy(scale @ links @ scale)


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(1)


@pytest.mark.parametrize("most", [None, 5])
def test_all_neighbours_are_summed_as_by_the_dense_matrix_whether_it_is_made_or_not(most: int | None):
    assert np.array_equal(counts(_path()).toarray(), _dense())
    torch.testing.assert_close(
        neighbors_of(_path(), most).double()(ROWS), _normalised(_dense()) @ ROWS, rtol=1e-6, atol=1e-6
    )


def test_the_nearest_are_those_of_largest_path_sim_the_node_itself_first():
    links = _dense()
    kept = nearest(sparse.csr_array(links), 2).toarray()
    for i in range(5):
        similarity = [2.0 * links[i, j] / (links[i, i] + links[j, j]) for j in range(5)]
        order = sorted((j for j in range(5) if links[i, j]), key=lambda j: (-similarity[j], j != i, j))
        assert np.flatnonzero(kept[i]).tolist() == sorted(order[:2])
        assert (kept[i] == links[i] * (kept[i] > 0)).all()


def test_of_a_block_of_equal_neighbours_the_node_itself_is_kept_and_then_the_first():
    kept = nearest(counts(_path(np.ones((4, 1)))), 2)
    assert [np.flatnonzero(row).tolist() for row in kept.toarray()] == [[0, 1], [0, 1], [0, 2], [0, 3]]


def test_masks_drop_a_share_of_the_links_between_nodes_and_weigh_what_is_left_alike():
    links = counts(_path())
    dropped = dropped_links(links, 0.4, _generator())
    left = masked(links, dropped).toarray()
    between = _dense() * (1 - np.eye(5))
    assert dropped.nnz == int(0.4 * (between > 0).sum())
    assert (np.diag(left) == 1.0).all()
    assert ((left * (1 - np.eye(5))) == ((between > 0) & (dropped.toarray() == 0))).all()
    again = masked_neighbors_of(_path(), None, 0.4, _generator()).double()
    torch.testing.assert_close(again(ROWS), _normalised(left) @ ROWS, rtol=1e-6, atol=1e-6)


def test_of_blocks_what_is_dropped_is_taken_out_of_two_thin_products():
    half = np.array([[1.0, 0], [1, 0], [0, 1], [0, 0], [1, 0]])
    links = counts(_path(half))
    left = masked(links, dropped_links(links, 0.3, _generator())).toarray()
    thin = masked_neighbors_of(_path(half), None, 0.3, _generator())
    assert sum(part.num_entries for part in (thin.links, thin.dropped)) < (left > 0).sum()
    torch.testing.assert_close(thin.double()(ROWS), _normalised(left) @ ROWS, rtol=1e-6, atol=1e-6)


def test_features_lose_a_share_of_their_entries():
    left = without_entries(sparse.csr_array(HALF), 0.34, _generator())
    assert left.nnz == 4
    assert (left.toarray()[left.toarray() > 0] == HALF[left.toarray() > 0]).all()


def test_rows_are_averaged_over_neighbours_and_stay_where_there_are_none():
    links = _dense()
    expected = torch.from_numpy(links / links.sum(axis=1, keepdims=True)) @ ROWS
    torch.testing.assert_close(torch.from_numpy(averaged(_path(), ROWS.numpy())), expected)
