import json
import random
import tarfile
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset, IterableDataset, Subset, TensorDataset

from anchorwise._files import UnusableFileError
from anchorwise.modalities.own.samples import as_samples
from anchorwise.modalities.own.shards import Shards, expanded

pytestmark = pytest.mark.usefixtures("as_users_call")


class Pictures(Dataset):
    """Pillow images with words for classes, as torchvision's folders have them."""

    targets = (2, 0, 2, 1)
    classes = ("cat", "dog", "owl")

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int):
        return Image.new("RGB", (6, 4), (index, 0, 0)), self.targets[index]


class Stream(IterableDataset):
    def __iter__(self):
        yield torch.zeros(3)


def columns(**named) -> SimpleNamespace:
    """What a Hugging Face Dataset has: columns by name, and rows as dictionaries."""
    length = len(next(iter(named.values())))

    class Table:
        def __init__(self):
            self.column_names = list(named)
            self.features = {"label": SimpleNamespace(names=["no", "yes"])}

        def __len__(self):
            return length

        def __getitem__(self, key):
            return named[key] if isinstance(key, str) else {name: values[key] for name, values in named.items()}

    return Table()


def test_a_tensor_is_samples_and_labels_may_stand_beside_it():
    samples = as_samples(torch.arange(24).view(4, 6), labels=[5, 7, 5, 9])
    assert (len(samples), samples.what, samples.class_names) == (4, "4 samples of 6", ("5", "7", "9"))
    assert samples.labels.tolist() == [0, 1, 0, 2]
    assert samples.subset(torch.tensor([3, 0])).take(torch.tensor([0])).tolist() == [[18, 19, 20, 21, 22, 23]]


def test_groups_go_with_their_samples_into_batches_and_subsets():
    for given in (torch.rand(3, 2), list(torch.rand(3, 2))):
        samples = as_samples(given, groups=[4, 9, 4])
        assert samples.batch(torch.tensor([1, 2])).groups.tolist() == [9, 4]
        part = samples.subset(torch.tensor([2, 1]))
        assert (part.groups.tolist(), part.names) == ([4, 9], ("2", "1"))
        with pytest.raises(ValueError, match=r"groups must be whole numbers, one for each of the 3 samples, got"):
            as_samples(given, groups=[0.5, 1, 2])


def test_a_dataset_of_pillow_images_keeps_its_pixels_and_the_names_of_its_classes():
    samples = as_samples(Pictures())
    assert (samples.what, samples.class_names) == ("4 samples of 3 x 4 x 6", ("cat", "dog", "owl"))
    assert samples.labels.tolist() == [2, 0, 2, 1]
    taken = samples.take(torch.tensor([2, 1]))
    assert taken.dtype == torch.uint8
    assert taken[:, 0, 0, 0].tolist() == [2, 1]


def test_targets_spare_the_reading_of_every_item_also_through_a_subset():
    read = []

    class Counting(Pictures):
        def __getitem__(self, index: int):
            read.append(index)
            return super().__getitem__(index)

    assert as_samples(Counting()).labels.tolist() == [2, 0, 2, 1]
    part = as_samples(Subset(Counting(), [3, 0]))
    assert (part.labels.tolist(), part.class_names) == ([1, 2], ("cat", "dog", "owl"))
    assert read == []


def test_labels_beside_the_items_are_read_once_and_items_without_any_have_none():
    pairs = TensorDataset(torch.rand(3, 2), torch.tensor([4, 4, 6]))
    assert as_samples(pairs).labels.tolist() == [0, 0, 1]
    assert as_samples(TensorDataset(torch.rand(3, 2))).labels is None
    assert as_samples([np.zeros((5, 4, 3), np.uint8)] * 2).take(torch.arange(2)).shape == (2, 3, 5, 4)


def test_columns_are_found_by_their_usual_names_or_by_the_given_ones():
    images = [np.full((4, 4), value, np.uint8) for value in range(3)]
    samples = as_samples(columns(img=images, label=[1, 0, 1]))
    assert (samples.labels.tolist(), samples.class_names) == ([1, 0, 1], ("no", "yes"))
    named = as_samples(columns(scan=images, kind=[3, 3, 4]), image_column="scan", label_column="kind")
    assert (named.labels.tolist(), named.class_names) == ([0, 0, 1], ("3", "4"))
    assert torch.equal(named.take(torch.arange(3)), samples.take(torch.arange(3)))
    with pytest.raises(ValueError, match="image_column must name one of the columns scan, kind, got None"):
        as_samples(columns(scan=images, kind=[3, 3, 4])).take(torch.arange(1))


def test_a_dataset_that_draws_is_read_alike_every_time_and_leaves_the_generators_alone():
    class Drawing(Pictures):
        def __getitem__(self, index: int):
            return torch.rand(2) + random.random() + float(np.random.rand())  # noqa: NPY002

    samples = as_samples(Drawing(), labels=[0, 0, 1, 1])
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    first = samples.take(torch.tensor([0, 3]))
    assert states[1:] == (random.getstate(), np.random.get_state()[1].tolist())  # noqa: NPY002
    assert torch.equal(states[0], torch.get_rng_state())
    assert torch.equal(samples.take(torch.tensor([3]))[0], first[1])
    assert samples.fingerprint() == as_samples(Drawing(), labels=[0, 0, 1, 1]).fingerprint()


@pytest.mark.parametrize("change", [{"labels": [0, 1, 1, 1]}, {"labels": None}])
def test_other_labels_or_other_pixels_are_another_fingerprint(change):
    rows = torch.rand(4, 3)
    there = as_samples(list(rows), labels=[0, 0, 1, 1]).fingerprint()
    other = as_samples(list(rows), **change).fingerprint()
    assert there.differences(other) == ["4 samples of 3 as then, but other labels"]
    assert there.differences(as_samples(list(rows + 1), labels=[0, 0, 1, 1]).fingerprint())


@pytest.mark.parametrize(
    ("given", "labels", "error", "words"),
    [
        (
            Stream(),
            None,
            ValueError,
            r"samples must have a length, got Stream without; of a stream keep",
        ),
        ((x for x in ()), None, TypeError, r"got generator; an iterable becomes one as list\(samples\)"),
        ({"train": 1}, None, TypeError, "of several splits give one"),
        (torch.rand(1, 3), None, ValueError, "samples must be at least two, each other's negatives, got 1"),
        (torch.rand(4, 3), [0.5, 1, 2, 3], ValueError, r"labels must be whole numbers from 0.*, got float64 .* 0\.5"),
        (torch.rand(2, 3), ["a", "b"], ValueError, "labels must be whole numbers"),
        (torch.rand(2, 3), [0, -1], ValueError, "-1 among them; number the classes, leave samples without one out"),
        (torch.rand(2, 3), [0, 1, 2], ValueError, r"one for each of the 2 samples, got int64 of shape \(3,\)"),
        (["nowhere.tar"], None, FileNotFoundError, "no tar file at .*nowhere.tar"),
    ],
)
def test_what_are_no_samples_is_refused_with_a_way_out(given, labels, error, words):
    with pytest.raises(error, match=words):
        as_samples(given, labels=labels)


def test_an_item_that_fails_keeps_its_error_and_says_which_it_was():
    class Broken(list):
        def __getitem__(self, number):
            if number == 5:
                raise OSError("truncated")
            return torch.zeros(3, 4, 4)

    part = as_samples(Broken(range(8))).subset(torch.tensor([2, 5, 7]))
    with pytest.raises(OSError, match=r"^truncated\nThis was sample 5\.$"):
        part.take(torch.arange(3))


def test_items_that_differ_in_shape_are_named_and_plain_makes_them_alike():
    items = [torch.zeros(3, 4, 4), torch.zeros(3, 5, 4)]
    with pytest.raises(ValueError, match=r"got 3 x 4 x 4 float32 of sample 0 and 3 x 5 x 4 .* sample 1; resize"):
        as_samples(items).take(torch.arange(2))
    assert as_samples(items, plain=lambda item: item[:, :4]).take(torch.arange(2)).shape == (2, 3, 4, 4)


def _shard(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, BytesIO(content))
    return path


def _png(value: int) -> bytes:
    buffer = BytesIO()
    Image.new("L", (5, 4), value).save(buffer, "PNG")
    return buffer.getvalue()


def test_shards_are_read_by_number_and_nothing_but_images_and_labels_is_looked_at(tmp_path: Path):
    bomb = b"cos\nsystem\n(S'touch hacked'\ntR."
    for shard, values in ((0, (10, 20)), (1, (30,))):
        files = {f"{value}.png": _png(value) for value in values}
        files |= {f"{value}.cls": b"%d" % (value % 20) for value in values}
        _shard(tmp_path / f"train-{shard:03d}.tar", {**files, "10.pyd": bomb, "10.pickle": bomb})
    samples = as_samples(str(tmp_path / "train-{000..001}.tar"))
    assert samples.take(torch.arange(3))[:, 0, 0, 0].tolist() == [10, 20, 30]
    assert (samples.labels.tolist(), samples.class_names) == ([1, 0, 1], ("0", "10"))
    assert not list(tmp_path.glob("hacked"))


def test_metadata_name_the_classes_too_and_a_picture_that_is_none_is_named(tmp_path: Path):
    files = {"a.png": _png(1), "b.png": b"no picture"}
    files |= {f"{name}.json": json.dumps({"label": word}).encode() for name, word in (("a", "owl"), ("b", "cat"))}
    shards = Shards(_shard(tmp_path / "x.tar", files))
    assert (shards.classes, shards.targets) == (["cat", "owl"], [1, 0])
    with pytest.raises(ValueError, match=r"b\.png in .*x\.tar cannot be decoded"):
        shards[1]


def test_a_compressed_shard_and_one_without_images_are_refused(tmp_path: Path):
    with tarfile.open(tmp_path / "x.tar", "w:gz"):
        pass
    with pytest.raises(UnusableFileError, match="without compression"):
        Shards(tmp_path / "x.tar")
    with pytest.raises(ValueError, match="must hold images"):
        Shards(_shard(tmp_path / "y.tar", {"a.txt": b""}))


def test_a_range_in_braces_stands_for_its_numbers():
    assert expanded("a-{08..11}.tar") == ["a-08.tar", "a-09.tar", "a-10.tar", "a-11.tar"]
    assert expanded("a.tar") == ["a.tar"]


@pytest.mark.elsewhere
def test_a_real_hugging_face_dataset_is_read_by_its_columns():
    datasets, arrow = pytest.importorskip("datasets"), pytest.importorskip("pyarrow")
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["no", "yes"])})
    columns = {"image": [{"bytes": _png(value), "path": None} for value in range(3)], "label": [1, 0, 1]}
    table = datasets.Dataset(arrow.Table.from_pydict(columns, schema=features.arrow_schema), fingerprint="mine")
    samples = as_samples(table)
    assert (samples.labels.tolist(), samples.class_names) == ([1, 0, 1], ("no", "yes"))
    assert samples.take(torch.arange(3))[:, 0, 0, 0].tolist() == [0, 1, 2]
    with pytest.raises(TypeError, match="of several splits give one"):
        as_samples(datasets.DatasetDict(train=table))


def test_a_real_webdataset_is_a_stream_and_its_shards_are_samples(tmp_path: Path):
    webdataset = pytest.importorskip("webdataset")
    pattern = str(tmp_path / "train-%03d.tar")
    with webdataset.ShardWriter(pattern, maxcount=2, verbose=0) as writer:
        for value in range(3):
            writer.write({"__key__": f"{value:04d}", "png": Image.new("L", (4, 4), value), "cls": value % 2})
    samples = as_samples(str(tmp_path / "train-{000..001}.tar"))
    assert samples.take(torch.arange(3))[:, 0, 0, 0].tolist() == [0, 1, 2]
    assert samples.labels.tolist() == [0, 1, 0]
    with pytest.raises(ValueError, match="samples must have a length"):
        as_samples(webdataset.WebDataset(str(tmp_path / "train-000.tar"), shardshuffle=False))
