import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from anchorwise.embeddings import Embeddings, as_embeddings, load_embeddings
from anchorwise.embeddings.arrays import as_array

ROWS = np.arange(12, dtype=np.float32).reshape(4, 3)
KEYS = ["features", "embeddings", "embedding", "emb", "x", "X", "arr_0", "whatever_the_only_matrix_is_called"]


@pytest.mark.parametrize("key", KEYS)
def test_one_view_is_found_by_its_name_or_by_being_alone(tmp_path, key):
    np.savez(tmp_path / "e.npz", **{key: ROWS, "y": np.arange(4), "ids": np.array([0, 0, 1, 1])})
    found = load_embeddings(tmp_path / "e.npz")
    assert np.array_equal(found.views[0], ROWS)
    assert (found.labels.tolist(), found.ids.tolist()) == ([0, 1, 2, 3], [0, 0, 1, 1])
    assert found.notes == ()


@pytest.mark.parametrize("key", ["labels", "label", "y", "targets", "target"])
def test_labels_are_found_by_any_of_their_names(key):
    assert as_embeddings({"embedding": ROWS, key: [0, 1, 1, 0]}).labels.tolist() == [0, 1, 1, 0]


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


def test_pictures_and_words_beside_the_rows_are_no_views():
    found = as_embeddings({"embedding": ROWS, "image": [b"a", b"b", b"c", b"d"], "text": ["a", "b", "c", "d"]})
    assert len(found.views) == 1
    assert found.notes == ("Arrays not used: image, text.",)


def test_two_files_are_two_views(tmp_path):
    np.save(tmp_path / "a.npy", ROWS)
    np.save(tmp_path / "b.npy", ROWS + 1)
    found = load_embeddings(tmp_path / "a.npy", tmp_path / "b.npy", across=True)
    assert len(found.views) == 2
    assert found.across
    assert isinstance(found.views[0], np.memmap)


def test_three_views_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", view0=ROWS, view1=ROWS)
    np.save(tmp_path / "b.npy", ROWS)
    with pytest.raises(ValueError, match="give one file, or two with one view each; got 2 files with 3 views"):
        load_embeddings(tmp_path / "a.npz", tmp_path / "b.npy")


def test_what_nobody_needs_is_not_read_and_named(tmp_path):
    paths = np.array(["a", None], dtype=object)
    np.savez(
        tmp_path / "e.npz", features=ROWS, paths=paths, class_id=np.arange(4), names=np.array(list("abcd"), object)
    )
    found = load_embeddings(tmp_path / "e.npz")
    assert found.notes == ("names cannot be read and is left out (ValueError).", "Arrays not used: paths, class_id.")
    assert found.names == ()


def test_metadata_that_is_no_json_spoils_nothing(tmp_path):
    metadata = {"names": "a,b,c,d", "class_names": "[" * 100_000}
    save_file({"x": ROWS}, tmp_path / "e.safetensors", metadata=metadata)
    found = load_embeddings(tmp_path / "e.safetensors")
    assert (found.names, found.class_names, len(found.notes)) == ((), (), 2)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int64, np.float16, np.float64])
def test_rows_of_any_numbers_are_taken(dtype):
    assert np.array_equal(as_embeddings(ROWS.astype(dtype)).views[0], ROWS)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint64, bool])
def test_labels_of_any_whole_numbers_are_taken_and_bools_are_two_classes(dtype):
    assert as_embeddings(ROWS, labels=np.array([0, 1, 1, 0], dtype)).labels.tolist() == [0, 1, 1, 0]


def test_labels_beyond_int64_keep_their_values():
    largest = 2**64 - 1
    assert as_embeddings(ROWS, labels=np.array([largest, 0, 1, 2], np.uint64)).labels[0] == largest


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_tensors_of_any_dtype_with_a_gradient_are_taken(dtype):
    rows = torch.from_numpy(ROWS).to(dtype).requires_grad_()
    found = as_embeddings(rows, labels=torch.tensor([0, 1, 0, 1]), pairs=rows.detach() + 1)
    assert [view[0, 0] for view in found.views] == [0.0, 1.0]
    assert found.labels.tolist() == [0, 1, 0, 1]


def test_lists_columns_and_paths_are_taken(tmp_path):
    np.save(tmp_path / "e.npy", ROWS)
    columns = {"embedding": ROWS.tolist(), "label": ["a", "b", "b", "a"]}
    for given in (ROWS.tolist(), columns, tmp_path / "e.npy", str(tmp_path / "e.npy"), as_embeddings(ROWS)):
        assert np.array_equal(as_embeddings(given).views[0], ROWS)
    assert as_embeddings(columns).labels.tolist() == ["a", "b", "b", "a"]


@pytest.mark.parametrize("values", [["a", "b", "b", "a"], [3, 1, 1, 3]])
def test_words_and_whole_numbers_that_come_as_objects_are_taken(values):
    assert as_embeddings(ROWS, labels=np.array(values, dtype=object)).labels.tolist() == values


@pytest.mark.parametrize("row", [np.asarray, list])
def test_rows_that_come_as_objects_are_taken_as_pandas_and_pyarrow_have_them(row):
    column = np.empty(len(ROWS), dtype=object)
    column[:] = [row(one) for one in ROWS]
    assert np.array_equal(as_array("rows", column), ROWS)
    column[0] = row(ROWS[0][:1])
    with pytest.raises(TypeError, match="rows must be an array of rows of one length, got rows of several lengths"):
        as_array("rows", column)


def test_labels_at_the_call_take_the_place_of_those_in_the_file():
    columns = {"x": ROWS, "y": [0, 0, 0, 0], "class_names": ["only"]}
    assert as_embeddings(columns, labels=[5, 6, 7, 8]).labels.tolist() == [5, 6, 7, 8]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, "rows must be an array, a tensor or lists of numbers, got NoneType"),
        ([[1.0], [1.0, 2.0]], "rows must be an array of rows of one length"),
        ({"a": 1}, "got dict"),
        ([None, "a"], "rows must be .* got list of NoneType, str$"),
        (np.array([1.5, 2**70], dtype=object), "got ndarray of float, int$"),
        (np.array([["a", None]], dtype=object), r"NoneType, str; give the columns of a table by name, such as"),
    ],
)
def test_what_is_no_array_is_a_type_error_in_words(given, message):
    with pytest.raises(TypeError, match=message):
        as_array("rows", given)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": ROWS, "b": ROWS}, "it must hold one of features, .* or two views .* got a, b"),
        ({"x": ROWS, "features": ROWS}, "it must hold only one of .* got features and x"),
        ({"x": ROWS, "labels": np.ones(4)}, "labels must be whole numbers or text, got float64; convert them"),
        ({"x": ROWS, "label": np.array([0, 1, 2, -1])}, "labels must be whole numbers from 0, got -1"),
        ({"x": ROWS[0], "labels": np.arange(3)}, r"view0 must have shape \(items, width\)"),
        ({"x": np.array([["a", "b"]])}, "view0 must hold numbers, got <U1"),
        ({"x": np.array([{"run": "me"}], dtype=object)}, r"x must hold numbers or text, got Python objects, .*astype"),
        ({"x": ROWS, "labels": np.array(list("abca"), dtype=object)}, r"labels must hold .* labels\.astype\(str\)"),
        ({"x": ROWS, "names": ["a"]}, "names must name each of the 4 rows once, got 1"),
    ],
)
def test_unusable_files_are_named_with_the_reason(tmp_path, arrays, message):
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(ValueError, match=f"bad.npz cannot be used: .*{message}"):
        load_embeddings(tmp_path / "bad.npz")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.npy is not a file$"):
        load_embeddings(tmp_path / "none.npy")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("rows.pt", r"convert it in Python: .*torch\.load\('rows\.pt', weights_only=True\)"),
        ("rows.csv", r"convert it in Python: .*loadtxt\('rows\.csv', delimiter=','\)"),
        ("rows.doc", r"the suffix of .*rows\.doc must be one of '\.npz'"),
    ],
)
def test_other_formats_are_refused_with_the_line_that_converts_them(tmp_path, name, message):
    (tmp_path / name).write_bytes(b"1,2")
    with pytest.raises(ValueError, match=message):
        load_embeddings(tmp_path / name)


def test_two_files_that_say_different_things_of_an_item_are_refused_and_either_may_know_more(tmp_path):
    rows, labels = np.random.default_rng(0).standard_normal((6, 3)).astype(np.float32), np.arange(6)
    np.savez(tmp_path / "a.npz", features=rows, labels=labels, names=[f"{i}.png" for i in labels])
    np.savez(tmp_path / "b.npz", features=rows, labels=labels[::-1], names=[f"item {i}" for i in labels], junk=labels)
    with pytest.raises(ValueError, match="got other labels in the second one"):
        load_embeddings(tmp_path / "a.npz", tmp_path / "b.npz")
    np.savez(tmp_path / "a.npz", features=rows)
    found = load_embeddings(tmp_path / "a.npz", tmp_path / "b.npz")
    assert found.require_labels().tolist() == labels[::-1].tolist()
    assert (found.names[0], found.notes) == ("item 0", ("Arrays not used: junk.",))


def test_what_lies_under_a_mask_is_no_value():
    rows = np.ma.masked_equal(np.array([[1.0, 2.0], [-99.0, 3.0]]), -99.0)
    labels = np.ma.masked_equal(np.array([0, -1]), -1)
    said = "must have nothing masked, got 1 masked cells; leave these rows out"
    for given in (rows, {"embedding": rows}):
        with pytest.raises(ValueError, match=f"{said}, or give .filled"):
            as_embeddings(given)
    with pytest.raises(ValueError, match=f"labels {said}$"):
        as_embeddings(rows.filled(np.nan), labels=labels)
    with pytest.raises(ValueError, match=said):
        Embeddings((rows,))
    assert len(as_embeddings(np.ma.asarray(rows.data))) == 2  # Without a mask it is an array like any other.
