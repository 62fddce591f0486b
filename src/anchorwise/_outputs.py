"""Where a command writes: a folder that is new, empty or its own, and no file that is not its own."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from anchorwise import _files

MARKER = ".anchorwise"


def claim_folder(folder: Path, command: str, *, is_own: bool = False) -> None:
    """Take `folder` as the place for what a command writes; call it before anything is computed.

    Args:
        folder: Where the output goes; it is made if it is not there.
        command: The word of the command, such as "embed"; a marker in the folder says so from then on.
        is_own: The caller knows by the folder's files that the command has written it.

    Raises:
        ValueError: If the folder holds files that the command did not write, or cannot be written to.
    """
    refuse_folder_of_others(folder, command, is_own=is_own)
    if _marked(folder) != command:
        _files.write_text(folder / MARKER, f"{command}\n")


def refuse_folder_of_others(folder: Path, command: str, *, is_own: bool = False) -> None:
    """Do the check of `claim_folder` and leave the disk as it is."""
    _refuse_read_only(folder)
    if is_own or not _holds_anything(folder) or _marked(folder) == command:
        return
    raise ValueError(
        f"{folder} holds files that `anchorwise {command}` did not write; choose another --out, or remove the folder"
    )


def claim_file(path: Path, is_own: Callable[[Path], object]) -> None:
    """Refuse to write over a file that is not the command's own; call it before anything is computed.

    Args:
        path: The file to be written.
        is_own: Reads the file that is there; it returns something false, or raises a ValueError, if it is another's.

    Raises:
        ValueError: If so, or if there can be no file.
    """
    if path.is_dir():
        raise ValueError(f"{path} is a folder; choose a file as --out")
    if path.exists() and not _true_of(path, is_own):
        raise ValueError(f"{path} is another file, which would be lost; choose another --out, or remove it")
    with _files.writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=path.parent).close()


def _holds_anything(folder: Path) -> bool:
    return folder.is_dir() and any(not _files.is_leftover(entry.name) for entry in folder.iterdir())


def _marked(folder: Path) -> str:
    marker = folder / MARKER
    return marker.read_text(encoding="utf-8", errors="replace").strip() if marker.is_file() else ""


def _refuse_read_only(folder: Path) -> None:
    nearest = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    if not nearest.is_dir():
        raise ValueError(f"{nearest} is a file; choose a folder as --out")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise ValueError(f"{nearest} cannot be written to; choose another --out")


def _true_of(path: Path, is_own: Callable[[Path], object]) -> bool:
    try:
        return bool(is_own(path))
    except ValueError:
        return False
