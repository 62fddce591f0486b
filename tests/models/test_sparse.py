"""Products with sparse matrices beside dense ones."""

import copy

import pytest
import torch

from anchorwise.models.sparse import SparseMatrix

ROWS, COLUMNS = torch.tensor([2, 0, 0, 2, 2]), torch.tensor([1, 3, 0, 1, 2])
VALUES = torch.tensor([1.5, -2.0, 0.5, 1.0, 3.0], dtype=torch.float64)


def _both() -> tuple[SparseMatrix, torch.Tensor]:
    dense = torch.zeros(3, 4, dtype=torch.float64).index_put((ROWS, COLUMNS), VALUES, accumulate=True)
    return SparseMatrix(ROWS, COLUMNS, VALUES, shape=(3, 4)), dense


def test_it_multiplies_as_the_dense_matrix_does_and_entries_of_one_place_are_added():
    matrix, dense = _both()
    right, left = torch.randn(4, 5, dtype=torch.float64), torch.randn(3, 5, dtype=torch.float64)
    torch.testing.assert_close(matrix(right), dense @ right)
    torch.testing.assert_close(matrix.transposed(left), dense.T @ left)
    assert matrix.num_entries == 4


def test_gradients_are_those_of_the_dense_matrix():
    matrix, _ = _both()
    right = torch.randn(4, 2, dtype=torch.float64, requires_grad=True)
    left = torch.randn(3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(matrix, (right,))
    assert torch.autograd.gradcheck(matrix.transposed, (left,))


def test_a_symmetric_matrix_is_kept_once():
    square = torch.tensor([[1.0, 2.0], [2.0, 0.0]], dtype=torch.float64)
    rows, columns = square.nonzero(as_tuple=True)
    matrix = SparseMatrix(rows, columns, square[rows, columns], shape=(2, 2), is_symmetric=True)
    assert len(list(matrix.buffers())) == 3
    dense = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(matrix, (dense,))
    torch.testing.assert_close(matrix.transposed(dense), square @ dense)


def test_a_copy_multiplies_too_and_nothing_of_it_is_saved():
    matrix, dense = _both()
    again = copy.deepcopy(matrix).to(torch.float32)
    right = torch.randn(4, 2)
    torch.testing.assert_close(again(right), dense.float() @ right)
    assert matrix.state_dict() == {}


def test_autocast_does_not_round_what_is_multiplied():
    matrix, right = _both()[0].float(), torch.randn(4, 2)
    with torch.autocast("cpu", torch.bfloat16):
        product = matrix(right)
    torch.testing.assert_close(product, _both()[1].float() @ right)


def test_an_entry_outside_is_refused():
    with pytest.raises(RuntimeError, match="size is inconsistent"):
        SparseMatrix(ROWS, COLUMNS, shape=(3, 3))
