"""One sample as somebody keeps it, and as a tensor: a Pillow image, an array or a tensor, alone or with a label."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from anchorwise.modalities.samples import View

IMAGE_COLUMNS = ("image", "img", "pixel_values")
_SHOWN = {"1": "L", "P": "RGB", "PA": "RGBA"}  # Modes of Pillow whose numbers are no brightness.
LABEL_COLUMNS = ("label", "labels", "fine_label", "cls", "class")


def input_of(item: Any, column: str | None = None) -> Any:
    """Return what an item of a Dataset shows, without its label.

    Args:
        item: The sample itself, a pair of it and its label, or columns by name.
        column: Which column; the first of `IMAGE_COLUMNS` that is there if left out.

    Raises:
        ValueError: If there is no such column.
    """
    if isinstance(item, Mapping):
        return item[named_column("image_column", column, tuple(item), IMAGE_COLUMNS)]
    return item[0] if isinstance(item, tuple | list) else item


def named_column(argument: str, given: str | None, there: Sequence[str], usual: Sequence[str]) -> str:
    """Return the column that is meant: the given one, or the first usual one.

    Raises:
        ValueError: If it is not there.
    """
    found = given if given is not None else next((name for name in usual if name in there), None)
    if found is None or found not in there:
        raise ValueError(f"{argument} must name one of the columns {', '.join(there)}, got {given!r}")
    return found


def as_tensor(value: Any) -> Tensor:
    """Return a sample or a view as a tensor, with its values as they are.

    A Pillow image and an array of shape (height, width) or (height, width, channels) come out as (channels, height,
    width); other arrays and tensors keep their axes.

    Raises:
        TypeError: If it is none of these.
    """
    if isinstance(value, Mapping) and "image" in value:  # As albumentations gives it back.
        value = value["image"]
    value = _in_bytes(value)
    if isinstance(value, Tensor):
        return value.as_subclass(Tensor)  # torchvision's Image is one of its own.
    if isinstance(value, np.ndarray) or hasattr(value, "__array_interface__"):
        pixels = np.array(value)  # A copy: views of torch must not write to what is not theirs.
        if pixels.ndim in (2, 3):
            pixels = np.moveaxis(np.atleast_3d(pixels), 2, 0)
        return torch.from_numpy(np.ascontiguousarray(255 * pixels.astype(np.uint8) if pixels.dtype == bool else pixels))
    raise TypeError(
        f"a sample or a view must be a tensor, an array or a Pillow image, got {type(value).__name__}; "
        "turn it into one in your Dataset or in `views`"
    )


def _in_bytes(value: Any) -> Any:
    """Return a Pillow image of a palette, or of bits, as the colours that it shows; whatever else as it is."""
    mode = _SHOWN.get(str(getattr(value, "mode", "")))
    return value if mode is None else value.convert(mode)


def as_array(value: Any) -> np.ndarray:
    """Return an image as albumentations takes it: (height, width, channels)."""
    if isinstance(value, Tensor):
        return value.permute(1, 2, 0).numpy() if value.ndim == 3 else value.numpy()
    return np.array(_in_bytes(value))


def unit(values: Tensor) -> Tensor:
    """Return what an encoder takes: bytes as float32 in [0, 1], other floating point as float32, the rest as it is."""
    if values.dtype == torch.uint8:
        return values.float() / 255.0
    return values.float() if values.is_floating_point() else values


def unit_view(view: View) -> View:
    """Return samples or a view as an encoder takes them (`unit`), also where it is a table."""
    return unit(view) if isinstance(view, Tensor) else {name: unit(part) for name, part in view.items()}


@contextmanager
def naming(name: str) -> Iterator[None]:
    """Say which sample it was that somebody's own code failed on, below its own error."""
    try:
        yield
    except Exception as error:
        error.add_note(f"This was sample {name}.")
        raise


def stacked(values: Sequence[Tensor], names: Sequence[str], what: str, way_out: str) -> Tensor:
    """Return tensors of one shape and kind, those of the samples of these names, as one.

    Raises:
        ValueError: If they differ.
    """
    first = values[0]
    for value, name in zip(values, names, strict=True):
        if (value.shape, value.dtype) != (first.shape, first.dtype):
            raise ValueError(
                f"{what} must share one shape and dtype, got {_form(first)} of sample {names[0]} and {_form(value)} of "
                f"sample {name}; {way_out}"
            )
    return torch.stack(list(values))


def _form(value: Tensor) -> str:
    return f"{' x '.join(map(str, value.shape)) or 'a number'} {str(value.dtype).removeprefix('torch.')}"
