"""Files of the UCR and UEA archives of time series (`.ts`): dimensions parted by colons, the class or number last.

Source of the format: https://www.aeon-toolkit.org/en/stable/examples/datasets/data_loading.html. Japanese Vowels
(Kudo, Toyama and Shimbo 1999, CC BY 4.0) lies in the package `aeon`.
"""

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from anchorwise import _files
from anchorwise.modalities.series.recordings import Fact, Recording

_TRAIN, _TEST = "_TRAIN", "_TEST"
_LABEL, _TARGET = "label", "target"
_VOWELS = "JapaneseVowels"


def is_archive(path: Path) -> bool:
    """Return whether a path is such a file, or a folder of them."""
    return path.suffix == ".ts" or (path.is_dir() and any(path.glob("*.ts")))


def read_archive(path: Path) -> list[Recording]:
    """Return the series of both parts of a set, or of a file that is in one piece; each is a participant of its own.

    Args:
        path: A file, or a folder: of several sets in one folder it is that of the folder's name.

    Raises:
        UnusableFileError: If a file is damaged, or has time stamps.
        ValueError: If a folder has several sets, and none of its name.
    """
    sets = sorted({_set_of(file) for file in path.glob("*.ts")}) if path.is_dir() else [_set_of(path)]
    if len(sets) > 1 and path.name not in sets:
        raise ValueError(f"data.source must name one of the sets in {path}, got {', '.join(sets)}; name a file of one")
    name, folder = path.name if len(sets) > 1 else sets[0], path if path.is_dir() else path.parent
    files = {part: folder / f"{name}{end}.ts" for part, end in (("train", _TRAIN), ("test", _TEST), ("", ""))}
    return [each for part, file in files.items() if file.is_file() for each in _series(file, part)]


def _set_of(file: Path) -> str:
    return file.stem.removesuffix(_TRAIN).removesuffix(_TEST)


def vowels_folder() -> Path:
    """Return where Japanese Vowels lies.

    Raises:
        FileNotFoundError: If the package that brings it is not installed.
    """
    found = find_spec("aeon")
    folder = (
        None if found is None or found.origin is None else Path(found.origin).parent / "datasets" / "data" / _VOWELS
    )
    if folder is None or not folder.is_dir():
        raise FileNotFoundError(
            "data.source=japanese-vowels lies in the package aeon, which is not installed: pip install aeon; or name "
            "the folder of JapaneseVowels_TRAIN.ts with --data"
        )
    return folder


def _series(path: Path, part: str) -> list[Recording]:
    with _files.reading(path):
        head, rows = _parted(path.read_text(encoding=_files.ANY_UTF_8))
        if head.get("timestamps") == "true":
            raise ValueError("it has time stamps; only series of even steps are read")
        fact = next(
            (name for name, key in ((_LABEL, "classlabel"), (_TARGET, "targetlabel")) if _says(head, key)), None
        )
        return [_recording(row, f"{path.stem}:{number}", fact, part) for number, row in enumerate(rows, start=1)]


def _recording(row: str, name: str, fact: str | None, part: str) -> Recording:
    cells = row.split(":")
    facts: dict[str, Fact] = {} if fact is None else {fact: cells.pop().strip()}
    steps = [[float("nan") if value.strip() == "?" else float(value) for value in cell.split(",")] for cell in cells]
    if len({len(each) for each in steps}) > 1:
        raise ValueError(
            f"the dimensions of a series must be of one length, got {[len(each) for each in steps]} in {name}"
        )
    signals = np.array(steps, dtype=np.float32).T
    return Recording(name, signals, tuple(map(str, range(len(steps)))), name, None, facts, part)


def _parted(text: str) -> tuple[dict[str, str], list[str]]:
    """Return what the lines in front say, by name in lower case, and the lines of series."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    place = next((number for number, line in enumerate(lines) if line.lower() == "@data"), None)
    if place is None:
        raise ValueError("it must have a line @data, got none")
    head = (line[1:].split(maxsplit=1) for line in lines[:place] if line.startswith("@"))
    return {key.lower(): value.lower() for key, *rest in head for value in rest}, lines[place + 1 :]


def _says(head: dict[str, str], key: str) -> bool:
    return head.get(key, "").split(maxsplit=1)[:1] == ["true"]
