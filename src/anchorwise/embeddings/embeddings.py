"""Embeddings, anyone's: one or two views of the same items, and what is known of the items."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from torch import Tensor

from anchorwise import _checks, _files
from anchorwise.embeddings.arrays import refuse_masked, text

# c = channels, h = height, w = width

WRITTEN_SUFFIXES = (".npz", ".safetensors")
VIEW_NAMES, ACROSS_NAMES = (("features",), ("view0", "view1")), ("image", "text")


@dataclass(frozen=True, eq=False)
class Embeddings:
    """One row per item and view, of any scale; rows may lie in a memory-mapped file.

    Rows of whole numbers are taken as they are. Nothing is read or checked row by row here: `diagnose` leaves out rows
    with nan, `evaluate` refuses them.

    Attributes:
        views: One or two arrays of shape (items, width); row i of both comes from item i.
        labels: Class of every item, shape (items,): whole numbers from 0, in any numbering, or text; None if unknown.
        ids: What every item shows, whole numbers; items of one id are positives of each other. None if all differ.
        groups: What items belong together, such as photographs of one patient: whole numbers from 0, or text. No
            validation split has items of one group on both sides. None if each stands for itself.
        names: Name of every item; may be left out.
        class_names: Name of every class where labels are numbers below their count; may be left out.
        image: Returns the picture of an item as uint8 of shape (channels, height, width), or None where it has none;
            may be left out.
        across: The views come from two encoders, such as image and text: negatives are rows of the other view only.
        split: The part of the data set that the rows come from, such as `train`; may be empty.
        notes: What a reader left out of the file, in sentences.

    Raises:
        ValueError: If the parts do not fit together.
        TypeError: If a view is no array of numbers; `as_embeddings` takes tensors and lists.
    """

    views: tuple[np.ndarray, ...]
    labels: np.ndarray | None = None
    ids: np.ndarray | None = None
    groups: np.ndarray | None = None
    names: Sequence[str] = ()
    class_names: Sequence[str] = ()
    image: Callable[[int], UInt8[Tensor, "c h w"] | None] | None = None
    across: bool = False
    split: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("names", "class_names"):  # An array of words serves as well.
            object.__setattr__(self, name, tuple(map(str, getattr(self, name))))
        if len(self.views) not in (1, 2):
            raise ValueError(f"views must be one or two arrays, got {len(self.views)}")
        for index, view in enumerate(self.views):
            _check_view(f"view{index}", view, self.views[0])
        if self.across and len(self.views) == 1:
            raise ValueError("across needs two views, one per encoder, got one; give a second array")
        for name, kinds in (("labels", "iuU"), ("ids", "iu"), ("groups", "iuU")):
            _check_per_item(name, getattr(self, name), kinds, len(self))
        if self.names and len(self.names) != len(self):
            raise ValueError(f"names must name each of the {len(self)} rows once, got {len(self.names)}")
        if self.labels is not None and self.class_names:
            _check_class_names(self.labels, len(self.class_names))

    def __len__(self) -> int:
        return len(self.views[0])

    @property
    def width(self) -> int:
        """Numbers in a row."""
        return self.views[0].shape[1]

    def name(self, item: int) -> str:
        """Return the name of an item, or its number where items have none."""
        return str(self.names[item]) if self.names else str(item)

    def class_name(self, item: int) -> str:
        """Return the class of an item as text; empty if unknown."""
        if self.labels is None:
            return ""
        label = self.labels[item]
        return str(self.class_names[label]) if self.class_names else str(label)

    def require_labels(self) -> np.ndarray:
        """Return the labels.

        Raises:
            ValueError: If there are none.
        """
        if self.labels is None:
            which = f"the {self.split} rows" if self.split else "the rows"
            raise ValueError(
                f"{which} must have labels to be judged, got none; store one whole number or word per row as 'labels'"
                f"{''.join(f' ({note})' for note in self.notes)}, or give one file to judge it without labels"
            )
        return self.labels

    def save(self, path: Path | str) -> None:
        """Write `path`, whole or not at all, as its suffix says: `.npz` or `.safetensors`.

        Raises:
            ValueError: If the suffix is another, or safetensors is to hold labels or groups of text.
        """
        path = Path(path)
        _checks.one_of("the suffix of a feature file to write", path.suffix, WRITTEN_SUFFIXES)
        keys = ACROSS_NAMES if self.across else VIEW_NAMES[len(self.views) - 1]  # By which `across` is read again.
        arrays: dict[str, Any] = dict(zip(keys, self.views, strict=True))
        arrays |= {name: values for name in ("labels", "ids", "groups") if (values := getattr(self, name)) is not None}
        if path.suffix != ".npz" and any(array.dtype.kind == "U" for array in arrays.values()):
            raise ValueError("safetensors holds no text: save as .npz, or number the labels and groups")
        with _files.replacing(path) as temporary:
            if path.suffix == ".npz":
                texts = {"names": text(self.names), "class_names": text(self.class_names), "split": self.split}
                np.savez(temporary, **arrays, **texts)
            else:
                from safetensors.numpy import save_file

                metadata = {"names": json.dumps(self.names), "class_names": json.dumps(self.class_names)}
                contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
                save_file(contiguous, temporary, metadata={**metadata, "split": self.split})


def _check_view(name: str, view: np.ndarray, first: np.ndarray) -> None:
    refuse_masked(name, view)
    if not isinstance(view, np.ndarray):
        given = type(view).__name__
        raise TypeError(f"{name} must be a numpy array, got {given}; as_embeddings takes tensors and lists")
    if view.ndim != 2 or 0 in view.shape:
        raise ValueError(
            f"{name} must have shape (items, width), both at least 1, got {tuple(view.shape)}"
            f"{'; flatten or pool the other axes first' if view.ndim > 2 else ''}"
        )
    if view.dtype.kind not in "fiu":
        raise TypeError(f"{name} must hold numbers, got {view.dtype}; cast it to float32")
    if view.shape != first.shape:
        raise ValueError(
            f"view0 and {name} must have the same shape, got {tuple(first.shape)} and {tuple(view.shape)}; "
            "row i of both must come from item i, from encoders that share a space"
        )


def _check_per_item(name: str, values: np.ndarray | None, kinds: str, num_items: int) -> None:
    if values is None:
        return
    refuse_masked(name, values)
    words = "one whole number or word per row" if "U" in kinds else "one whole number per row"
    if values.shape != (num_items,) or values.dtype.kind not in kinds:
        raise ValueError(
            f"{name} must be {words}, shape ({num_items},), got {values.dtype} of shape {tuple(values.shape)}"
        )
    if values.dtype.kind != "U" and values.min() < 0:
        raise ValueError(f"{name} must be whole numbers from 0, got {values.min()}; leave rows without one out")


def _check_class_names(labels: np.ndarray, num_classes: int) -> None:
    if labels.dtype.kind == "U":
        raise ValueError("class_names name labels that are numbers, got labels of text; leave class_names out")
    if labels.max() >= num_classes:
        raise ValueError(f"labels must lie below the {num_classes} class_names, got {labels.max()}")
