import numpy as np
import pytest

from anchorwise.embeddings import Embeddings, side_by_side

FIRST = Embeddings((np.array([[3.0, 4.0], [0.0, 0.0]]),), labels=np.array([1, 0]), names=("a", "b"))


def test_rows_stand_one_behind_the_other_each_at_length_one():
    joined = side_by_side([FIRST, Embeddings((np.array([[2], [-5]]),), names=("a", "b"))])
    assert joined.views[0].tolist() == [[0.6, 0.8, 1.0], [0.0, 0.0, -1.0]]
    assert (joined.labels.tolist(), joined.names) == ([1, 0], ("a", "b"))


def test_the_rows_of_one_encoder_are_its_own():
    assert side_by_side([FIRST]) is FIRST


@pytest.mark.parametrize("other", [np.ones((3, 2)), np.ones((2, 2))])
def test_rows_of_other_items_are_refused(other: np.ndarray):
    with pytest.raises(ValueError, match="parts must hold the same items in the same order, got 2 rows"):
        side_by_side([FIRST, Embeddings((other,), names=("b", "a", "c")[: len(other)])])


def test_no_rows_are_refused():
    with pytest.raises(ValueError, match="parts must hold the rows of one encoder at least, got none"):
        side_by_side([])
