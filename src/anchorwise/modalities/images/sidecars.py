"""Labels in files beside the images, as in the shards of WebDataset: `0001.jpg` with `0001.cls` or `0001.json`.

A `.cls` holds the number or the name of a class. A `.json` of some metadata may name one under `class_name`, `class`,
`cls` or `label`. Files belong together whose names are equal up to the suffix, or up to the first dot.
Source: https://github.com/webdataset/webdataset, "The WebDataset Format".
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from anchorwise import _files
from anchorwise.modalities.sources import Payload

LABEL_SUFFIXES = (".cls", ".json")

_CLASS_KEYS = ("class_name", "class", "cls", "label")
_MAX_BYTES = 1 << 16  # A longer file is no label and no metadata of one image.
_MAX_LETTERS = 200


class Sidecars:
    """Collects the labels among the files of a source."""

    def __init__(self) -> None:
        self._classes: dict[str, dict[str, str]] = {suffix: {} for suffix in LABEL_SUFFIXES}

    def taken_out(self, files: Iterable[tuple[str, Payload]]) -> Iterator[tuple[str, Payload]]:
        """Yield the files that are no labels, and keep those that are."""
        for name, data in files:
            suffix = name[name.rfind(".") :].lower()
            if suffix not in LABEL_SUFFIXES:
                yield name, data
            elif (class_name := _class_in(suffix, data)) is not None:
                self._classes[suffix][name[: -len(suffix)]] = class_name

    def classes_of(self, names: Iterable[str]) -> tuple[str | None, ...]:
        """Return the class of every image, None for those without; empty if the files give no labels.

        One `.cls` makes all labels come from such files, whatever the folders are called. A `.json` may hold anything,
        and counts only where every image has one that names a class and all lie in one folder.
        """
        names = tuple(names)
        by_file = tuple(_find(self._classes[".cls"], name) for name in names)
        if any(by_file):
            return by_file
        by_metadata = tuple(_find(self._classes[".json"], name) for name in names)
        is_flat = len({PurePosixPath(name).parent for name in names}) == 1
        return by_metadata if is_flat and all(by_metadata) else ()


def _find(classes: dict[str, str], name: str) -> str | None:
    path = PurePosixPath(name)
    sample = path.name.split(".")[0]
    return classes.get(str(path.with_suffix(""))) or classes.get(str(path.with_name(sample)))


def _class_in(suffix: str, data: Payload) -> str | None:
    content = _beginning(data)
    try:
        found = content.decode() if suffix == ".cls" else _named(json.loads(content))
    except (ValueError, RecursionError):  # No text, no JSON: it says nothing of a class.
        return None
    found = found.strip()
    return found if 0 < len(found) <= _MAX_LETTERS else None


def _beginning(data: Payload) -> bytes:
    if isinstance(data, Path):
        with _files.reading(data), data.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    return data if len(data) <= _MAX_BYTES else b""


def _named(metadata: object) -> str:
    """Return the class that the metadata of an image name, or nothing."""
    if not isinstance(metadata, dict):
        return ""
    named = next((metadata[key] for key in _CLASS_KEYS if key in metadata), "")
    return str(named) if isinstance(named, str | int) and not isinstance(named, bool) else ""
