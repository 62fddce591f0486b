"""What people hand in, as numpy arrays: tensors of any dtype and device, lists, labels in any numbering."""

from numbers import Integral
from typing import Any

import numpy as np
from torch import Tensor

_LARGEST = np.iinfo(np.int64).max


def as_array(name: str, value: Any) -> np.ndarray:
    """Return an array, tensor or nested list as an array; a tensor may lie on any device and require a gradient.

    Raises:
        TypeError: If it is none of them, its rows differ in length, or it holds anything but numbers or words alone.
        ValueError: If something in it is masked.
    """
    refuse_masked(name, value)
    if isinstance(value, Tensor):
        value = value.detach().cpu()
        # numpy has no bfloat16 and no float8; both fit into float32.
        return (value.float() if value.is_floating_point() and value.dtype.itemsize < 4 else value).numpy()
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise TypeError(f"{name} must be an array of rows of one length, got rows of several lengths") from error
    return array if array.dtype != object else _without_objects(name, array, type(value).__name__)


def refuse_masked(name: str, value: Any) -> None:
    """Refuse an array of `numpy.ma` in which something is masked: what lies under a mask would be read as a value.

    Raises:
        ValueError: If so.
    """
    if np.ma.is_masked(value):
        way_out = "leave these rows out" + (", or give .filled(numpy.nan)" if value.dtype.kind == "f" else "")
        raise ValueError(f"{name} must have nothing masked, got {np.ma.count_masked(value):,} masked cells; {way_out}")


def _without_objects(name: str, array: np.ndarray, kind: str) -> np.ndarray:
    """Return words, whole numbers or rows that came as objects, as pandas and pyarrow hand over their columns."""
    if array.ndim == 1 and array.size and all(isinstance(one, np.ndarray | list | tuple) for one in array):
        return as_array(name, array.tolist())
    for one_kind in (str, Integral):
        if array.size and all(isinstance(one, one_kind) for one in array.flat):
            return np.asarray(array.tolist())
    inside = ", ".join(sorted({type(one).__name__ for one in array.flat})) if array.ndim else ""
    got = f"{kind} of {inside}" if inside else kind
    way_out = (
        "" if array.ndim < 2 else "; give the columns of a table by name, such as {'embedding': table['embedding']}"
    )
    raise TypeError(f"{name} must be an array, a tensor or lists of numbers, got {got}{way_out}")


def as_classes(name: str, values: np.ndarray) -> np.ndarray:
    """Return class ids as int64 (uint64 where they need it), or as text; bools are two classes.

    Raises:
        ValueError: If they are something else.
    """
    if values.dtype.kind in "US":
        return values.astype(np.str_)
    if values.dtype.kind not in "iub":
        raise ValueError(
            f"{name} must be whole numbers or text, got {values.dtype}; convert them, for instance with .astype(int)"
        )
    if values.dtype == np.uint64 and values.size and values.max() > _LARGEST:
        return values
    return values.astype(np.int64)


def text(values: Any) -> np.ndarray:
    """Return text as an array that needs no unpickling."""
    return np.asarray(values, dtype=np.str_)
