import sys

import numpy as np
import pytest

from anchorwise.evaluation.feature_files import read_arrays
from anchorwise.evaluation.features import load_features


def test_mapped_rows_stay_on_disk_until_they_are_used(tmp_path):
    np.save(tmp_path / "rows.npy", np.eye(3))
    rows = read_arrays(tmp_path / "rows.npy", mapped=True)["features"]
    assert isinstance(rows, np.memmap)
    assert np.array_equal(rows, np.eye(3))


def test_mapped_objects_are_never_unpickled(tmp_path):
    np.save(tmp_path / "rows.npy", np.array([{"run": "me"}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="objects"):
        read_arrays(tmp_path / "rows.npy", mapped=True)


def test_parquet_without_pyarrow_names_the_extra(tmp_path, monkeypatch):
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ValueError, match="needs pyarrow: pip install pyarrow"):
        read_arrays(tmp_path / "x.parquet")


@pytest.mark.parametrize("kind", ["list", "fixed"])
def test_parquet_columns_of_lists_are_matrices(tmp_path, kind):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    rows = np.arange(12, dtype=np.float32).reshape(4, 3)
    lists = arrow.array(rows.tolist(), arrow.list_(arrow.float32(), -1 if kind == "list" else 3))
    table = arrow.table({"embeddings": lists, "labels": [0, 1, 1, 0], "names": ["a", "b", "c", "d"]})
    parquet.write_table(table, tmp_path / "x.parquet", row_group_size=3)
    found = load_features(tmp_path / "x.parquet")
    assert found.features.numpy().tolist() == rows.tolist()
    assert found.require_labels().tolist() == [0, 1, 1, 0]
    assert found.names == ("a", "b", "c", "d")


@pytest.mark.parametrize(
    ("rows", "message"),
    [([[1.0], [1.0, 2.0]], "must hold lists of one length"), ([[1.0], None], "got 1 rows without")],
)
def test_ragged_parquet_columns_are_refused(tmp_path, rows, message):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    parquet.write_table(arrow.table({"x": arrow.array(rows, arrow.list_(arrow.float32()))}), tmp_path / "x.parquet")
    with pytest.raises(ValueError, match=f"x.parquet cannot be used: column x {message}|{message}"):
        load_features(tmp_path / "x.parquet")


def test_a_damaged_parquet_file_is_named(tmp_path):
    pytest.importorskip("pyarrow")
    (tmp_path / "x.parquet").write_bytes(b"PAR1 not really PAR1")
    with pytest.raises(ValueError, match=r"x\.parquet cannot be used"):
        load_features(tmp_path / "x.parquet")
