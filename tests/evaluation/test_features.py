import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from anchorwise.evaluation.features import Features, check_rows, load_features


def some_features():
    rows = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    names = tuple(f"cat/{i}.png" for i in range(6))
    return Features(rows, torch.arange(6) % 2, names, ("cat", "dög"), "train")


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_a_saved_file_loads_back_the_same(tmp_path, suffix):
    path = tmp_path / f"train{suffix}"
    saved = some_features()
    saved.save(path)
    loaded = load_features(path)
    assert torch.equal(loaded.features, saved.features)
    assert torch.equal(loaded.require_labels(), saved.require_labels())
    assert (loaded.names, loaded.class_names, loaded.split) == (saved.names, saved.class_names, saved.split)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_subset_keeps_rows_labels_and_names_together():
    whole = some_features()
    part = whole.subset(torch.tensor([4, 1]))
    assert torch.equal(part.features, whole.features[[4, 1]])
    assert part.require_labels().tolist() == [0, 1]
    assert part.names == ("cat/4.png", "cat/1.png")


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_unlabelled_features_stay_unlabelled(tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    Features(torch.ones(2, 3)).save(path)
    loaded = load_features(path)
    assert loaded.labels is None
    assert loaded.names == ("0", "1")


@pytest.mark.parametrize("features_key", ["features", "embeddings", "x"])
@pytest.mark.parametrize("labels_key", ["labels", "y", "targets"])
def test_files_of_others_may_use_other_names_and_types(tmp_path, features_key, labels_key):
    path = tmp_path / "theirs.npz"
    np.savez(path, **{features_key: np.ones((4, 2), np.float16), labels_key: np.array([0, 1, 2, 3], np.uint8)})
    loaded = load_features(path)
    assert loaded.features.dtype == torch.float32
    assert loaded.require_labels().tolist() == [0, 1, 2, 3]


def test_a_plain_array_is_features_without_labels(tmp_path):
    np.save(tmp_path / "rows.npy", np.eye(3))
    assert load_features(tmp_path / "rows.npy").labels is None


def test_bfloat16_safetensors_are_read(tmp_path):
    from safetensors.torch import save_file as save_tensors

    save_tensors({"x": torch.ones(2, 3, dtype=torch.bfloat16)}, tmp_path / "half.safetensors")
    assert load_features(tmp_path / "half.safetensors").features.dtype == torch.float32


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"z": np.ones((2, 2))}, "it must hold one of features, embeddings, x, got z"),
        ({"x": np.ones((2, 2)), "features": np.ones((2, 2))}, "it must hold only one of .* got features and x"),
        ({"x": np.ones((0, 2))}, r"features must have shape .* got \(0, 2\)"),
        ({"x": np.array([[1.0, np.nan], [1, 1]])}, "got 1 of 2 rows with nan or infinity, the first is row 0"),
        ({"x": np.array([["a", "b"]])}, "features must be numbers, got <U1"),
        ({"x": np.ones((2, 2)), "y": np.ones(2)}, "labels must be whole numbers, got float64"),
        ({"x": np.ones((2, 2)), "y": np.array([0, -1])}, "labels must be whole numbers from 0, got -1"),
        ({"x": np.ones((2, 2)), "class_names": ["a"], "y": np.array([0, 1])}, "below the 1 class_names, got 1"),
        ({"x": np.ones((2, 2)), "names": ["a"]}, "names must name each of the 2 rows once, got 1"),
    ],
)
def test_unusable_files_say_what_is_wrong(tmp_path, arrays, message):
    path = tmp_path / "bad.npz"
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match=f"bad.npz cannot be used: .*{message}"):
        load_features(path)


def test_rows_that_are_no_matrix_are_refused():
    with pytest.raises(ValueError, match=r"features must have shape \(images, width\).* got \(2, 2, 2\)"):
        check_rows(torch.ones(2, 2, 2))


def test_labels_of_another_length_are_refused(tmp_path):
    path = tmp_path / "bad.safetensors"
    save_file({"x": np.ones((2, 2)), "y": np.zeros(3, np.int64)}, path)
    with pytest.raises(Exception, match="labels"):  # The shape checker of the tests may speak first.
        load_features(path)


@pytest.mark.parametrize("suffix", [".npz", ".npy", ".safetensors"])
def test_a_damaged_file_is_named(tmp_path, suffix):
    path = tmp_path / f"damaged{suffix}"
    path.write_bytes(b"PK\x03\x04 not really")
    with pytest.raises(ValueError, match=f"damaged{suffix} cannot be used"):
        load_features(path)


def test_pickled_objects_are_never_unpickled(tmp_path):
    path = tmp_path / "pickle.npz"
    np.savez(path, x=np.array([{"run": "me"}], dtype=object))
    with pytest.raises(ValueError, match="cannot be used"):
        load_features(path)


def test_a_missing_file_and_an_unknown_suffix_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.npz is not a file; write one with `anchorwise embed`"):
        load_features(tmp_path / "none.npz")
    with pytest.raises(ValueError, match=r"the suffix of .*x\.csv must be one of"):
        load_features(tmp_path / "x.csv")


def test_missing_labels_are_asked_for_by_split():
    with pytest.raises(ValueError, match="the test features must have labels to be judged, got none"):
        Features(torch.ones(2, 2), split="test").require_labels()
