"""The arrays in a file of embeddings, by name: `.npy`, `.npz`, `.safetensors`, `.parquet`; nothing is unpickled."""

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from torch import Tensor

from anchorwise import _checks

SUFFIXES = (".npz", ".safetensors", ".npy", ".parquet")
FEATURE_KEYS = ("features", "embeddings", "x")
LABEL_KEYS = ("labels", "y", "targets")
UNREADABLE = (ValueError, OSError, SafetensorError, zipfile.BadZipFile)  # What reading a damaged file raises.


def read_arrays(path: Path, *, mapped: bool = False) -> dict[str, np.ndarray]:
    """Return the arrays of a file by name; the one array of a `.npy` file is called `features`.

    Args:
        path: The file.
        mapped: Leave the rows of `.npy` on disk and read them when they are used. Such arrays cannot be written to.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the suffix is unknown, or `.parquet` and pyarrow is not installed.
        UNREADABLE: If the file is damaged.
    """
    _checks.one_of(f"the suffix of {path}", path.suffix, SUFFIXES)
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not a file; write one with `anchorwise embed`")
    if path.suffix == ".npy":
        return {"features": _read_npy(path, mapped)}
    return {".npz": _read_npz, ".safetensors": _read_safetensors, ".parquet": _read_parquet}[path.suffix](path)


def pick(arrays: Mapping[str, np.ndarray], keys: tuple[str, ...]) -> np.ndarray | None:
    """Return the one array that has a name among `keys`; None if there is none.

    Raises:
        ValueError: If there are several.
    """
    found = [key for key in keys if key in arrays]
    if len(found) > 1:
        raise ValueError(f"it must hold only one of {', '.join(keys)}, got {' and '.join(found)}")
    return arrays[found[0]] if found else None


def whole_numbers(name: str, values: np.ndarray) -> np.ndarray:
    """Return `values` as int64; refuse what is not whole numbers."""
    if values.dtype.kind not in "iu":
        raise ValueError(f"{name} must be whole numbers, got {values.dtype}; number them from 0")
    return values.astype(np.int64)


def strings(array: np.ndarray | None) -> tuple[str, ...]:
    """Return the entries of an array as text; nothing for None."""
    return () if array is None else tuple(map(str, array.tolist()))


def text(values: tuple[str, ...] | list[str]) -> np.ndarray:
    """Return text as an array that needs no unpickling."""
    return np.asarray(values, dtype=np.str_)


def _read_npy(path: Path, mapped: bool) -> np.ndarray:
    if mapped:
        return np.lib.format.open_memmap(path, mode="r")
    with path.open("rb") as handle:
        return np.load(handle, allow_pickle=False)


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    # Opened here, because numpy leaves a damaged file open.
    with path.open("rb") as handle, np.load(handle, allow_pickle=False) as file:
        return {key: file[key] for key in file.files}


def _read_safetensors(path: Path) -> dict[str, np.ndarray]:
    # Through torch, because numpy has no bfloat16.
    with safe_open(path, framework="pt") as file:
        arrays = {key: _to_numpy(file.get_tensor(key)) for key in file.keys()}  # noqa: SIM118 - not a mapping
        metadata = file.metadata() or {}
    for key in ("names", "class_names"):
        if key in metadata:
            arrays[key] = text(json.loads(metadata[key]))
    return arrays | {"split": np.asarray(metadata.get("split", ""))}


def _read_parquet(path: Path) -> dict[str, np.ndarray]:
    try:
        from pyarrow import ArrowInvalid, parquet  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ValueError(f"{path} needs pyarrow: pip install pyarrow") from error
    try:
        table = parquet.read_table(path).combine_chunks()
    except ArrowInvalid as error:
        raise ValueError(f"it is no Parquet file: {error}") from error
    return {name: _column(name, table.column(name)) for name in table.column_names}


def _column(name: str, column: Any) -> np.ndarray:
    """Return a column of numbers or text, or one of lists of equal length as a matrix."""
    if not str(column.type).startswith(("list", "large_list", "fixed_size_list")):
        values = column.to_numpy()
        return text(values.tolist()) if values.dtype == object else values
    if not len(column) or column.null_count:
        raise ValueError(f"column {name} must hold a list in every row, got {column.null_count} rows without")
    flat = np.concatenate([chunk.flatten().to_numpy(zero_copy_only=False) for chunk in column.chunks])
    if len(flat) % len(column) or any(len(row) != len(flat) // len(column) for row in column):
        raise ValueError(f"column {name} must hold lists of one length, got several")
    return flat.reshape(len(column), -1)


def _to_numpy(tensor: Tensor) -> np.ndarray:
    return (tensor.float() if tensor.is_floating_point() else tensor).numpy()
