"""Recorded queries: trajectories, and which two of three somebody said are alike.

recording.npz     `states`, float, shape (trajectories, states, numbers); `queries`, whole numbers, shape (queries,
3): the two that are alike and the third, as places in `states`; and, where they are known,
`features`, shape (trajectories, features)
recording.jsonl   lines {"trajectory": NAME, "states": [[...], ...]}, with "features": [...] where they are known,
and lines {"alike": [NAME, NAME], "other": NAME}
a folder          `trajectories.csv`, whose first column is the name and whose others are the numbers of a state, a
line for each state in their order; `queries.csv` with the columns p1, p2 and n; and, where they
are known, `features.csv`, whose first column is the name
"""

import json
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from anchorwise import _checks, _files
from anchorwise.modalities.tables import csv_rows

# t = trajectories, s = states of each, f = numbers of a state, q = queries, k = causal features

TRAJECTORIES_FILE, QUERIES_FILE, FEATURES_FILE = "trajectories.csv", "queries.csv", "features.csv"
_COLUMNS = ("p1", "p2", "n")


@dataclass(frozen=True, eq=False)
class Queries:
    """Trajectories, and answers about them.

    Attributes:
        states: Of every trajectory.
        answers: Places of three trajectories each: two that are alike, then the other one.
        features: What the answers depend on, of every trajectory; None where nobody knows.
        names: Of the trajectories.
    """

    states: Float[Tensor, "t s f"]
    answers: Int64[Tensor, "q 3"]
    features: Float[Tensor, "t k"] | None
    names: tuple[str, ...]


def read_recording(path: Path) -> Queries:
    """Read recorded queries.

    Raises:
        FileNotFoundError: If there is no such file or folder, or a file of it is missing.
        UnusableFileError: If one is damaged, holds no queries, or its trajectories and queries do not fit together.
    """
    if path.is_dir():
        return _of_folder(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"data.source must be 'paths' or a recording of queries, got {path}, which is not there"
        )
    read = _READERS[_checks.one_of("the suffix of data.source", path.suffix, _READERS)]
    with _files.reading(path):
        return read(path)


def _of_npz(path: Path) -> Queries:
    with np.load(path, allow_pickle=False) as file:
        for name in ("states", "queries"):
            if name not in file:
                raise ValueError(f"it must hold {name!r}, and has {', '.join(file.files) or 'nothing'}")
        states, answers = file["states"], file["queries"]
        features = file.get("features")
    if states.ndim != 3:
        raise ValueError(f"states must have the shape (trajectories, states, numbers), got {states.shape}")
    if answers.size and not np.issubdtype(answers.dtype, np.integer):
        raise ValueError(f"queries must be whole numbers, places in states, got {answers.dtype}")
    if answers.size and (answers.ndim != 2 or answers.shape[1] != 3):
        raise ValueError(f"queries must have the shape (queries, 3): two that are alike and another, {answers.shape}")
    return _together(dict(enumerate(states)), answers.tolist(), None if features is None else dict(enumerate(features)))


def _of_lines(path: Path) -> Queries:
    states, features, answers = dict[Hashable, Any](), dict[Hashable, Any](), list[Sequence[Hashable]]()
    for number, line in enumerate(_files.read_lines(path), start=1):
        if not line.strip():
            continue
        found = json.loads(line)
        match found:
            case {"trajectory": name, "states": rows}:
                if name in states:
                    raise ValueError(f"line {number} has trajectory {name!r} a second time")
                states[name] = rows
                if "features" in found:
                    features[name] = found["features"]
            case {"alike": [first, second], "other": other}:
                answers.append((first, second, other))
            case _:
                raise ValueError(
                    f"line {number} must have trajectory and states, or alike (two names) and other, got {line[:60]}"
                )
    return _together(states, answers, features or None)


def _of_folder(path: Path) -> Queries:
    parts = dict[str, tuple[list[str], list[list[str]]]]()
    for name in (TRAJECTORIES_FILE, QUERIES_FILE, FEATURES_FILE):
        file = path / name
        if not file.is_file():
            if name == FEATURES_FILE:
                continue
            raise FileNotFoundError(
                f"data.source={path} must hold {TRAJECTORIES_FILE} and {QUERIES_FILE}, has no {name}"
            )
        with _files.reading(file), file.open(newline="", encoding=_files.ANY_UTF_8) as opened:
            header, *rows = [row for row in csv_rows(opened) if row] or [[]]
            if any(len(row) != len(header) for row in rows):
                raise ValueError(f"every line must have the {len(header)} columns of the first one")
            parts[name] = header, rows
    with _files.reading(path / TRAJECTORIES_FILE):
        states = dict[Hashable, Any]()
        for name, *numbers in parts[TRAJECTORIES_FILE][1]:
            states.setdefault(name, []).append([float(number) for number in numbers])
    with _files.reading(path / QUERIES_FILE):
        header, rows = parts[QUERIES_FILE]
        if header and not set(_COLUMNS) <= set(header):
            raise ValueError(f"it must have the columns {', '.join(_COLUMNS)}, got {', '.join(header)}")
        columns = [header.index(name) for name in _COLUMNS if header]
        answers = [[row[column] for column in columns] for row in rows]
    features = None
    if FEATURES_FILE in parts:
        with _files.reading(path / FEATURES_FILE):
            features = {name: [float(number) for number in numbers] for name, *numbers in parts[FEATURES_FILE][1]}
    with _files.reading(path):
        return _together(states, answers, features)


_READERS = {".npz": _of_npz, ".jsonl": _of_lines}


def _together(
    states: Mapping[Any, Any],
    answers: Sequence[Sequence[Hashable]],
    features: Mapping[Any, Any] | None,
) -> Queries:
    """Return trajectories by name and answers about them as tensors, after what does not fit together is refused."""
    if len(answers) < 2:
        raise ValueError(
            f"it must hold at least two queries, of two trajectories that are alike and another, got {len(answers)}"
        )
    if not states:
        raise ValueError("it must hold trajectories, got none")
    rows, (first, *_, last) = [_rows(name, each) for name, each in states.items()], [*states, *states]
    for name, row in zip(states, rows, strict=True):
        if row.shape != rows[0].shape:
            raise ValueError(
                f"trajectories must have equally many states, and these equally many numbers, got {rows[0].shape} of "
                f"{first!r} and {row.shape} of {name!r}: features are summed over states; cut them, or sample them anew"
            )
    places = {name: place for place, name in enumerate(states)}
    for number, answer in enumerate(answers):
        for name in answer:
            if name not in places:
                raise ValueError(
                    f"queries must name the {len(places)} trajectories that are there, {first!r} to "
                    f"{last!r}, got {name!r} in query {number}"
                )
        if len(set(answer)) < 3:
            raise ValueError(f"a query must be of three different trajectories, got {list(answer)} in query {number}")
    numbers = None
    if features is not None:
        if missing := [name for name in places if name not in features]:
            raise ValueError(f"features must be those of every trajectory, got none of {missing[0]!r}")
        numbers = torch.from_numpy(np.stack([_finite(name, features[name], 1) for name in places]))
    return Queries(
        torch.from_numpy(np.stack(rows)),
        torch.tensor([[places[name] for name in answer] for answer in answers]),
        numbers,
        tuple(map(str, places)),
    )


def _rows(name: Hashable, states: Any) -> Float[np.ndarray, "..."]:
    try:
        return _finite(name, states, 2)
    except ValueError as error:
        if "inhomogeneous" not in str(error):
            raise
        raise ValueError(f"states of trajectory {name!r} must have equally many numbers, and do not") from error


def _finite(name: Hashable, numbers: Any, num_dims: int) -> Float[np.ndarray, "..."]:
    array = np.asarray(numbers, dtype=np.float32)
    if array.ndim != num_dims or not array.size:
        what = "states of some numbers each" if num_dims == 2 else "a list of numbers"
        raise ValueError(f"trajectory {name!r} must have {what}, got an array of shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"numbers of trajectory {name!r} must be finite, got {array[~np.isfinite(array)][0]}")
    return array
