import numpy as np
import pytest

from anchorwise.embeddings import Embeddings, load_embeddings


def some_embeddings():
    rows = np.random.default_rng(0).standard_normal((6, 3)).astype(np.float32)
    names = tuple(f"cat/{i}.png" for i in range(6))
    return Embeddings((rows,), np.arange(6) % 2, names=names, class_names=("cat", "dög"), split="train")


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_a_saved_file_loads_back_the_same(tmp_path, suffix):
    path, saved = tmp_path / f"train{suffix}", some_embeddings()
    saved.save(str(path))
    loaded = load_embeddings(str(path))
    assert np.array_equal(loaded.views[0], saved.views[0])
    assert loaded.require_labels().tolist() == saved.require_labels().tolist()
    assert (loaded.names, loaded.class_names, loaded.split) == (saved.names, saved.class_names, saved.split)
    assert loaded.notes == ()
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_two_views_with_ids_and_groups_and_nothing_else_load_back_the_same(tmp_path, suffix):
    rows = np.arange(6.0).reshape(3, 2)
    ids, groups = np.array([0, 0, 1]), np.array([5, 7, 7])
    Embeddings((rows, rows.T.copy().T + 1), ids=ids, groups=groups).save(tmp_path / f"x{suffix}")
    loaded = load_embeddings(tmp_path / f"x{suffix}")
    assert [view.tolist() for view in loaded.views] == [rows.tolist(), (rows + 1).tolist()]
    assert (loaded.labels, loaded.ids.tolist(), loaded.names) == (None, [0, 0, 1], ())
    assert loaded.groups.tolist() == [5, 7, 7]


def test_items_and_classes_without_names_are_named_by_their_numbers():
    plain = Embeddings((np.ones((3, 2)),), labels=np.array([7, 10**12, 7]))
    assert (plain.name(2), plain.class_name(1)) == ("2", "1000000000000")
    assert Embeddings((np.ones((3, 2)),)).class_name(1) == ""
    assert some_embeddings().class_name(3) == "dög"


def test_labels_may_be_words():
    words = Embeddings((np.ones((2, 2)),), labels=np.array(["cat", "dog"]))
    assert words.class_name(1) == "dog"


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"views": ()}, ValueError, "views must be one or two arrays, got 0"),
        ({"views": (np.ones(3),)}, ValueError, r"view0 must have shape \(items, width\).* got \(3,\)"),
        ({"views": (np.ones((0, 2)),)}, ValueError, r"both at least 1, got \(0, 2\)"),
        (
            {"views": (np.ones((3, 2), complex),)},
            TypeError,
            "view0 must hold numbers, got complex128; cast it to float32",
        ),
        (
            {"views": (np.ones((3, 2)), np.ones((4, 2)))},
            ValueError,
            r"view0 and view1 must have the same shape, got \(3, 2\) and \(4, 2\); row i of both",
        ),
        ({"views": (np.ones((3, 2)),), "across": True}, ValueError, "across needs two views"),
        (
            {"views": (np.ones((3, 2)),), "labels": np.zeros(2, int)},
            ValueError,
            r"labels must be one whole number or word per row, shape \(3,\), got int64 of shape \(2,\)",
        ),
        ({"views": (np.ones((3, 2)),), "ids": np.zeros(3)}, ValueError, "ids must be one whole number .* got float64"),
        (
            {"views": (np.ones((3, 2)),), "labels": np.array([0, -1, 2])},
            ValueError,
            "labels must be whole numbers from 0, got -1; leave rows without one out",
        ),
        ({"views": (np.ones((3, 2)),), "names": ["a"]}, ValueError, "names must name each of the 3 rows once, got 1"),
        (
            {"views": (np.ones((2, 2)),), "labels": np.array([0, 3]), "class_names": ["a"]},
            ValueError,
            "labels must lie below the 1 class_names, got 3",
        ),
        (
            {"views": (np.ones((2, 2)),), "labels": np.array(["a", "b"]), "class_names": ["a"]},
            ValueError,
            "got labels of text; leave class_names out",
        ),
    ],
)
def test_parts_that_do_not_fit_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        Embeddings(**arguments)


def test_missing_labels_are_asked_for_by_split_with_what_was_left_out():
    with pytest.raises(
        ValueError, match=r"the test rows must have labels .* got none; .* \(Arrays not used: klass\.\)"
    ):
        Embeddings((np.ones((2, 2)),), split="test", notes=("Arrays not used: klass.",)).require_labels()


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_two_encoders_stay_two_encoders(tmp_path, suffix):
    rows = np.eye(3, dtype=np.float32)
    Embeddings((rows, rows + 1), across=True).save(tmp_path / f"x{suffix}")
    loaded = load_embeddings(tmp_path / f"x{suffix}")
    assert loaded.across
    assert np.array_equal(loaded.views[1], rows + 1)


def test_labels_of_words_are_refused_where_a_format_has_no_text(tmp_path):
    words = Embeddings((np.eye(3, dtype=np.float32),), labels=np.array(["a", "b", "b"]), names=["x", "y", "z"])
    with pytest.raises(ValueError, match=r"safetensors holds no text: save as \.npz, or number the labels"):
        words.save(tmp_path / "x.safetensors")
    words.save(tmp_path / "x.npz")
    assert load_embeddings(tmp_path / "x.npz").names == ("x", "y", "z")
