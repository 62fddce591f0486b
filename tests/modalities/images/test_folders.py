import io
import os
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from anchorwise.modalities.images import reading
from anchorwise.modalities.images.folders import load_folder
from anchorwise.modalities.samples import Splits
from tests.modalities.images.conftest import class_counts


@pytest.fixture
def class_folders(picture):
    """Ten grey images in each of three classes; the value names the class."""
    return {f"{name}/{i}.png": picture(10 * label) for label, name in enumerate("abc") for i in range(10)}


def split_folders(class_folders: dict[str, bytes], test: str = "test") -> dict[str, bytes]:
    return {f"{part}/{name}": data for part in ("train", test) for name, data in class_folders.items()}


def pack(folder: Path, suffix: str) -> Path:
    path = folder.with_name(f"packed{suffix}")
    files = [(file, file.relative_to(folder.parent).as_posix()) for file in folder.rglob("*") if file.is_file()]
    if suffix == ".zip":
        with zipfile.ZipFile(path, "w") as zipped:
            for file, name in files:
                zipped.write(file, name)
    else:
        with tarfile.open(path, "w:gz" if suffix.endswith("gz") else "w") as tar:
            for file, name in reversed(files):
                tar.add(file, name)
    return path


def same(left: Splits, right: Splits) -> bool:
    assert left.test is not None
    assert right.test is not None
    pairs = [(left.train, right.train), (left.test, right.test)]
    return all(
        torch.equal(a.images, b.images) and a.labels is not None and torch.equal(a.labels, b.labels) for a, b in pairs
    )


def test_splits_in_capitals_are_splits(write_files, class_folders):
    files = {name.replace("t", "T", 1): data for name, data in split_folders(class_folders).items()}
    splits = load_folder(write_files(files))
    assert splits.test is not None
    assert (len(splits.train), len(splits.test), splits.train.class_names) == (30, 30, ("a", "b", "c"))


def test_folders_that_look_like_splits_are_no_classes(write_files, class_folders):
    files = {name.replace("train/", "Training/"): data for name, data in split_folders(class_folders).items()}
    with pytest.raises(ValueError, match="the folders Training, test look like splits; call them train and test"):
        load_folder(write_files(files))


@pytest.mark.parametrize("test", ["test", "val", "valid", "validation"])
def test_train_and_test_folders_are_the_splits(write_files, class_folders, test):
    splits = load_folder(write_files(split_folders(class_folders, test)))
    assert splits.pretrain is splits.train
    for part in (splits.train, splits.test):
        assert part is not None
        assert part.labels is not None
        assert part.class_names == ("a", "b", "c")
        assert class_counts(part) == [10, 10, 10]
        assert torch.equal(part.images[:, 0, 0, 0], 10 * part.labels.to(torch.uint8))


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz", ".zip"])
def test_an_archive_reads_as_the_folder_it_was_made_of(write_files, class_folders, suffix):
    folder = write_files(split_folders(class_folders))
    assert same(load_folder(pack(folder, suffix)), load_folder(folder))


def test_without_a_test_folder_a_stratified_part_is_kept_for_testing(write_files, class_folders):
    folder = write_files(class_folders)
    splits = load_folder(folder, seed=1)
    assert splits.test is not None
    assert class_counts(splits.train) == [8, 8, 8]
    assert class_counts(splits.test) == [2, 2, 2]
    assert not set(splits.train.names) & set(splits.test.names)
    assert same(splits, load_folder(folder, seed=1))
    other = load_folder(folder, seed=2).test
    assert other is not None
    assert other.names != splits.test.names


def test_a_flat_folder_is_unlabelled_and_has_no_test_part(write_files, picture):
    splits = load_folder(write_files({f"{i}.png": picture(i) for i in range(5)}))
    assert splits.test is None
    assert splits.train.labels is None
    assert splits.train.images[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4]


def test_images_beside_the_class_folders_or_outside_of_the_splits_are_named(write_files, class_folders, picture):
    files = {**split_folders(class_folders), "train/stray.png": picture(0), "extra/c/x.png": picture(0)}
    reasons = {item.name: item.reason for item in load_folder(write_files(files)).skipped}
    assert set(reasons) == {"train/stray.png", "extra/c/x.png"}
    assert "beside the class folders" in reasons["train/stray.png"]
    assert "outside of the folders of the splits" in reasons["extra/c/x.png"]


def test_broken_images_are_listed_and_the_others_kept(write_files, class_folders):
    splits = load_folder(write_files({**class_folders, "a/broken.png": b"nothing"}))
    assert [item.name for item in splits.skipped] == ["a/broken.png"]
    assert splits.test is not None
    assert len(splits.train) + len(splits.test) == 30


def test_hidden_files_and_other_files_are_no_images(write_files, class_folders):
    other = {"a/notes.txt": b"", "a/._0.png": b"", "__MACOSX/a/0.png": b"", ".hidden/x.png": b""}
    assert load_folder(write_files({**class_folders, **other})).skipped == ()


def test_images_of_different_sizes_need_a_size_to_go_to(write_files, picture):
    folder = write_files({"a.png": picture(1, size=(8, 8)), "b.png": picture(2, size=(9, 6))})
    with pytest.raises(ValueError, match=r"9 x 6 px in 'b\.png' and 8 x 8 px in 'a\.png'; set image_size_px"):
        load_folder(folder)
    assert load_folder(folder, image_size_px=4).train.images.shape == (2, 1, 4, 4)


def test_grey_images_among_colour_ones_become_rgb(write_files, picture):
    images = load_folder(write_files({"a.png": picture(9), "b.png": picture((1, 2, 3))})).train.images
    assert images[:, :, 0, 0].tolist() == [[9, 9, 9], [1, 2, 3]]


def test_channel_counts_that_do_not_mix_are_refused(write_files, picture, npy):
    folder = write_files({"a.npy": npy(np.zeros((8, 8, 5), np.uint8)), "b.png": picture(0)})
    with pytest.raises(ValueError, match=r"share one channel count, got 1 in 'b\.png' and 5"):
        load_folder(folder)


def test_a_split_with_classes_beside_one_without_is_refused(write_files, class_folders, picture):
    files = {f"train/{name}": data for name, data in class_folders.items()}
    with pytest.raises(ValueError, match="test/ must have class folders"):
        load_folder(write_files({**files, "test/1.png": picture(0)}))


def test_a_linked_class_folder_is_read_and_a_loop_ends(write_files, class_folders, picture):
    folder = write_files(class_folders)
    elsewhere = write_files({"0.png": picture(30)}, "elsewhere")
    (folder / "d").symlink_to(elsewhere)
    (folder / "a" / "loop").symlink_to(folder)
    assert load_folder(folder).train.class_names == ("a", "b", "c", "d")


def test_a_path_may_be_text(write_files, class_folders):
    folder = write_files(class_folders)
    assert same(load_folder(str(folder)), load_folder(folder))


def test_nothing_at_the_path_or_nothing_readable_is_an_error(write_files, tmp_path):
    with pytest.raises(FileNotFoundError, match="no folder or archive of images at"):
        load_folder(tmp_path / "gone")
    with pytest.raises(ValueError, match=r"holds no readable image .*bad\.png"):
        load_folder(write_files({"bad.png": b"nothing"}))
    with pytest.raises(ValueError, match=r"must be a folder or end in one of \.tar"):
        load_folder(write_files({"images.rar": b""}, "rar") / "images.rar")


def test_a_second_reading_decodes_nothing(write_files, class_folders, monkeypatch):
    path = pack(write_files({**class_folders, "a/broken.png": b"nothing"}), ".tar.gz")
    first = load_folder(path)
    monkeypatch.setattr(reading, "decode_all", lambda *_, **__: pytest.fail("decoded again"))
    second = load_folder(path)
    assert same(first, second)
    assert first.skipped == second.skipped


def test_a_changed_file_or_another_size_is_decoded_anew(write_files, class_folders, picture):
    folder = write_files(class_folders)
    load_folder(folder)
    (folder / "a" / "0.png").write_bytes(picture(99))
    os.utime(folder / "a" / "0.png", ns=(1, 1))
    splits = load_folder(folder)
    assert splits.test is not None
    assert 99 in torch.cat([splits.train.images, splits.test.images])
    assert load_folder(folder, image_size_px=4).train.size_px == (4, 4)


def test_a_damaged_cache_entry_is_replaced(write_files, class_folders, own_cache):
    folder = write_files(class_folders)
    first = load_folder(folder)
    [entry] = (own_cache / "decoded").iterdir()
    entry.write_bytes(b"damaged")
    assert same(load_folder(folder), first)
    assert entry.stat().st_size > len(b"damaged")


def test_a_cache_that_cannot_be_written_is_only_a_warning(write_files, class_folders, own_cache):
    own_cache.write_text("a file where the folder should be")
    with pytest.warns(UserWarning, match="set ANCHORWISE_CACHE"):
        splits = load_folder(write_files(class_folders))
    assert len(splits.train) == 24


def test_an_archive_is_not_unpacked_to_disk(write_files, class_folders, own_cache, tmp_path):
    path = pack(write_files(class_folders), ".tar")
    before = set(tmp_path.rglob("*"))
    load_folder(path)
    assert {file for file in set(tmp_path.rglob("*")) - before if file.is_file()} == set(
        (own_cache / "decoded").iterdir()
    )


def test_a_link_in_an_archive_refuses_all_of_it(tmp_path, picture):
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        info = tarfile.TarInfo("a/1.png")
        info.size = len(picture(0))
        tar.addfile(info, io.BytesIO(picture(0)))
        link = tarfile.TarInfo("a/2.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    with pytest.raises(ValueError, match="is a link"):
        load_folder(tmp_path / "a.tar")


def test_labels_beside_the_images_of_a_shard_are_its_classes(write_files, picture):
    files = {f"{i:03}.png": picture(i) for i in range(40)} | {f"{i:03}.cls": str(i % 12).encode() for i in range(36)}
    splits = load_folder(pack(write_files(files), ".tar"))
    assert splits.test is not None
    assert splits.train.class_names == tuple(map(str, range(12)))
    for part in (splits.train, splits.test):
        assert part.labels is not None
        assert torch.equal(part.images[:, 0, 0, 0] % 12, part.labels.to(torch.uint8))
    assert next((item.name, item.reason) for item in splits.skipped) == ("images/036.png", "has no label beside it")
    assert len(splits.skipped) == 4


def test_labels_beside_the_images_count_in_splits_too(write_files, picture):
    files = {f"{part}/{i}.png": picture(i) for part in ("train", "test") for i in range(4)}
    labels = {name.replace(".png", ".cls"): b"cat" if "0" in name or "1" in name else b"dog" for name in files}
    splits = load_folder(write_files({**files, **labels}))
    assert splits.test is not None
    assert splits.test.labels is not None
    assert (splits.test.class_names, splits.test.labels.tolist()) == (("cat", "dog"), [0, 0, 1, 1])


def test_only_labelled_images_with_a_test_part_can_be_judged(write_files, class_folders, picture):
    assert load_folder(write_files(class_folders)).are_judgeable
    flat = {f"{i}.png": picture(i) for i in range(3)}
    assert not load_folder(write_files(flat, "flat")).are_judgeable
    assert not load_folder(write_files(split_folders(flat), "unlabelled")).are_judgeable
    one_class = {f"{part}/a/{i}.png": picture(i) for part in ("train", "test") for i in range(3)}
    assert not load_folder(write_files(one_class, "one-class")).are_judgeable
