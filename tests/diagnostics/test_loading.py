import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file

from anchorwise.diagnostics.loading import load_embeddings, with_images

ROWS = np.arange(12, dtype=np.float32).reshape(4, 3)


@pytest.mark.parametrize("key", ["features", "embeddings", "x", "whatever_the_only_matrix_is_called"])
def test_one_view_is_found_by_its_name_or_by_being_alone(tmp_path, key):
    np.savez(tmp_path / "e.npz", **{key: ROWS, "y": np.arange(4), "ids": np.array([0, 0, 1, 1])})
    found = load_embeddings(tmp_path / "e.npz")
    assert np.array_equal(found.views[0], ROWS)
    assert (found.labels.tolist(), found.ids.tolist()) == ([0, 1, 2, 3], [0, 0, 1, 1])


@pytest.mark.parametrize(
    ("keys", "across"),
    [
        (("view0", "view1"), False),
        (("z0", "z1"), False),
        (("image", "text"), True),
        (("image_embeddings", "text_embeddings"), True),
    ],
)
def test_two_views_are_found_by_name_and_image_and_text_are_two_encoders(tmp_path, keys, across):
    save_file({keys[0]: ROWS, keys[1]: ROWS + 1}, tmp_path / "e.safetensors")
    found = load_embeddings(tmp_path / "e.safetensors")
    assert [view[0, 0] for view in found.views] == [0.0, 1.0]
    assert found.across is across


def test_two_files_are_two_views(tmp_path):
    np.save(tmp_path / "a.npy", ROWS)
    np.save(tmp_path / "b.npy", ROWS + 1)
    found = load_embeddings(tmp_path / "a.npy", tmp_path / "b.npy", across=True)
    assert len(found.views) == 2
    assert found.across
    assert isinstance(found.views[0], np.memmap)


def test_parquet_is_read(tmp_path):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    parquet.write_table(arrow.table({"view0": ROWS.tolist(), "view1": ROWS.tolist()}), tmp_path / "e.parquet")
    assert [view.shape for view in load_embeddings(tmp_path / "e.parquet").views] == [(4, 3), (4, 3)]


def test_three_views_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", view0=ROWS, view1=ROWS)
    np.save(tmp_path / "b.npy", ROWS)
    with pytest.raises(ValueError, match="give one file, or two with one view each; got 2 files with 3 views"):
        load_embeddings(tmp_path / "a.npz", tmp_path / "b.npy")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": ROWS, "b": ROWS}, "it must hold one of features, embeddings, x, or two views .* got a, b"),
        ({"x": ROWS.astype(int)}, "view0 must hold floating numbers, got int64"),
        ({"x": ROWS, "labels": np.ones(4)}, "labels must be whole numbers, got float64"),
        ({"x": ROWS[0], "labels": np.arange(3)}, r"view0 must have shape \(items, width\)"),
        ({"x": np.array([{"run": "me"}], dtype=object)}, "allow_pickle=False"),
    ],
)
def test_unusable_files_are_named_with_the_reason(tmp_path, arrays, message):
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(ValueError, match=f"bad.npz cannot be used: .*{message}"):
        load_embeddings(tmp_path / "bad.npz")


@pytest.mark.parametrize("suffix", [".npz", ".npy", ".safetensors"])
def test_a_damaged_file_is_named(tmp_path, suffix):
    (tmp_path / f"damaged{suffix}").write_bytes(b"PK\x03\x04 not really")
    with pytest.raises(ValueError, match=f"damaged{suffix} cannot be used"):
        load_embeddings(tmp_path / f"damaged{suffix}")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.npy is not a file"):
        load_embeddings(tmp_path / "none.npy")


def test_pictures_are_found_by_the_names_of_the_items(tmp_path):
    np.savez(tmp_path / "e.npz", x=ROWS, names=[f"{i}.png" for i in range(4)])
    Image.new("RGB", (80, 90), (255, 0, 0)).save(tmp_path / "0.png")
    embeddings = with_images(load_embeddings(tmp_path / "e.npz"), tmp_path)
    assert embeddings.image(0).shape == (3, 64, 64)
    (tmp_path / "0.png").unlink()
    with pytest.raises(ValueError, match=r"the names of the items must be image files in .* got '0\.png'"):
        with_images(load_embeddings(tmp_path / "e.npz"), tmp_path)
