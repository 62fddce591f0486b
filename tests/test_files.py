import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from safetensors import SafetensorError

from anchorwise import _files

# Dies without a clean-up, as a process that is killed does, at the call that the second argument names.
KILLED = """
import os, pathlib, sys, tempfile
from anchorwise import _files
def die(*_, **__):
    os._exit(9)
setattr(os if sys.argv[2] == "fsync" else pathlib.Path, sys.argv[2], die)
_files.write_text(pathlib.Path(sys.argv[1]), "new")
"""


def _killed_writer(path: Path, at: str) -> None:
    assert subprocess.run([sys.executable, "-c", KILLED, str(path), at], check=False).returncode == 9


@pytest.mark.parametrize("at", ["touch", "fsync", "replace"])
def test_the_next_writer_of_a_file_removes_what_a_killed_one_left(tmp_path: Path, at: str):
    path = tmp_path / "config.json"
    _files.write_text(path, "old")
    _killed_writer(path, at)
    assert path.read_text() == "old"
    assert len(list(tmp_path.iterdir())) > 1
    assert all(_files.is_leftover(entry.name) for entry in tmp_path.iterdir() if entry != path)
    _files.write_text(path, "newer")
    assert path.read_text() == "newer"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["config.json", ".hidden", ".report.html.swp", "report.html.lock.json", ".git"])
def test_files_of_others_are_no_leftovers(name: str):
    assert not _files.is_leftover(name)


def test_writers_leave_the_hidden_files_of_others_alone(tmp_path: Path):
    swap = tmp_path / ".report.html.swp"
    swap.write_text("an editor's")
    _files.write_text(tmp_path / "report.html", "ours")
    assert swap.read_text() == "an editor's"


def test_what_a_library_leaves_beside_its_file_goes_with_it(tmp_path: Path):
    with _files.replacing(tmp_path / "model.bin") as temporary:
        temporary.with_name(".tmpAB12").write_text("a temporary of a library that names it as it likes")
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.bin"]


def test_the_mode_of_a_file_follows_the_umask_which_is_never_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    before = os.umask(0o027)
    try:
        with monkeypatch.context() as patched:
            patched.setattr(os, "umask", lambda _: pytest.fail("the umask is the whole process's"))
            _files.write_text(tmp_path / "a.txt", "text")
    finally:
        os.umask(before)
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o640


def test_a_lock_admits_one_at_a_time_and_leaves_no_file(tmp_path: Path):
    inside, most = 0, 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(20):
            with _files.alone(tmp_path / "a.lock") as is_held:
                assert is_held
                inside += 1
                most = max(most, inside)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (KeyError("step"), "KeyError: 'step'"),
        (EOFError(), "EOFError"),
        (RecursionError("too deep"), "RecursionError: too deep"),
        (ValueError("labels must be\n whole"), "labels must be whole"),
        (PermissionError(13, "Permission denied", "x"), "Permission denied"),
        (SafetensorError("HeaderTooLarge"), "SafetensorError: HeaderTooLarge"),
        (
            UnicodeDecodeError("utf-8", b"caf\xe9", 3, 4, "unexpected end of data"),
            "it must be text in UTF-8, got byte 0xe9 at place 3; save it so",
        ),
    ],
)
def test_whatever_a_reader_raises_names_the_file(tmp_path: Path, error: Exception, reason: str):
    path = tmp_path / "x.npy"
    with pytest.raises(_files.UnusableFileError) as raised, _files.reading(path):
        raise error
    assert str(raised.value) == f"{path} cannot be used: {reason}"


def test_lines_end_at_line_breaks_alone_and_a_byte_order_mark_is_none_of_them(tmp_path: Path):
    lines = ["a\u2028b", "c\x0cd\x85e", "", "f"]
    for end in ("\n", "\r\n"):
        (tmp_path / "x").write_bytes("\ufeff".encode() + end.join(lines).encode())
        assert _files.read_lines(tmp_path / "x") == lines


def test_a_missing_file_stays_a_missing_file(tmp_path: Path):
    with pytest.raises(FileNotFoundError), _files.reading(tmp_path / "x"):
        (tmp_path / "x").read_text()


def test_a_full_disk_names_the_file_and_leaves_the_old_one(tmp_path: Path):
    path = tmp_path / "checkpoint.safetensors"
    _files.write_text(path, "old")
    error = SafetensorError("I/O error: No space left on device (os error 28)")  # It is no OSError.
    with pytest.raises(OSError, match=r"checkpoint.safetensors cannot be written: .*No space"), _files.replacing(path):
        raise error
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
