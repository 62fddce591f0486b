import errno
import json
import tarfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from anchorwise._files import UnusableFileError
from anchorwise.modalities.images import decode as decoding
from anchorwise.modalities.images import reading
from anchorwise.modalities.images.reading import read_images
from anchorwise.modalities.progress import ReadingProgress


@pytest.fixture
def three(write_files, picture) -> Path:
    return write_files({f"{name}/1.png": picture(10 * i) for i, name in enumerate("abc")})


def pack(folder: Path, *more: tuple[str, bytes]) -> Path:
    with tarfile.open(folder.with_suffix(".tar"), "w") as tar:
        for file in folder.rglob("*.*"):
            tar.add(file, file.relative_to(folder).as_posix())
    return folder.with_suffix(".tar")


@pytest.mark.parametrize("error", [MemoryError("no memory"), OSError(errno.EMFILE, "Too many open files")])
def test_what_the_machine_could_not_do_once_is_not_remembered_of_a_picture(three, monkeypatch, error):
    plain, errors = decoding._plain, [error]

    def fails_once(image: Image.Image) -> Image.Image:
        if errors:
            raise errors.pop()
        return plain(image)

    monkeypatch.setattr(decoding, "_plain", fails_once)
    with pytest.raises(MemoryError, match=r"'./1\.png' could not be decoded now .*nothing was kept, try again"):
        read_images(three)
    assert read_images(three).names == ("a/1.png", "b/1.png", "c/1.png")


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file of Linux that always gives an I/O error")
def test_a_picture_that_the_disk_does_not_give_stops_the_reading_by_name(three, own_cache):
    (three / "a" / "2.png").symlink_to("/proc/self/mem")
    with pytest.raises(UnusableFileError, match=r"a/2\.png cannot be used: Input/output error"):
        read_images(three)
    assert not list(own_cache.rglob("*.*"))


def test_a_file_larger_than_any_picture_is_skipped_unread(three, monkeypatch):
    monkeypatch.setattr(decoding, "MAX_FILE_BYTES", 1000)
    (three / "a" / "2.png").write_bytes(bytes(1001))
    assert read_images(three).skipped == (("a/2.png", "the file has more than the 1000 bytes allowed"),)


def test_images_kept_without_some_folders_are_not_those_kept_with_them(three):
    assert read_images(three, leave_out=("a",)).names == ("b/1.png", "c/1.png")
    assert read_images(three, leave_out=("b",)).names == ("a/1.png", "c/1.png")
    assert read_images(three).names == ("a/1.png", "b/1.png", "c/1.png")


def test_folders_that_link_to_each_other_are_read_once(three):
    (three / "a" / "to_b").symlink_to(three / "b")
    (three / "b" / "to_a").symlink_to(three / "a")
    (three / "b" / "to_all").symlink_to(three)
    decoded = read_images(three)
    assert decoded.names == ("a/1.png", "b/1.png", "c/1.png")
    assert {reason for _, reason in decoded.skipped} == {"is a folder that is read under another name"}
    assert [name for name, _ in decoded.skipped] == ["a/to_b", "b/to_a", "b/to_all"]


def test_a_folder_linked_into_a_split_is_read_there(write_files, picture):
    folder = write_files({"pool/a/1.png": picture(1), "pool/b/1.png": picture(2)})
    (folder / "train").mkdir()
    for name in "ab":
        (folder / "train" / name).symlink_to(folder / "pool" / name)
    assert read_images(folder).names == ("train/a/1.png", "train/b/1.png")


def test_links_that_lead_nowhere_are_no_files(three):
    (three / "a" / "gone.png").symlink_to(three / "gone.png")
    (three / "a" / "itself.png").symlink_to(three / "a" / "itself.png")
    assert len(read_images(three).names) == 3


@pytest.mark.whole
@pytest.mark.parametrize("is_packed", [False, True])
def test_images_that_decode_to_more_than_the_limit_are_refused(write_files, picture, own_cache, is_packed):
    folder = write_files({f"{i}.png": picture(0, size=(4096, 4096)) for i in range(3)})
    assert sum(file.stat().st_size for file in folder.iterdir()) < 100_000
    path = pack(folder) if is_packed else folder
    with pytest.raises(ValueError, match=r"refused: .* more than the 0\.04 GiB allowed; raise data\.max_decoded_gib"):
        read_images(path, max_decoded_gib=0.04)
    assert not list(own_cache.rglob("*.*"))
    assert len(read_images(path, max_decoded_gib=0.05).names) == 3
    assert len(read_images(path, image_size_px=8, max_decoded_gib=0.04).names) == 3


def test_pictures_of_a_kind_that_is_not_read_are_listed(three, write_files):
    write_files({"a/2.heic": b"", "b/2.HEIC": b"", "b/notes.txt": b"", "b/labels.csv": b""})
    for path in (three, pack(three)):
        assert read_images(path).skipped == (
            ("a/2.heic", "suffix .heic not known; save it as .png"),
            ("b/2.HEIC", "suffix .heic not known; save it as .png"),
        )


def test_the_reading_tells_how_far_it_is_and_where_the_images_are_kept(three, own_cache):
    for path in (three, pack(three)):
        told: list[ReadingProgress] = []
        read_images(path, on_progress=told.append)
        assert [(moment.source, moment.num_files) for moment in told] == [(path, 3), (path, 3)]
        assert 0 < told[0].share <= told[1].share == 1
        assert told[0].kept_in is None
        assert told[1].kept_in in (own_cache / "decoded").iterdir()
        read_images(path, on_progress=lambda moment: pytest.fail("nothing is decoded the second time"))


def test_several_that_start_at_once_decode_once(three, monkeypatch):
    plain, decoded = reading.decode_all, []

    def slow(*arguments, **more):
        decoded.append(1)
        time.sleep(0.2)
        return plain(*arguments, **more)

    monkeypatch.setattr(reading, "decode_all", slow)
    with ThreadPoolExecutor(3) as pool:
        names = list(pool.map(lambda _: read_images(three).names, range(3)))
    assert (len(decoded), set(names)) == (1, {("a/1.png", "b/1.png", "c/1.png")})


def test_twelve_bits_in_pictures_of_sixteen_are_warned_of_each_time(write_files, npy):
    folder = write_files({})
    folder.mkdir()
    for i in range(2):
        Image.fromarray(np.full((4, 4), 4095 - i, np.uint16)).save(folder / f"{i}.png")
    for _ in range(2):
        with pytest.warns(UserWarning, match=r"every picture of 16 bits \(2\) is nearly black, at most 16 of 255"):
            read_images(folder)
    Image.fromarray(np.full((4, 4), 7000, np.uint16)).save(folder / "2.png")
    assert len(read_images(folder).names) == 3


def test_without_a_home_images_are_read_and_not_kept(three, monkeypatch):
    monkeypatch.setenv("ANCHORWISE_CACHE", "~nobody-of-this-name/cache")
    with pytest.warns(UserWarning, match="not kept .*set ANCHORWISE_CACHE"):
        assert len(read_images(three).names) == 3


def shard(path: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return pack(path)


def test_the_classes_of_webdataset_shards_come_from_the_files_beside_the_images(tmp_path, picture):
    files = {f"n/{i:02}.png": picture(i) for i in range(12)} | {f"n/{i:02}.cls": f"{i}\n".encode() for i in range(11)}
    decoded = read_images(shard(tmp_path / "set", files))
    assert decoded.classes == (*map(str, range(11)), None)
    assert decoded.classes == read_images(tmp_path / "set").classes
    assert torch.equal(decoded.images[:, 0, 0, 0], torch.arange(12, dtype=torch.uint8))


@pytest.mark.parametrize(
    ("metadata", "found"),
    [
        ({"label": 3, "class_name": "cat"}, "cat"),
        ({"class": "dog"}, "dog"),
        ({"label": 0}, "0"),
        ({"caption": "x"}, None),
    ],
)
def test_the_classes_of_webdataset_shards_may_be_named_in_metadata(tmp_path, picture, metadata, found):
    files = {f"{i}.left.png": picture(i) for i in range(2)} | {f"{i}.json": json.dumps(metadata).encode() for i in "01"}
    assert read_images(shard(tmp_path / "set", files)).classes == ((found, found) if found else ())


@pytest.mark.parametrize("content", [b"[" * 60_000, b"\xff\xfe", b"{}", b'{"label": true}', b"1" * 70_000, b""])
def test_files_that_only_look_like_labels_are_no_labels(tmp_path, picture, content):
    files = {"a.png": picture(0), "a.json": content, "a.cls": content if content[:1] in (b"\xff", b"1", b"") else b" "}
    assert read_images(shard(tmp_path / "set", files)).classes == ()


def test_metadata_do_not_overrule_class_folders(write_files, picture):
    folder = write_files({f"{name}/1.{end}": b'{"label": 7}' for name in "ab" for end in ("json",)})
    write_files({f"{name}/1.png": picture(0) for name in "ab"})
    assert read_images(folder).classes == ()
