"""Files appear whole or not at all, one writer at a time; what goes wrong with one names it. And locks, and a cache."""

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

_LEFTOVER = re.compile(r"\..+(\.\w+)\.\w+\1|\..+\.(part|lock)")
ANY_UTF_8 = "utf-8-sig"  # To read by: spreadsheets put a byte order mark at the beginning.
_MAX_REASON = 300  # Characters; some libraries list every tensor of a file.


class UnusableFileError(ValueError):
    """A file is damaged, or not what it is taken for; the message names it."""


class UnwritableFileError(OSError):
    """A file cannot be written; the message names it, and what was there before is as it was."""


@contextmanager
def reading(path: Path, *, way_out: str = "") -> Iterator[None]:
    """Turn whatever a reader of `path` raises into one error that names the file and says why.

    A file that is not there stays a FileNotFoundError.

    Args:
        path: The file.
        way_out: What its owner can do; the error ends with it.

    Raises:
        UnusableFileError: If anything else goes wrong inside; "PATH cannot be used: REASON".
    """
    try:
        yield
    except (FileNotFoundError, UnusableFileError):
        raise
    except Exception as error:
        text = f"{path} cannot be used: {_reason(error)}"
        raise UnusableFileError(f"{text}; {way_out}" if way_out else text) from error


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn whatever a writer of `path` raises into one error that names the file and says why.

    Raises:
        UnwritableFileError: If anything goes wrong inside; libraries have errors of their own for a full disk.
    """
    try:
        yield
    except UnwritableFileError:
        raise
    except Exception as error:
        raise UnwritableFileError(f"{path} cannot be written: {_reason(error)}") from error


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path; on success what is written there takes the place of `path`, on error it is removed.

    A process killed at any moment leaves either the old file or the new one. What it leaves beside them is removed by
    the next writer of the same file; writers of one file take turns.

    Raises:
        UnwritableFileError: If anything goes wrong inside.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with alone(path.with_name(f".{path.name}.lock")) as are_others_dead:
            if are_others_dead:
                _remove_leftovers(path)
            with _folder_for(path) as folder:
                temporary = folder / path.name
                temporary.touch()
                # As the process's umask has it, whatever the writer makes of it.
                mode = temporary.stat().st_mode
                yield temporary
                # A rename may reach the disk before the data it names: flush the data first.
                with temporary.open("rb+") as file:
                    os.fsync(file.fileno())
                temporary.chmod(mode)
                temporary.replace(path)


def read_lines(path: Path) -> list[str]:
    """Return the lines of a text file of anyone's in UTF-8, with a byte order mark or without.

    They end at line breaks, not at all that `str.splitlines` takes for one: sentences hold such characters.
    """
    with path.open(encoding=ANY_UTF_8) as file:
        return [line.removesuffix("\n") for line in file]


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def is_leftover(name: str) -> bool:
    """Return whether a name in a folder is one that only a killed writer leaves there."""
    return _LEFTOVER.fullmatch(name) is not None


@contextmanager
def alone(path: Path, *, on_wait: Callable[[], object] = lambda: None) -> Iterator[bool]:
    """Wait for whoever holds the lock `path`, and hold it; it goes with the process that does, however that ends.

    Yields whether there are such locks here: Windows and some network disks have none. There, do not start the same
    work twice at a time.

    Args:
        path: File of the lock; it is there only while somebody holds it.
        on_wait: Is called once where somebody does.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with path.open("w") as file:
            is_held = _lock(file, on_wait)
            if is_held and not _is_still_there(file, path):
                # Its holder removed it before letting go: the lock of a file that others cannot find excludes nobody.
                continue
            try:
                yield is_held
            finally:
                if is_held:
                    path.unlink(missing_ok=True)
            return


def _lock(file: TextIO, on_wait: Callable[[], object]) -> bool:
    try:
        import fcntl

        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(file, fcntl.LOCK_EX)
    except (ImportError, OSError):
        return False
    return True


def _is_still_there(file: TextIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


@contextmanager
def _folder_for(path: Path) -> Iterator[Path]:
    """Yield a folder beside `path`, on the same disk; a library's own temporaries in it go with it."""
    folder = Path(tempfile.mkdtemp(path.suffix or ".part", f".{path.name}.", path.parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_leftovers(path: Path) -> None:
    for entry in list(path.parent.iterdir()):
        if entry.name.startswith(f".{path.name}.") and is_leftover(entry.name) and entry.suffix != ".lock":
            _remove(entry)


def _remove(entry: Path) -> None:
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry, ignore_errors=True)
    else:
        entry.unlink(missing_ok=True)


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"it must be text in UTF-8, got byte {error.object[error.start]:#04x} at place {error.start}; save it so"
    words = " ".join(str(getattr(error, "strerror", None) or error).split())
    plain = isinstance(error, ValueError | OSError) and words
    text = words if plain else f"{type(error).__name__}: {words}".rstrip(": ")
    return text if len(text) <= _MAX_REASON else f"{text[:_MAX_REASON]} ..."


def cache_dir() -> Path:
    """Return the folder for what can be made again: `$ANCHORWISE_CACHE`, else `anchorwise` in the user's own.

    Raises:
        OSError: If none is named and the user has no home.
    """
    try:
        if own := os.environ.get("ANCHORWISE_CACHE"):
            return Path(own).expanduser()
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "anchorwise"
    except RuntimeError as error:
        raise OSError(f"there is no cache folder: {error}") from error
