"""Matrices, edge lists and lists of numbers in files; nothing in them is ever run."""

from pathlib import Path

import numpy as np
from scipy import sparse

from anchorwise import _checks, _files
from anchorwise.modalities.graphs.graph import Matrix

MATRICES, LISTS = (".npz", ".npy"), (".txt", ".tsv", ".csv", ".npy")


def read_matrix(path: Path) -> Matrix:
    """Read a matrix that scipy (.npz) or numpy (.npy) saved.

    Raises:
        FileNotFoundError: If it is not there.
        UnusableFileError: If it is damaged, or has numbers that are not finite.
    """
    _checks.one_of(f"the suffix of {path}", path.suffix, MATRICES)
    with _files.reading(path):
        loaded = sparse.load_npz(path) if path.suffix == ".npz" else np.load(path, allow_pickle=False)
        if loaded.ndim != 2:
            raise ValueError(f"it must have rows and columns, got shape {loaded.shape}")
        matrix: Matrix = sparse.csr_array(loaded).astype(np.float64)
        matrix.sum_duplicates()
        if not np.isfinite(matrix.data).all():
            row = int(np.searchsorted(matrix.indptr, np.flatnonzero(~np.isfinite(matrix.data))[0], side="right")) - 1
            raise ValueError(f"its numbers must be finite, got another in row {row}, counted from 0")
        matrix.eliminate_zeros()
        return matrix


def read_features(path: Path) -> Matrix:
    """Read features, one row for each node; every row is divided by the sum of its sizes.

    Raises:
        FileNotFoundError: As `read_matrix`.
        UnusableFileError: Likewise.
    """
    features = read_matrix(path)
    sums = abs(features).sum(axis=1)
    return sparse.csr_array(sparse.diags_array(1.0 / np.where(sums > 0, sums, 1.0)) @ features)


def read_numbers(path: Path) -> np.ndarray:
    """Read one whole number for each line, or an array of them.

    Raises:
        FileNotFoundError: If it is not there.
        UnusableFileError: If it is damaged, or holds something else.
    """
    with _files.reading(path):
        numbers = _table(path)
        if numbers.ndim == 2 and numbers.shape[1] == 1:
            numbers = numbers[:, 0]
        if numbers.ndim != 1:
            raise ValueError(f"it must hold one number for each line, got shape {numbers.shape}")
        return numbers


def read_links(path: Path) -> tuple[np.ndarray, tuple[int, int] | None]:
    """Read an edge list: two node numbers in each line, or a matrix of the nodes of one kind by those of the other.

    Returns:
        The links, shape (links, 2), each once; and how many nodes there are of both kinds, where a matrix says it.

    Raises:
        FileNotFoundError: If it is not there.
        UnusableFileError: If it is damaged, or a line has a gap; the message names the line.
    """
    if path.suffix == ".npz":
        matrix = read_matrix(path)
        return np.stack(matrix.tocoo().coords, axis=1).astype(np.int64), matrix.shape
    with _files.reading(path):
        links = _table(path)
        if links.ndim != 2 or links.shape[1] != 2:
            raise ValueError(f"it must have two node numbers in every line, got shape {links.shape}")
        if len(links) and links.min() < 0:
            place = int(links.min(axis=1).argmin()) + 1
            raise ValueError(f"node numbers begin at 0, got {links.min()} in link {place}")
        return np.unique(links, axis=0), None


def _table(path: Path) -> np.ndarray:
    _checks.one_of("its suffix", path.suffix, LISTS)
    if path.suffix == ".npy":
        loaded = np.load(path, allow_pickle=False)
        if loaded.dtype.kind not in "iufb" or not (np.isfinite(loaded) & (np.floor(loaded) == loaded)).all():
            raise ValueError(f"it must hold whole numbers, got others, of {loaded.dtype}; number names from 0")
        return loaded.astype(np.int64)
    rows = []
    for number, line in enumerate(_files.read_lines(path), start=1):
        cells = line.split("," if "," in line else None)
        if not line.strip():
            continue
        if rows and len(cells) != len(rows[0]):
            raise ValueError(
                f"every line must have {len(rows[0])} numbers, got {len(cells)} in line {number}, {line!r}"
            )
        rows.append([_whole(cell, number) for cell in cells])
    return np.array(rows, dtype=np.int64)


def _whole(cell: str, line: int) -> int:
    try:
        return int(cell)
    except ValueError:
        pass
    try:
        number = float(cell)  # What numpy.savetxt writes of an array of floats.
    except ValueError:
        number = float("nan")
    if not number.is_integer():
        raise ValueError(
            f"it must hold whole numbers, got {cell.strip()!r} in line {line}; leave out lines of names and columns of "
            "weights, and number from 0 what goes by names"
        )
    return int(number)
