"""Files of interactions as graph recommenders publish them: lines of pairs or of lists, and a matrix as npz."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from anchorwise import _files

Named = list[tuple[str, str]]  # Pairs of a user and an item, as a file calls them.

COUNTED, LISTED, MATRIX = ("data1.txt", "test1.txt"), ("train.txt", "test.txt"), ("s_adj_mat.npz", "test.txt")
VALIDATION = "valid.txt"


@dataclass(frozen=True)
class Files:
    """What a folder has: pairs to train on, to choose by and to be judged on, and the names of the two others."""

    train: Named
    validation: Named
    test: Named
    validation_file: str = VALIDATION
    test_file: str = "test.txt"


def read_files(folder: Path) -> Files:
    """Read a folder of interactions.

    Raises:
        FileNotFoundError: If it is not there, or has none of the layouts.
        UnusableFileError: If a file is damaged; the message names it.
    """
    for train, test in (COUNTED, LISTED, MATRIX):
        path = folder / train
        if not path.is_file():
            continue
        has_weights = train == COUNTED[0] or (train == LISTED[0] and _have_weights(path))
        found = read_matrix(path) if train == MATRIX[0] else read_pairs(path, has_weights=has_weights)
        validation, judged = (
            read_pairs(folder / name, has_weights=has_weights) if (folder / name).is_file() else []
            for name in (VALIDATION, test)
        )
        return Files(found, validation, judged, test_file=test)
    raise FileNotFoundError(
        f"data.source={folder} must be a folder with {COUNTED[0]} and {COUNTED[1]}, with {LISTED[0]} and {LISTED[1]} "
        f"(and {VALIDATION}), or with {MATRIX[0]} and {MATRIX[1]}; it has none of them"
    )


def read_pairs(path: Path, *, has_weights: bool) -> Named:
    """Return the pairs of a text file.

    Args:
        path: The file. Words of a line are parted by tabs where it has some, else by commas, else by blanks.
        has_weights: Whether a line has a user, an item and a number, such as 3.2466e+05, which is not looked at;
            otherwise it has a user and all her items, or none.

    Raises:
        UnusableFileError: If there is no line, no item, no number where one is due, or a line of column names.
    """
    rows = _rows(path)
    with _files.reading(path):
        if not has_weights:
            if not any(len(row) > 1 for row in rows.values()):
                raise ValueError(f"no line has an item behind its user, got {next(iter(rows.values()))[0]!r} first")
            return [(user, item) for user, *items in rows.values() for item in items]
        for line, row in rows.items():
            if len(row) != 3 or not _is_number(row[2]):
                raise ValueError(f"line {line} must be a user, an item and a number, got {' '.join(row)!r}")
    return [(user, item) for user, item, _ in rows.values()]


def have_weights(rows: Mapping[int, Sequence[str]]) -> bool:
    """Return whether all lines have three words, of which the last is no item: users repeat, or all end alike."""
    several = [row for row in rows.values() if len(row) == 3]
    if len(several) < max(len(rows), 2):
        return False
    return len({row[0] for row in several}) < len(several) or len({row[2] for row in several}) == 1


def _have_weights(path: Path) -> bool:
    """Return whether a file has weights.

    Raises:
        UnusableFileError: If its lines have further columns, such as a time: they would be taken for items.
    """
    rows = _rows(path)
    with _files.reading(path):
        widths, users = {len(row) for row in rows.values()}, {row[0] for row in rows.values()}
        if len(widths) == 1 and max(widths) > 3 and len(users) < len(rows):
            line, row = next(iter(rows.items()))
            raise ValueError(
                f"users stand on several lines, each of {len(row)} words; a line must be a user, an item and at most a "
                f"weight, or a user with all her items, got {' '.join(row)!r} in line {line}; leave the other columns "
                "out"
            )
    return have_weights(rows)


def _rows(path: Path) -> dict[int, list[str]]:
    """Return the words of every line that has some, by its number."""
    with _files.reading(path):
        lines = enumerate(_files.read_lines(path), start=1)
        found = {number: words for number, line in lines if (words := _words(line))}
        if not found:
            raise ValueError("it has no line; it must have a user and her items on each, or a user, an item, a weight")
        (number, first), *others = found.items()
        if others and not any(map(_is_number, first)) and all(_is_number(word) for _, row in others for word in row):
            raise ValueError(f"line {number} names columns, got {' '.join(first)!r}; leave it out")
        return found


def _words(line: str) -> list[str]:
    parting = next((mark for mark in "\t," if mark in line), None)
    if parting is None:
        return line.split()
    return [word.strip() for word in next(csv.reader([line], delimiter=parting)) if word.strip()]


def _is_number(text: str) -> bool:
    try:
        return float(text) == float(text)
    except ValueError:
        return False


def read_matrix(path: Path) -> Named:
    """Return the pairs of a symmetric matrix over users and then items, as scipy saves one by rows.

    Where the items begin follows from the entries: none joins two users, or two items. Users and items are called by
    their numbers, each counted from 0, as the text files beside such a matrix do.

    Raises:
        UnusableFileError: If it is no such matrix.
    """
    with _files.reading(path), np.load(path, allow_pickle=False) as found:
        missing = [name for name in ("indices", "indptr", "shape") if name not in found.files]
        if missing or bytes(found["format"]) not in (b"csr",):
            raise ValueError("it must be a sparse matrix by rows (csr), as scipy.sparse.save_npz writes it")
        starts, columns, size = found["indptr"].astype(np.int64), found["indices"].astype(np.int64), found["shape"]
        rows = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
        upper = rows < columns
        first_item = _first_item(rows[upper], columns[upper], [int(side) for side in size])
        if 2 * int(upper.sum()) != len(rows):
            raise ValueError("it must be symmetric, with every interaction in both directions")
        return list(_named(rows[upper], columns[upper] - first_item))


def _first_item(users: np.ndarray, items: np.ndarray, size: Sequence[int]) -> int:
    """Return where the items begin."""
    if len(size) != 2 or size[0] != size[1] or not len(users):
        raise ValueError(f"it must be square and have interactions, got {len(users)} in {' x '.join(map(str, size))}")
    last_user, first_item = int(users.max()), int(items.min())
    if first_item <= last_user:
        raise ValueError(
            f"its first nodes must be users and the others items, got entries between {first_item} and a node below "
            f"it as well as between {last_user} and one above it: no place parts them"
        )
    if first_item > last_user + 1:
        raise ValueError(
            f"nodes {last_user + 1} .. {first_item - 1} have no interactions, so that nobody knows whether they are "
            "users or items; write the interactions as train.txt, a user and her items on a line"
        )
    return first_item


def _named(users: np.ndarray, items: np.ndarray) -> Iterator[tuple[str, str]]:
    return zip(map(str, users.tolist()), map(str, items.tolist()), strict=True)
