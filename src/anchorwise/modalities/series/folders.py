"""A folder of recordings, one a file, with tables that say whose they are.

    recordings.csv      file, participant, and what else is known of each; optionally sampling_rate_hz and split
    participants.csv    participant, and what is known of each; optional
    p01/morning.npy     an array of steps, or of steps and channels
    p01/evening.npz     an array of steps for each channel, by its name; optionally a number sampling_rate_hz
    p02/night.csv       a column for each channel; columns of time, of row numbers and of words are left out

The tables may be TSV, JSON lines or Parquet as well. Without `recordings.csv` every file is a recording, and the folder
that it lies in is its participant; of files in the top folder each is its own.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from anchorwise import _files
from anchorwise.modalities.layout import is_hidden
from anchorwise.modalities.series.recordings import Fact, Recording
from anchorwise.modalities.tables import Columns, read_table

RECORDINGS, PARTICIPANTS = "recordings", "participants"
SUFFIXES = (".npy", ".npz", ".csv")
_TABLES = (".csv", ".tsv", ".jsonl", ".parquet")
_FILE, _SPLIT, RATE = "file", "split", "sampling_rate_hz"
# Columns of time or of row numbers, as loggers and pandas call them, with a unit or without.
_TIMES = re.compile(
    r"(index|unnamed: 0|t|((unix|epoch|elapsed)[ _]?)?(date|time|datetime|timestamp)s?)"
    r"([ _]?([mun]?s|sec|seconds|utc)|\s*[(\[].*[)\]])?",
    re.IGNORECASE,
)
_PARTS = {"train": "train", "training": "train", "test": "test", "": ""}


def read_folder(path: Path, participant: str = "participant") -> list[Recording]:
    """Return the recordings of a folder.

    Args:
        path: The folder.
        participant: Name of the column that says whose a recording is.

    Raises:
        FileNotFoundError: If a file of the table is not there, or there is none at all.
        UnusableFileError: If a file is damaged.
        ValueError: If a table lacks a column or a cell, names a file twice, or a participant is not in the other table.
    """
    table, people = _table(path, RECORDINGS), _people(path, participant)
    if table is None:
        files = sorted(
            file.relative_to(path)
            for file in path.rglob("*")
            if file.suffix in SUFFIXES and file.is_file() and file != _file(path, PARTICIPANTS)
        )
        rows = [({_FILE: file.as_posix()}, _folder_of(file)) for file in files if not is_hidden(file.as_posix())]
    else:
        rows = [(row, _whose(row, participant, path, number)) for number, row in enumerate(_rows(table), start=1)]
    if not rows:
        raise FileNotFoundError(
            f"data.source={path} must hold recordings ({', '.join(SUFFIXES)}), or {RECORDINGS}.csv that names them, "
            "got neither"
        )
    made = list[Recording]()
    if repeated := [name for name, times in Counter(row.get(_FILE, "") for row, _ in rows).items() if times > 1]:
        raise ValueError(f"{RECORDINGS} of {path} must name each file once, got {repeated[0]!r} several times")
    for row, whose in rows:
        if people is not None and whose not in people:
            raise ValueError(
                f"{PARTICIPANTS} must have a row for every participant of the recordings in {path}, got none for "
                f"{whose!r} of {row.get(_FILE)}; add it, or leave the recording out"
            )
        made.append(_recording(path, row, whose, participant, {} if people is None else people[whose]))
    return made


def _recording(path: Path, row: Mapping[str, str], whose: str, participant: str, known: Mapping[str, str]) -> Recording:
    name = row.get(_FILE, "").strip()
    if not name or PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
        raise ValueError(f"{RECORDINGS} must name a file below {path} in column {_FILE!r}, got {name!r}")
    if not (path / name).is_file():
        raise FileNotFoundError(f"{RECORDINGS} of {path} names {name}, which is not there")
    signals, channels, rate = read_recording(path / name)
    facts: dict[str, Fact] = {key: cell for key, cell in {**known, **row}.items() if cell.strip()}
    for taken in (_FILE, participant):
        facts.pop(taken, None)
    part, said = str(facts.pop(_SPLIT, "")).strip().lower(), facts.pop(RATE, None)
    if part not in _PARTS:
        raise ValueError(f"column {_SPLIT!r} of {RECORDINGS} must say train or test, got {part!r} of {name}")
    return Recording(name, signals, channels, whose, rate if said is None else _rate(said, name), facts, _PARTS[part])


def read_recording(path: Path) -> tuple[np.ndarray, tuple[str, ...], float | None]:
    """Return the steps of a file, what its channels are called, and its rate where it says one.

    Raises:
        UnusableFileError: If it is damaged, or of another form.
    """
    with _files.reading(path):
        if path.suffix == ".csv":
            table = {name: cells for name, cells in read_table(path).items() if not _TIMES.fullmatch(name)}
            found = {name: _numbers(name, cells) for name, cells in table.items()}
            columns = {name: numbers for name, numbers in found.items() if numbers is not None}
            return _columns(columns), tuple(columns), None
        loaded = np.load(path, allow_pickle=False)
        if path.suffix == ".npy":
            signals = _plain(loaded)
            return signals, tuple(map(str, range(signals.shape[1]))), None
        with loaded:
            arrays = {name: loaded[name] for name in loaded.files}
        rate = arrays.pop(RATE, None)
        if len(arrays) == 1 and (only := next(iter(arrays.values()))).ndim == 2:
            signals, channels = _plain(only), tuple(map(str, range(only.shape[1])))
        else:
            signals, channels = _columns(arrays), tuple(arrays)
        return signals, channels, None if rate is None else _rate(rate, path.name)


def _plain(array: np.ndarray) -> np.ndarray:
    """Return an array as steps and channels."""
    if array.dtype.kind not in "fiub" or array.ndim not in (1, 2) or 0 in array.shape:
        raise ValueError(
            f"it must hold numbers of shape (steps,) or (steps, channels), got {array.dtype} of shape {array.shape}"
        )
    if array.ndim == 2 and array.shape[1] > array.shape[0]:
        raise ValueError(
            f"it must have steps along its first axis and channels along its second, got shape {array.shape}, which is "
            "more channels than steps; transpose it"
        )
    return array.reshape(len(array), -1).astype(np.float32)


def _columns(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    lengths = {name: array.shape for name, array in arrays.items()}
    if not arrays or len(set(lengths.values())) > 1 or any(array.ndim != 1 for array in arrays.values()):
        raise ValueError(f"its channels must be arrays of one length each, got {lengths or 'none'}")
    return np.concatenate([_plain(array) for array in arrays.values()], axis=1)


def _numbers(name: str, cells: Sequence[str]) -> np.ndarray | None:
    """Return a column of numbers, nan where a cell is empty; None where all of its words are none."""
    found = [float("nan") if not cell.strip() else _number(cell) for cell in cells]
    if None not in found:
        return np.array(found)
    if all(number is None or number != number for number in found):
        return None
    place = found.index(None)
    raise ValueError(
        f"column {name!r} must hold numbers, or words alone to be left out, got {cells[place]!r} in row {place + 1}; "
        "leave the cell empty where nothing was measured"
    )


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _rate(value: object, name: str) -> float:
    try:
        rate = float(np.asarray(value, dtype=np.float64))
    except (TypeError, ValueError):
        rate = float("nan")
    if not 0.0 < rate < float("inf"):
        raise ValueError(f"{RATE} must be a number of Hz above 0, got {value!r} of {name}")
    return rate


def _file(path: Path, name: str) -> Path | None:
    return next((file for suffix in _TABLES if (file := path / f"{name}{suffix}").is_file()), None)


def _table(path: Path, name: str) -> Columns | None:
    file = _file(path, name)
    return None if file is None else read_table(file)


def _rows(table: Columns) -> list[dict[str, str]]:
    return [dict(zip(table, cells, strict=True)) for cells in zip(*table.values(), strict=True)]


def _people(path: Path, participant: str) -> dict[str, dict[str, str]] | None:
    """Return what is known of every participant."""
    table = _table(path, PARTICIPANTS)
    if table is None:
        return None
    rows = {_whose(row, participant, path, number): row for number, row in enumerate(_rows(table), start=1)}
    if len(rows) < len(next(iter(table.values()))):
        raise ValueError(f"{PARTICIPANTS} of {path} must have each participant once, got one several times")
    return rows


def _whose(row: Mapping[str, str], participant: str, path: Path, number: int) -> str:
    whose = row.get(participant, "").strip()
    if not whose:
        raise ValueError(
            f"the tables of {path} must say whose every recording is in column {participant!r}, got nothing in row "
            f"{number} ({', '.join(f'{name}={cell}' for name, cell in row.items())}); name another column with "
            "data.participant"
        )
    return whose


def _folder_of(file: Path) -> str:
    return file.parent.as_posix() if file.parent != Path() else file.stem
