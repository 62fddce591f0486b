import numpy as np
import pytest

from anchorwise.diagnostics.rows import usable_rows
from anchorwise.diagnostics.space import look_at_space
from anchorwise.embeddings import Embeddings


def rows_of(n=300, d=4, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)


def test_rows_are_scaled_to_length_one_when_they_are_asked_for():
    view = 5.0 * rows_of()
    rows = usable_rows(Embeddings((view,)))
    expected = view / np.linalg.norm(view, axis=1, keepdims=True)
    assert rows.largest_length_error > 1.0
    assert rows.chunk(0, 10, 20) == pytest.approx(expected[10:20], abs=1e-6)
    assert rows.units(np.array([7, 299])) == pytest.approx(expected[[7, 299]], abs=1e-6)


@pytest.mark.parametrize("size", [1e-300, 1e-30, 1e30, 1e300])
def test_float64_rows_of_any_size_are_scaled_before_they_are_narrowed(size):
    view = rows_of().astype(np.float64)
    rows, expected = usable_rows(Embeddings((size * view,))), usable_rows(Embeddings((view,)))
    assert rows.num_dropped == 0
    assert rows.chunk(0, 0, 300) == pytest.approx(expected.chunk(0, 0, 300), abs=1e-6)
    assert rows.units(np.arange(300)) == pytest.approx(expected.units(np.arange(300)), abs=1e-6)


@pytest.mark.parametrize("size", [1e-300, 1e300])
def test_the_space_of_float64_rows_of_any_size_is_looked_at(size):
    view = rows_of().astype(np.float64)
    found, expected = (
        look_at_space(usable_rows(Embeddings((rows,))), np.random.default_rng(0)) for rows in (size * view, view)
    )
    assert found.effective_rank == pytest.approx(expected.effective_rank, abs=1e-4)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 0.0])
def test_rows_without_a_direction_are_dropped_in_both_views_and_counted(bad):
    view0, view1 = rows_of(), rows_of(seed=1)
    view1[5] = bad
    labels = np.arange(300)
    rows = usable_rows(Embeddings((view0, view1), labels=labels, ids=labels // 2, names=[f"n{i}" for i in range(300)]))
    assert (rows.num_items, rows.num_dropped, len(rows)) == (299, 1, 598)
    assert rows.labels[:7].tolist() == [0, 1, 2, 3, 4, 6, 7]
    # Item 5 is gone: what was 6 is the usable item 5, and row 299 + 5 is its second view.
    assert rows.name(299 + 5) == "n6 (view 1)"
    expected = view1[6] / np.linalg.norm(view1[6])
    assert rows.units(np.array([299 + 5]))[0] == pytest.approx(expected, abs=1e-6)
    assert rows.chunk(1, 4, 6)[1] == pytest.approx(expected, abs=1e-6)
    assert rows.groups[[4, 5]].tolist() == [2, 3]


def test_read_only_and_half_precision_rows_are_taken():
    view = rows_of().astype(np.float16)
    view.setflags(write=False)
    rows = usable_rows(Embeddings((view,)))
    assert rows.chunk(0, 0, 3).dtype == np.float32
    assert np.linalg.norm(rows.chunk(0, 0, 3), axis=1) == pytest.approx(np.ones(3), abs=1e-6)


def test_too_few_usable_rows_say_how_many_were_lost():
    view = rows_of(220)
    view[:30] = np.nan
    with pytest.raises(ValueError, match=r"at least 200 usable items .* got 190 \(30 more have nan"):
        usable_rows(Embeddings((view,)))


def test_one_id_for_everything_leaves_no_negative():
    with pytest.raises(ValueError, match="ids must differ between items"):
        usable_rows(Embeddings((rows_of(),), ids=np.zeros(300, int)))


def test_one_label_for_everything_is_none():
    assert usable_rows(Embeddings((rows_of(),), labels=np.zeros(300, int))).labels is None
    assert usable_rows(Embeddings((rows_of(),), labels=np.arange(300) % 2)).labels is not None
