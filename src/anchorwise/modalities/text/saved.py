"""Data sets that `save_to_disk` of Hugging Face's `datasets` left: Arrow streams, which pyarrow alone reads."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from anchorwise import _extras, _files
from anchorwise.modalities.tables import Columns, cells_of
from anchorwise.modalities.text.tables import Texts, texts_of

_PARTS_FILE, _STATE_FILE = "dataset_dict.json", "state.json"


def is_saved(folder: Path) -> bool:
    """Return whether a folder is such a data set, or several that are its parts."""
    return any((folder / name).is_file() for name in (_PARTS_FILE, _STATE_FILE))


def read_saved(folder: Path, columns: Sequence[str] | None = None) -> dict[str, Texts]:
    """Return the texts of every part by its name; of one without parts by that of the folder.

    Args:
        folder: As `is_saved` knows it.
        columns: As `read_texts` takes them.

    Raises:
        UnusableFileError: If a file is missing, or damaged.
        ValueError: If a column is not there, a text is empty, or a score is no number.
    """
    _extras.needed("pyarrow")
    if not (folder / _PARTS_FILE).is_file():
        return {folder.name: texts_of(folder, _table(folder), columns)}
    names = [_plain(name) for name in _object(folder / _PARTS_FILE)["splits"]]
    return {name: texts_of(folder / name, _table(folder / name), columns) for name in names}


def _table(folder: Path) -> Columns:
    import pyarrow  # pyright: ignore[reportMissingImports]

    found = []
    for entry in _object(folder / _STATE_FILE)["_data_files"]:
        path = folder / _plain(entry["filename"])
        with _files.reading(path), path.open("rb") as file:
            found.append(pyarrow.ipc.open_stream(file).read_all())
    return cells_of(pyarrow.concat_tables(found))


def _object(path: Path) -> Any:
    with _files.reading(path):
        return json.loads(path.read_text(encoding="utf-8"))


def _plain(name: str) -> str:
    """Refuse a name that leads out of its folder."""
    if Path(name).name != name:
        raise _files.UnusableFileError(f"a data set's files must lie in its folder, got {name!r}")
    return name
