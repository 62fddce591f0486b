"""The arrays in a file, by name, each read when it is asked for: `.npy`, `.npz`, `.safetensors`, `.parquet`.

Nothing is unpickled, and what nobody asks for is not read, so an array that cannot be read spoils no other.
"""

import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from anchorwise import _checks, _extras
from anchorwise.embeddings.arrays import as_array, text

SUFFIXES = (".npz", ".safetensors", ".npy", ".parquet")
_PARTS = ("train", "test")
_HEADED = "  # skiprows=1 where the first line names the columns"
CONVERSIONS = {
    ".pt": "numpy.save('rows.npy', torch.load('{name}', weights_only=True).float().cpu().numpy())",
    ".pth": "numpy.save('rows.npy', torch.load('{name}', weights_only=True).float().cpu().numpy())",
    ".csv": "numpy.save('rows.npy', numpy.loadtxt('{name}', delimiter=','))" + _HEADED,
    ".tsv": "numpy.save('rows.npy', numpy.loadtxt('{name}', delimiter='\\t'))" + _HEADED,
    ".txt": "numpy.save('rows.npy', numpy.loadtxt('{name}'))",
}
# Embeddings compress to little less than half; what unpacks to far more is a mistake or a trap.
MAX_EXPANSION = 200
FREE_BYTES = 256 << 20  # Up to here nobody minds.


@dataclass(frozen=True)
class Stored:
    """An array that has not been read yet.

    Attributes:
        is_matrix: Whether it has rows and columns of numbers.
        read: Reads it; raises whatever its format raises.
    """

    is_matrix: bool
    read: Callable[[], np.ndarray]


def stored_arrays(path: Path) -> dict[str, Stored]:
    """Return the arrays of a file by name; the one array of a `.npy` file is called `features` and left on disk.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the suffix is `.parquet` and pyarrow is not installed.
        Exception: Whatever a reader raises on a damaged file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not a file")
    return _READERS[path.suffix](path)


def stored_values(values: Mapping[str, Any]) -> dict[str, Stored]:
    """Return arrays, tensors and lists by name in the form of `stored_arrays`."""
    return {name: Stored(_is_matrix(value), partial(as_array, name, value)) for name, value in values.items()}


def _is_matrix(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return bool(value) and np.ndim(value[0]) == 1 and not isinstance(value[0], str)
    return getattr(value, "ndim", 0) == 2


def parts_in(folder: Path) -> list[Path]:
    """Return the files `train` and `test` of a folder, as `anchorwise embed` writes them; those that are there."""
    named = (next(filter(Path.is_file, (folder / f"{part}{suffix}" for suffix in SUFFIXES)), None) for part in _PARTS)
    return [file for file in named if file is not None]


def check_suffix(path: Path) -> None:
    """Refuse a file that no reader is for; for some, name the line that converts it."""
    if path.suffix in CONVERSIONS:
        line = CONVERSIONS[path.suffix].format(name=path.name)
        raise ValueError(f"{path} must be one of {', '.join(SUFFIXES)}; convert it in Python: {line}")
    _checks.one_of(f"the suffix of {path}", path.suffix, SUFFIXES)


def _npy(path: Path) -> dict[str, Stored]:
    with path.open("rb") as file:
        _refuse_objects(path.stem, _header(file)[1])
    rows = np.lib.format.open_memmap(path, mode="r")
    return {"features": Stored(rows.ndim == 2, lambda: rows)}


def _npz(path: Path) -> dict[str, Stored]:
    with zipfile.ZipFile(path) as archive:
        return {
            member.filename.removesuffix(".npy"): Stored(
                _holds_matrix(archive, member), partial(_read_member, path, member)
            )
            for member in archive.infolist()
        }


def _holds_matrix(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bool:
    """Look at the head of an array only."""
    try:
        with archive.open(member) as file:
            shape, dtype = _header(file)
    except Exception:  # Whatever is wrong with it is said if it is asked for.
        return False
    return len(shape) == 2 and dtype.kind in "fiu"


def _header(file: Any) -> tuple[tuple[int, ...], np.dtype]:
    major, _ = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    return shape, dtype


def _read_member(path: Path, member: zipfile.ZipInfo) -> np.ndarray:
    allowed = max(FREE_BYTES, MAX_EXPANSION * member.compress_size)
    if member.file_size > allowed:
        raise ValueError(
            f"{member.filename} must unpack to at most {MAX_EXPANSION} times its size, got {member.file_size:,} bytes "
            f"from {member.compress_size:,}; if it is yours, save it without compression (numpy.savez)"
        )
    with zipfile.ZipFile(path) as archive, archive.open(member) as file:
        _refuse_objects(member.filename.removesuffix(".npy"), _header(file)[1])
        file.seek(0)
        return np.lib.format.read_array(file, allow_pickle=False)


def _refuse_objects(name: str, dtype: np.dtype) -> None:
    if dtype.hasobject:
        raise ValueError(
            f"{name} must hold numbers or text, got Python objects, which are not unpickled; save it as "
            f"{name}.astype(str), or {name}.astype('float32')"
        )


def _safetensors(path: Path) -> dict[str, Stored]:
    _extras.needed("safetensors")
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        found = {
            key: Stored(len(file.get_slice(key).get_shape()) == 2, partial(_read_tensor, path, key))
            for key in file.keys()  # noqa: SIM118 - not a mapping
        }
        metadata = file.metadata() or {}
    for key in ("names", "class_names"):
        if key in metadata:
            found[key] = Stored(False, partial(_read_list, metadata[key]))
    if "split" in metadata:
        found["split"] = Stored(False, partial(text, metadata["split"]))
    return found


def _read_tensor(path: Path, key: str) -> np.ndarray:
    from safetensors import safe_open

    # Through torch, because numpy has no bfloat16.
    with safe_open(path, framework="pt") as file:
        tensor: Tensor = file.get_tensor(key)
    return as_array(key, tensor)


def _read_list(words: str) -> np.ndarray:
    values = json.loads(words)
    if not isinstance(values, list):
        raise TypeError(f"a list is needed, got {type(values).__name__}")
    return text(values)


def _parquet(path: Path) -> dict[str, Stored]:
    try:
        from pyarrow import parquet  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ValueError(f"Parquet needs pyarrow: {_extras.install('pyarrow')}") from error
    return {
        field.name: Stored(_is_list(field.type), partial(_read_column, path, field.name))
        for field in parquet.read_schema(path)
    }


def _read_column(path: Path, name: str) -> np.ndarray:
    """Return a column of numbers or text, or one of lists of equal length as a matrix."""
    from pyarrow import parquet  # pyright: ignore[reportMissingImports]

    column = parquet.read_table(path, columns=[name]).combine_chunks().column(name)
    if column.null_count or not len(column):
        raise ValueError(f"column {name} must hold a value in every row, got {column.null_count} rows without")
    if not _is_list(column.type):
        values = column.to_numpy()
        return text(values.tolist()) if values.dtype == object else values
    flat = np.concatenate([chunk.flatten().to_numpy(zero_copy_only=False) for chunk in column.chunks])
    if len(flat) % len(column) or any(len(row) != len(flat) // len(column) for row in column):
        raise ValueError(f"column {name} must hold lists of one length, got several")
    return flat.reshape(len(column), -1)


def _is_list(arrow_type: Any) -> bool:
    return str(arrow_type).startswith(("list", "large_list", "fixed_size_list"))


_READERS: dict[str, Callable[[Path], dict[str, Stored]]] = {
    ".npy": _npy,
    ".npz": _npz,
    ".safetensors": _safetensors,
    ".parquet": _parquet,
}
