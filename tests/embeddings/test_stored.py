import sys
import zipfile

import numpy as np
import pytest

from anchorwise.embeddings import load_embeddings, stored
from anchorwise.embeddings.stored import stored_arrays

ROWS = np.arange(12, dtype=np.float32).reshape(4, 3)


def test_rows_of_a_plain_file_stay_on_disk_until_they_are_used(tmp_path):
    np.save(tmp_path / "rows.npy", np.eye(3))
    rows = stored_arrays(tmp_path / "rows.npy")["features"].read()
    assert isinstance(rows, np.memmap)
    assert np.array_equal(rows, np.eye(3))


def test_bfloat16_safetensors_are_read(tmp_path):
    import torch
    from safetensors.torch import save_file

    save_file({"x": torch.ones(2, 3, dtype=torch.bfloat16)}, tmp_path / "half.safetensors")
    assert load_embeddings(tmp_path / "half.safetensors").views[0].dtype == np.float32


def _zip(path, **members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def _cut(path):
    np.save(path, ROWS)
    path.write_bytes(path.read_bytes()[:60])


def _bad_header(path):
    np.save(path, ROWS)
    path.write_bytes(path.read_bytes().replace(b"(4, 3)", b"(4, 3 "))


def _true_shape(path):
    np.savez(path.with_suffix(".npz"), x=ROWS)
    content = path.with_suffix(".npz").read_bytes()
    path.write_bytes(content.replace(b"(4, 3), ", b"(True,3)"))


DAMAGE = {
    "empty.npy": lambda path: path.write_bytes(b""),
    "empty.npz": lambda path: path.write_bytes(b""),
    "empty.safetensors": lambda path: path.write_bytes(b""),
    "cut.npy": _cut,
    "header.npy": _bad_header,
    "objects.npy": lambda path: np.save(path, np.array([{"run": "me"}], dtype=object), allow_pickle=True),
    "zip.npy": lambda path: _zip(path, x="1"),
    "words.npz": lambda path: _zip(path, x="no array"),
    "shape.npz": _true_shape,
    "zip.safetensors": lambda path: _zip(path, x="1"),
    "noise.npz": lambda path: path.write_bytes(b"PK\x03\x04 not really"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_whatever_is_wrong_with_a_file_is_one_error_that_names_it(tmp_path, name):
    DAMAGE[name](tmp_path / name)
    with pytest.raises(ValueError, match=rf"{name} cannot be used: \S"):
        load_embeddings(tmp_path / name)


def test_an_array_that_unpacks_to_far_more_than_it_is_is_refused_only_if_it_is_wanted(tmp_path, monkeypatch):
    monkeypatch.setattr(stored, "FREE_BYTES", 1000)
    np.savez_compressed(tmp_path / "e.npz", x=np.zeros((4, 100_000)))
    with pytest.raises(ValueError, match=r"x\.npy must unpack to at most 200 times its size, .*numpy\.savez"):
        load_embeddings(tmp_path / "e.npz")
    np.savez_compressed(tmp_path / "e.npz", features=ROWS, x_of_nobody=np.zeros((4, 100_000)))
    assert np.array_equal(load_embeddings(tmp_path / "e.npz").views[0], ROWS)
    np.savez(tmp_path / "e.npz", x=np.zeros((4, 100_000)))
    assert load_embeddings(tmp_path / "e.npz").width == 100_000


def test_parquet_without_pyarrow_names_the_package(tmp_path, monkeypatch):
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(
        ValueError, match=r"x\.parquet cannot be used: Parquet needs pyarrow: pip install \"anchorwise\[parquet\]\""
    ):
        load_embeddings(tmp_path / "x.parquet")


@pytest.fixture
def write_parquet(tmp_path):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")

    def write(**columns):
        parquet.write_table(arrow.table(columns), tmp_path / "x.parquet", row_group_size=3)
        return tmp_path / "x.parquet"

    return write


@pytest.mark.elsewhere
@pytest.mark.parametrize("kind", ["list", "fixed"])
def test_parquet_columns_of_lists_are_matrices(write_parquet, kind):
    arrow = pytest.importorskip("pyarrow")
    lists = arrow.array(ROWS.tolist(), arrow.list_(arrow.float32(), -1 if kind == "list" else 3))
    found = load_embeddings(write_parquet(embeddings=lists, label=[0, 1, 1, 0], names=["a", "b", "c", "d"]))
    assert found.views[0].tolist() == ROWS.tolist()
    assert found.labels.tolist() == [0, 1, 1, 0]
    assert found.names == ("a", "b", "c", "d")


@pytest.mark.elsewhere
def test_parquet_columns_that_nobody_needs_may_be_ragged_or_have_gaps(write_parquet):
    path = write_parquet(embedding=ROWS.tolist(), tokens=[[1], [1, 2], None, []], url=["a", None, "b", "c"])
    found = load_embeddings(path)
    assert found.views[0].tolist() == ROWS.tolist()
    assert found.notes == ("Arrays not used: tokens, url.",)


@pytest.mark.elsewhere
@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"x": [[1.0], [1.0, 2.0]]}, "column x must hold lists of one length"),
        ({"x": [[1.0], None]}, "column x must hold a value in every row, got 1 rows without"),
        ({"x": [[1.0], [2.0]], "label": ["a", None]}, "column label must hold a value in every row"),
    ],
)
def test_parquet_columns_that_are_needed_are_named_with_what_is_wrong(write_parquet, columns, message):
    with pytest.raises(ValueError, match=f"x.parquet cannot be used: {message}"):
        load_embeddings(write_parquet(**columns))


@pytest.mark.elsewhere
def test_a_damaged_parquet_file_is_named(tmp_path):
    pytest.importorskip("pyarrow")
    (tmp_path / "x.parquet").write_bytes(b"PAR1 not really PAR1")
    with pytest.raises(ValueError, match=r"x\.parquet cannot be used"):
        load_embeddings(tmp_path / "x.parquet")
