import gzip
import io
import random
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest

from anchorwise._files import UnusableFileError
from anchorwise.modalities.archives import ArchiveError, ArchiveLimits, is_archive, read_archive


def member(name: str, content: bytes = b"content", **fields) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content) if fields.get("type", tarfile.REGTYPE) == tarfile.REGTYPE else 0
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def write_tar(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz" if path.name.endswith("gz") else "w") as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return path


def write_zip(path: Path, *members: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def everything(path: Path, **limits) -> dict[str, bytes]:
    return dict(read_archive(path, lambda name: True, limits=ArchiveLimits(**limits)))


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz", ".tgz"])
def test_a_tar_gives_its_files_under_clean_names(tmp_path, suffix):
    folder = member("set", type=tarfile.DIRTYPE)
    path = write_tar(tmp_path / f"a{suffix}", folder, member("./set/a.png", b"1"), member("set/b.txt", b"2"))
    assert everything(path) == {"set/a.png": b"1", "set/b.txt": b"2"}
    assert dict(read_archive(path, lambda name: name.endswith("png"))) == {"set/a.png": b"1"}


def test_a_zip_gives_its_files_under_clean_names(tmp_path):
    path = write_zip(tmp_path / "a.zip", ("set/", b""), ("set/a.png", b"1"))
    assert everything(path) == {"set/a.png": b"1"}


@pytest.mark.parametrize(
    "name", ["../evil.png", "a/../../evil.png", "/etc/evil.png", "C:\\evil.png", "a\\..\\evil.png"]
)
def test_paths_outside_of_the_archive_are_refused(tmp_path, name):
    for path in (
        write_tar(tmp_path / "a.tar", member("ok.png"), member(name)),
        write_zip(tmp_path / "a.zip", ("ok.png", b""), (name, b"")),
    ):
        with pytest.raises(ArchiveError, match="points outside of the archive"):
            everything(path)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused_even_if_nobody_wants_them(tmp_path, kind):
    path = write_tar(tmp_path / "a.tar", member("link.txt", type=kind, linkname="/etc/passwd"))
    with pytest.raises(ArchiveError, match=r"'link\.txt' is a link, a device or another special file"):
        list(read_archive(path, lambda name: False))


def test_a_link_in_a_zip_is_refused(tmp_path):
    info = zipfile.ZipInfo("link.png")
    info.external_attr = 0o120777 << 16
    with pytest.raises(ArchiveError, match="is a link"):
        everything(write_zip(tmp_path / "a.zip", (info, b"/etc/passwd")))


def test_two_members_of_one_name_are_refused(tmp_path):
    path = write_tar(tmp_path / "a.tar", member("a.png"), member("./a.png"))
    with pytest.raises(ArchiveError, match=r"two members are named 'a\.png'"):
        everything(path)


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"num_members": 1}, "more than 1 members"),
        ({"member_bytes": 1000}, "unpacks to more than 1000 bytes"),
        ({"total_bytes": 1_500_000}, "it unpacks to more than 1500000 bytes"),
        ({"ratio": 20.0, "ratio_free_bytes": 1000}, "more than 20 times its size"),
    ],
)
def test_a_decompression_bomb_is_refused(tmp_path, limits, words):
    zeros = bytes(1_000_000)
    tar = write_tar(tmp_path / "a.tar.gz", member("a.png", zeros), member("b.png", zeros))
    for path in (tar, write_zip(tmp_path / "a.zip", ("a.png", zeros), ("b.png", zeros))):
        with pytest.raises(ArchiveError, match=words):
            everything(path, **limits)


def test_a_bomb_in_the_header_of_a_tar_is_refused_too(tmp_path):
    info, content = member("a.png")
    info.pax_headers = {"comment": "x" * 2_000_000}
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(info, io.BytesIO(content))
    with pytest.raises(ArchiveError, match="unpacks to more than 100000 bytes"):
        everything(tmp_path / "a.tar.gz", member_bytes=100_000)


def test_a_zip_that_lies_about_a_size_is_refused(tmp_path):
    path = write_zip(tmp_path / "a.zip", ("a.png", bytes(50_000)))
    data = bytearray(path.read_bytes())
    entry = data.index(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = struct.pack("<I", 10)
    path.write_bytes(bytes(data))
    with pytest.raises(UnusableFileError, match=r"a\.zip cannot be used: .*CRC"):
        everything(path)


def test_damaged_archives_are_refused_by_name(tmp_path):
    path = write_tar(tmp_path / "a.tar.gz", member("a.png", bytes(range(256)) * 400))
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(UnusableFileError, match=r"a\.tar\.gz cannot be used: .*end-of-stream"):
        everything(path)
    (tmp_path / "b.zip").write_bytes(b"no zip")
    with pytest.raises(UnusableFileError, match=r"b\.zip cannot be used: .*not a zip"):
        everything(tmp_path / "b.zip")


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz"])
def test_a_tar_cut_short_or_damaged_between_members_is_not_taken_for_a_smaller_one(tmp_path, suffix):
    whole = write_tar(tmp_path / "whole.tar", *(member(f"{i}.png") for i in range(3))).read_bytes()
    pack = gzip.compress if suffix == ".tar.gz" else bytes
    path = tmp_path / f"a{suffix}"
    # Header and content take a block of 512 bytes each: the third member starts at 2048.
    for broken in (whole[:2048], whole[:2048] + b"damage!!" + whole[2056:], whole + whole):
        path.write_bytes(pack(broken))
        with pytest.raises(UnusableFileError, match="no readable header and no end of the archive"):
            everything(path)
    path.write_bytes(pack(whole))
    assert len(everything(path)) == 3


def test_nothing_is_written_to_disk(tmp_path):
    path = write_tar(tmp_path / "a.tar", member("a.png"), member("b.png"))
    everything(path)
    assert list(tmp_path.iterdir()) == [path]


def test_archives_are_known_by_their_names():
    assert all(is_archive(Path(name)) for name in ("a.tar", "A.TAR.GZ", "a.tgz", "a.zip"))
    assert not is_archive(Path("a.png"))


@pytest.mark.parametrize("size", [0, 10])
def test_whatever_a_reader_of_archives_raises_names_the_archive(tmp_path, size):
    for suffix in (".tar", ".tar.gz", ".zip"):
        path = tmp_path / f"a{suffix}"
        path.write_bytes(b"PK\x03\x04\0\0\0\0\0\0"[:size])
        with pytest.raises(UnusableFileError, match=rf"a\{suffix} cannot be used: \w+"):
            everything(path)


def test_a_tar_of_headers_without_end_is_refused_by_name(tmp_path):
    header = member("x", bytes(512), type=tarfile.GNUTYPE_LONGNAME)[0]
    header.size = 512
    path = tmp_path / "a.tar"
    path.write_bytes((header.tobuf() + bytes(512)) * 3000)
    with pytest.raises(UnusableFileError, match=r"a\.tar cannot be used: RecursionError"):
        everything(path)


def test_a_zip_with_a_compression_that_nobody_has_is_refused_by_name(tmp_path):
    path = write_zip(tmp_path / "a.zip", ("a.png", bytes(100)))
    data = path.read_bytes().replace(b"PK\x01\x02\x14\x03\x14\0\0\0\x08\0", b"PK\x01\x02\x14\x03\x14\0\0\0\x63\0")
    path.write_bytes(data)
    with pytest.raises(UnusableFileError, match=r"a\.zip cannot be used: NotImplementedError: That compression"):
        everything(path)


def test_the_share_that_is_read_of_an_archive_grows_to_its_end(tmp_path):
    noise = [bytes(random.Random(i).randbytes(100_000)) for i in range(5)]
    members = [(f"{i}.png", content) for i, content in enumerate(noise)]
    for path in (
        write_tar(tmp_path / "a.tar.gz", *(member(*item) for item in members)),
        write_zip(tmp_path / "a.zip", *members),
    ):
        shares: list[float] = []
        list(read_archive(path, lambda name: True, on_share=shares.append))
        assert shares == sorted(shares)
        assert 0 <= shares[0] < 0.5 < shares[-1] <= 1
