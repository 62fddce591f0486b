import hashlib
import pickle
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision.datasets
from pydantic import ValidationError

import anchorwise
from anchorwise._files import UnusableFileError
from anchorwise._warnings import warn
from anchorwise.modalities.images import imagenet
from anchorwise.modalities.images.config import DataConfig
from anchorwise.modalities.images.datasets import ROOTED, load_splits
from anchorwise.modalities.images.modality import Images
from tests.modalities.images.conftest import class_counts


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


class CreatesFile:
    """A pickle that runs code when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_digits_are_bundled_and_split_the_same_way_every_time():
    splits, again = load_splits(DataConfig()), load_splits(DataConfig(seed=5))
    assert splits.test is not None
    assert (len(splits.train), len(splits.test)) == (1347, 450)
    assert splits.train.images.shape[1:] == (1, 8, 8)
    assert (int(splits.train.images.min()), int(splits.train.images.max())) == (0, 255)
    assert torch.equal(splits.train.images, again.train.images)
    assert min(class_counts(splits.test)) >= 43
    assert not set(splits.train.names) & set(splits.test.names)


@pytest.mark.whole
def test_glyphs_are_drawn_alike_every_time_and_tested_on_another_family_of_faces():
    splits, again = load_splits(DataConfig(source="glyphs")), load_splits(DataConfig(source="glyphs", seed=5))
    assert splits.test is not None
    assert (splits.train.what, splits.test.what) == ("2,400 images of 1 x 24 x 24", "600 images of 1 x 24 x 24")
    assert torch.equal(splits.train.images, again.train.images)
    assert class_counts(splits.train) == [48] * 50
    assert class_counts(splits.test) == [12] * 50
    assert splits.train.groups is not None
    faces = [name.split("/")[0] for name in splits.train.names]
    assert len(set(zip(faces, splits.train.groups.tolist(), strict=True))) == len(set(faces)) == 16
    assert not set(faces) & {name.split("/")[0] for name in splits.test.names}


@pytest.mark.whole
def test_every_glyph_is_there_whole_and_as_pixels_letters_are_hard_to_tell():
    splits = load_splits(DataConfig(source="glyphs"))
    assert splits.test is not None
    images = torch.cat([splits.train.images, splits.test.images])[:, 0]
    edges = torch.cat([images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]], dim=1)
    assert int(edges.max()) == 0
    assert int(images.amax(dim=(1, 2)).min()) > 60
    train, test = (part.images.flatten(1).double() for part in (splits.train, splits.test))
    train, test = ((rows - rows.mean(dim=1, keepdim=True)) for rows in (train, test))
    cosines = torch.nn.functional.normalize(test) @ torch.nn.functional.normalize(train).T
    nearest = splits.train.labels[cosines.argmax(dim=1)]
    assert 0.2 < (nearest == splits.test.labels).double().mean() < 0.45


def test_the_numbers_of_images_and_their_size_are_as_asked_for():
    splits = load_splits(DataConfig(num_train_images=100, num_test_images=50, image_size_px=16))
    assert splits.test is not None
    assert class_counts(splits.train) == [10] * 10
    assert class_counts(splits.test) == [5] * 10
    assert splits.pretrain is splits.train
    assert splits.train.images.shape == (100, 1, 16, 16)


def test_more_images_than_there_are_is_an_error():
    with pytest.raises(ValueError, match=r"data\.num_train_images must be at most the 1347 images there are, got 2000"):
        load_splits(DataConfig(num_train_images=2000))


def test_a_path_is_a_source_and_skipped_images_are_counted_in_one_warning(write_files, picture):
    files = {f"{name}/{i}.png": picture(i) for name in "ab" for i in range(10)}
    folder = write_files({**files, "a/broken.png": b"", "b/broken.png": b""})
    with pytest.warns(UserWarning, match=r"2 skipped \(2 as 'a/broken\.png': no picture in") as caught:
        splits = load_splits(DataConfig(source=str(folder), num_train_images=4))
    assert len(caught) == 1
    assert len(splits.train) == 4
    assert len(splits.skipped) == 2


def test_an_unknown_source_names_what_is_accepted_and_the_nearest():
    with pytest.raises(
        FileNotFoundError, match=r"digits, placed-digits, glyphs, cifar10, .*\.tar\.gz.*did you mean 'cifar10'"
    ):
        load_splits(DataConfig(source="cifar-10"))


@pytest.mark.parametrize("source", sorted(ROOTED))
def test_a_missing_local_copy_says_what_where_and_the_way_out(source, tmp_path):
    with pytest.raises(FileNotFoundError, match=rf"no .* in {tmp_path}.*data\.root"):
        load_splits(DataConfig(source=source, root=tmp_path))


def test_a_root_that_nothing_would_read_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"data\.root is for cifar10, .* only, got it with source 'digits'"):
        load_splits(DataConfig(root=tmp_path))


def test_a_download_that_cannot_be_is_refused():
    with pytest.raises(ValueError, match=r"data\.download is for cifar10, cifar100, stl10 only"):
        load_splits(DataConfig(source="imagenet32", download=True))


@pytest.mark.parametrize("field", ["image_size_px", "num_train_images", "num_test_images"])
def test_settings_out_of_range_are_refused(field):
    with pytest.raises(ValidationError, match=f"{field}\n.*greater than or equal to 1"):
        DataConfig(**{field: 0})


@pytest.fixture
def cifar10(tmp_path, monkeypatch):
    """A small CIFAR-10 in the published form, known to torchvision by its checksums."""
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    random = np.random.default_rng(0)

    def write(name: str, content: object) -> list[str]:
        (folder / name).write_bytes(pickle.dumps(content))
        return [name, md5(folder / name)]

    def batch() -> dict:
        return {"data": random.integers(0, 256, (20, 3072), np.uint8), "labels": [i % 10 for i in range(20)]}

    dataset = torchvision.datasets.CIFAR10
    monkeypatch.setattr(dataset, "train_list", [write("data_batch_1", batch()), write("data_batch_2", batch())])
    monkeypatch.setattr(dataset, "test_list", [write("test_batch", batch())])
    name, checksum = write("batches.meta", {"label_names": [f"class {i}" for i in range(10)]})
    monkeypatch.setattr(dataset, "meta", {"filename": name, "key": "label_names", "md5": checksum})
    return folder


def test_cifar_is_read_from_a_local_copy(cifar10):
    splits = load_splits(DataConfig(source="cifar10", root=cifar10.parent))
    assert splits.test is not None
    assert (len(splits.train), len(splits.test)) == (40, 20)
    assert splits.train.class_names[3] == "class 3"
    with (cifar10 / "test_batch").open("rb") as file:
        first = pickle.load(file)["data"][0].reshape(3, 32, 32)
    assert np.array_equal(splits.test.images[0].numpy(), first)


def test_a_pickle_with_another_checksum_is_refused_and_never_loaded(cifar10, tmp_path):
    (cifar10 / "data_batch_2").write_bytes(pickle.dumps(CreatesFile(tmp_path / "attacked")))
    with pytest.raises(FileNotFoundError, match=r"no intact cifar-10-batches-py/ .*data\.download=true"):
        load_splits(DataConfig(source="cifar10", root=cifar10.parent))
    assert not (tmp_path / "attacked").exists()


def test_stl10_pretrains_on_its_unlabelled_images(tmp_path, monkeypatch):
    folder = tmp_path / "stl10_binary"
    folder.mkdir()

    def write(name: str, content: bytes) -> list[str]:
        (folder / name).write_bytes(content)
        return [name, md5(folder / name)]

    def images(n: int) -> bytes:
        return np.random.default_rng(n).integers(0, 256, n * 3 * 96 * 96, np.uint8).tobytes()

    labels = bytes([1, 2, 10])
    train = [write("train_X.bin", images(3)), write("train_y.bin", labels), write("unlabeled_X.bin", images(5))]
    dataset = torchvision.datasets.STL10
    monkeypatch.setattr(dataset, "train_list", train)
    monkeypatch.setattr(dataset, "test_list", [write("test_X.bin", images(3)), write("test_y.bin", labels)])
    write("class_names.txt", b"\n".join(f"class {i}".encode() for i in range(10)))
    splits = load_splits(DataConfig(source="stl10", root=tmp_path, num_train_images=4))
    assert (len(splits.pretrain), splits.pretrain.labels) == (4, None)
    assert splits.train.labels is not None
    assert splits.train.labels.tolist() == [0, 1, 9]
    assert splits.train.images.shape == (3, 3, 96, 96)


@pytest.fixture
def imagenet32(tmp_path, monkeypatch):
    monkeypatch.setattr(imagenet, "IMAGENET32_TRAIN_MD5", dict.fromkeys(["train_data_batch_1.npz"], ""))
    for name in ("train_data_batch_1.npz", "val_data.npz"):
        data = np.arange(4 * 3072, dtype=np.uint32).astype(np.uint8).reshape(4, 3072)
        np.savez(tmp_path / name, data=data, labels=[1, 2, 3, 1000])
    return tmp_path


def test_imagenet32_is_read_from_its_npz_batches(imagenet32):
    splits = load_splits(DataConfig(source="imagenet32", root=imagenet32, verify_checksums=False))
    assert splits.train.images.shape == (4, 3, 32, 32)
    assert splits.train.labels is not None
    assert splits.train.labels.tolist() == [0, 1, 2, 999]


def test_another_checksum_is_refused_unless_it_is_accepted(imagenet32):
    with pytest.raises(ValueError, match=r"must have the published MD5 .*data\.verify_checksums=false"):
        load_splits(DataConfig(source="imagenet32", root=imagenet32))


def test_the_pickled_form_of_imagenet32_is_not_read(tmp_path):
    (tmp_path / "train_data_batch_1").write_bytes(pickle.dumps(CreatesFile(tmp_path / "attacked")))
    with pytest.raises(FileNotFoundError, match=r"is a pickle, which can run code and is not read.*npz form"):
        load_splits(DataConfig(source="imagenet32", root=tmp_path))
    assert not (tmp_path / "attacked").exists()


def test_an_npz_with_pickled_objects_is_refused(imagenet32):
    np.savez(imagenet32 / "val_data.npz", data=np.array([CreatesFile(imagenet32 / "attacked")]), labels=[1])
    with pytest.raises(ValueError, match=r"val_data\.npz cannot be used: .*allow_pickle"):
        load_splits(DataConfig(source="imagenet32", root=imagenet32, verify_checksums=False))
    assert not (imagenet32 / "attacked").exists()


@pytest.fixture
def tiny_imagenet(tmp_path, picture):
    top = "tiny-imagenet-200"
    with zipfile.ZipFile(tmp_path / f"{top}.zip", "w") as archive:
        for label, name in enumerate(("n01", "n02")):
            for i in range(3):
                file = f"{top}/train/{name}/images/{name}_{i}.JPEG"
                archive.writestr(file, picture((50 * label, 0, 0), (64, 64), "JPEG"))
        for i, value in enumerate((50, 0)):
            archive.writestr(f"{top}/val/images/val_{i}.JPEG", picture((value, 0, 0), (64, 64), "JPEG"))
        archive.writestr(f"{top}/val/val_annotations.txt", "val_0.JPEG\tn02\t0\t0\t9\t9\nval_1.JPEG\tn01\t0\t0\t9\t9\n")
        archive.writestr(f"{top}/test/images/test_0.JPEG", picture((9, 9, 9), (64, 64), "JPEG"))
    return tmp_path


def test_tiny_imagenet_is_read_from_its_zip_with_the_validation_labels(tiny_imagenet):
    splits = load_splits(DataConfig(source="tiny-imagenet", root=tiny_imagenet, verify_checksums=False))
    assert splits.test is not None
    assert splits.train.images.shape == (6, 3, 64, 64)
    assert splits.test.class_names == ("n01", "n02")
    assert splits.test.labels is not None
    assert [(int(image.max()) > 25) for image in splits.test.images] == splits.test.labels.bool().tolist()
    assert splits.skipped == ()


def test_a_tiny_imagenet_with_another_checksum_is_refused(tiny_imagenet):
    with pytest.raises(ValueError, match="must have the published MD5 90528d7ca1a48142e341f4ef8d21d0de"):
        load_splits(DataConfig(source="tiny-imagenet", root=tiny_imagenet))


def test_what_is_skipped_is_told_by_reason_in_words_that_are_safe_on_a_terminal(write_files, picture):
    files = {"\x1b]0;a.heic": b"", "b.heic": b"", "c.png": b"", "1.png": picture(0)}
    told = r"3 skipped (2 as '\x1b]0;a.heic': suffix .heic not known; save it as .png; 1 as 'c.png': no pic"
    with pytest.warns(UserWarning, match=re.escape(told)):
        load_splits(DataConfig(source=str(write_files(files))))


def test_a_warning_points_at_the_line_that_called_the_package():
    inside: dict[str, Any] = {}
    file = Path(anchorwise.__file__).parent / "data" / "deep.py"
    exec(compile("def load(warn):\n    warn('two images are skipped')\n", str(file), "exec"), inside)
    with pytest.warns(UserWarning, match="two images") as caught:
        inside["load"](lambda message: warn(message))
    assert caught[0].filename == __file__


def test_no_source_is_not_the_current_folder():
    with pytest.raises(ValidationError, match=r"data\.source must be a data set's name or a path, got nothing"):
        DataConfig(source="")


def test_other_images_keep_the_limit_and_the_size_and_nothing_else():
    config = DataConfig(num_train_images=5, max_decoded_gib=9.0, seed=3, image_size_px=16)
    other = Images().other_data("photos", like=config)
    assert other == DataConfig(source="photos", image_size_px=16, max_decoded_gib=9.0)
    with pytest.raises(ValueError, match=r"^data\.source must be a data set's name or a path, got nothing.*folder$"):
        Images().other_data("", like=config)


def test_images_made_larger_than_the_limit_are_refused_before_they_are():
    with pytest.raises(ValidationError, match=r"image_size_px\n.*less than or equal to 8192"):
        DataConfig(image_size_px=100_000)
    with pytest.raises(ValueError, match=r"image_size_px=8000 makes 1347 images of 80\.29 GiB, more than .*=4; take"):
        load_splits(DataConfig(image_size_px=8000))


def test_the_limit_of_an_archive_is_lifted_by_its_setting(write_files, picture):
    folder = write_files({f"{i}.png": picture(0, size=(1024, 1024)) for i in range(2)})
    config = DataConfig(source=str(folder), max_decoded_gib=0.001)
    with pytest.raises(ValueError, match=r"raise data\.max_decoded_gib"):
        load_splits(config)
    assert len(load_splits(config.model_copy(update={"max_decoded_gib": 1.0})).train) == 2


def test_a_home_that_nobody_has_is_named():
    with pytest.raises(FileNotFoundError, match=r"got '~nobody-of-this-name/x', and nothing is at"):
        load_splits(DataConfig(source="~nobody-of-this-name/x"))
    with pytest.raises(FileNotFoundError, match=r"no train_data_batch_1\.npz in .*~nobody-of-this-name"):
        load_splits(DataConfig(source="imagenet32", root=Path("~nobody-of-this-name")))


@pytest.mark.parametrize("damage", ["cut", "header"])
def test_a_damaged_batch_of_imagenet32_is_named(imagenet32, damage):
    path = imagenet32 / "val_data.npz"
    content = path.read_bytes()
    path.write_bytes(b"" if damage == "cut" else content.replace(b"{'descr'", b"{'des\0r'", 1))
    with pytest.raises(UnusableFileError, match=r"val_data\.npz cannot be used: \w+"):
        load_splits(DataConfig(source="imagenet32", root=imagenet32, verify_checksums=False))
