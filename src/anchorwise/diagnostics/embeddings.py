"""Embeddings to look at, anyone's: one or two views of the same items, and what is known of the items."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from anchorwise import _checks
from anchorwise.pairs import unit_rows

# n = items, d = embedding width, r = rows (items times views), c = rows of a chunk

MIN_ITEMS = 200  # With fewer, the hardest 50 negatives of an anchor are no tail but a quarter of everything.
SCAN_ROWS = 1 << 16  # Rows looked at together when a file is checked.


@dataclass(frozen=True, eq=False)
class Embeddings:
    """One row per item and view, of any scale; rows may lie in a memory-mapped file.

    Attributes:
        views: One or two arrays of shape (items, width); row i of both comes from item i.
        labels: Class of every item, whole numbers; None if unknown.
        ids: What every item shows, whole numbers; items of one id are positives of each other. None if all differ.
        names: Name of every item; the item numbers if left out.
        class_names: Name of every class; may be left out.
        image: Returns the picture of an item as uint8 of shape (channels, height, width); may be left out.
        across: The views come from two encoders, such as image and text: negatives are rows of the other view only.

    Raises:
        ValueError: If the parts do not fit together.
        TypeError: If a view does not hold floating numbers.
    """

    views: tuple[np.ndarray, ...]
    labels: np.ndarray | None = None
    ids: np.ndarray | None = None
    names: Sequence[str] = ()
    class_names: Sequence[str] = ()
    image: Callable[[int], UInt8[Tensor, "c h w"]] | None = None
    across: bool = False

    def __post_init__(self) -> None:
        if len(self.views) not in (1, 2):
            raise ValueError(f"views must be one or two arrays, got {len(self.views)}")
        for index, view in enumerate(self.views):
            _check_view(f"view{index}", view, self.views[0])
        if self.across and len(self.views) == 1:
            raise ValueError("across needs two views, one per encoder, got one; give a second array")
        for name in ("labels", "ids"):
            _check_per_item(name, getattr(self, name), len(self.views[0]))
        if self.names and len(self.names) != len(self.views[0]):
            raise ValueError(f"names must name each of the {len(self.views[0])} items once, got {len(self.names)}")
        if self.labels is not None and self.class_names and int(self.labels.max()) >= len(self.class_names):
            raise ValueError(f"labels must lie below the {len(self.class_names)} class_names, got {self.labels.max()}")


@dataclass(frozen=True, eq=False)
class Rows:
    """The usable rows of embeddings, scaled to length 1 when they are asked for.

    Row r is view `r // num_items` of the usable item `r % num_items`.

    Attributes:
        embeddings: Where the rows are.
        kept: The usable items, rising.
        num_dropped: Items left out because a row has nan, infinity or length 0.
        largest_length_error: How far the length of a row is from 1, at most.
    """

    embeddings: Embeddings
    kept: np.ndarray
    num_dropped: int
    largest_length_error: float

    @property
    def num_items(self) -> int:
        """Usable items."""
        return len(self.kept)

    @property
    def num_views(self) -> int:
        """Rows of every item."""
        return len(self.embeddings.views)

    @property
    def width(self) -> int:
        """Numbers in a row."""
        return self.embeddings.views[0].shape[1]

    def __len__(self) -> int:
        return self.num_items * self.num_views

    @cached_property
    def groups(self) -> np.ndarray:
        """What every usable item shows, as int32 from 0: items of one group are no negatives of each other."""
        if self.embeddings.ids is None:
            return np.arange(self.num_items, dtype=np.int32)
        return np.unique(self.embeddings.ids[self.kept], return_inverse=True)[1].astype(np.int32)

    @cached_property
    def labels(self) -> np.ndarray | None:
        """Class of every usable item."""
        return None if self.embeddings.labels is None else self.embeddings.labels[self.kept]

    def name(self, row: int) -> str:
        """Return the name of a row's item, with the view where there are two."""
        item = int(self.kept[row % self.num_items])
        name = str(self.embeddings.names[item]) if len(self.embeddings.names) else str(item)
        return name if self.num_views == 1 else f"{name} (view {row // self.num_items})"

    def label_name(self, row: int) -> str:
        """Return the class of a row's item as text; empty if unknown."""
        if self.labels is None:
            return ""
        label = int(self.labels[row % self.num_items])
        return str(self.embeddings.class_names[label]) if self.embeddings.class_names else str(label)

    def units(self, rows: np.ndarray) -> np.ndarray:
        """Return these rows at length 1, float32 of shape (rows, width)."""
        found = np.empty((len(rows), self.width), _wide(*self.embeddings.views))
        for view in range(self.num_views):
            here = rows // self.num_items == view
            found[here] = self.embeddings.views[view][self.kept[rows[here] % self.num_items]]
        return _unit(found)

    def chunk(self, view: int, start: int, stop: int) -> np.ndarray:
        """Return usable items `start` to `stop` of a view at length 1, float32 of shape (items, width)."""
        array, kept = self.embeddings.views[view], self.kept[start:stop]
        is_slice = kept[-1] - kept[0] + 1 == len(kept)  # A slice of a mapped file is not copied twice.
        return _unit(np.asarray(array[kept[0] : kept[-1] + 1] if is_slice else array[kept], _wide(array)))


def usable_rows(embeddings: Embeddings) -> Rows:
    """Look at every row once, a part at a time, and leave out items with a row that has no direction.

    Raises:
        ValueError: If fewer than 200 items are left, or all that are left show the same thing.
    """
    num_items = len(embeddings.views[0])
    usable, length_error = np.ones(num_items, bool), 0.0
    for view in embeddings.views:
        for start in range(0, num_items, SCAN_ROWS):
            some = np.asarray(view[start : start + SCAN_ROWS], np.float64)
            largest = np.abs(some).max(axis=1)
            good = np.isfinite(largest) & (largest > 0)
            usable[start : start + SCAN_ROWS] &= good
            with np.errstate(over="ignore"):  # A length beyond float64 is not 1 either.
                lengths = np.linalg.norm(some[good], axis=1)
            length_error = max(length_error, float(np.abs(lengths - 1.0).max(initial=0.0)))
    kept = np.flatnonzero(usable)
    if len(kept) < MIN_ITEMS:
        dropped = num_items - len(kept)
        raise ValueError(
            f"the embeddings must have at least {MIN_ITEMS} usable items for a statement about tails, got {len(kept)}"
            f"{f' ({dropped} more have nan, infinity or length 0)' if dropped else ''}; embed more items"
        )
    rows = Rows(embeddings, kept, num_items - len(kept), length_error)
    if rows.groups.max() == 0:
        raise ValueError("ids must differ between items, got one id for all of them: there is no negative")
    return rows


def _unit(rows: np.ndarray) -> np.ndarray:
    """Return the rows at length 1 in float32, scaled before they are narrowed: float64 reaches further."""
    return unit_rows(torch.from_numpy(np.require(rows, requirements=["W"]))).float().numpy()


def _wide(*views: np.ndarray) -> type[np.floating]:
    return np.float64 if any(view.dtype.itemsize > 4 for view in views) else np.float32


def _check_view(name: str, view: np.ndarray, first: np.ndarray) -> None:
    if view.ndim != 2 or 0 in view.shape:
        raise ValueError(
            f"{name} must have shape (items, width), both at least 1, got {tuple(view.shape)}; "
            "flatten or pool the other axes first"
        )
    if view.dtype.kind != "f":
        raise TypeError(f"{name} must hold floating numbers, got {view.dtype}; save the embeddings, not their codes")
    if view.shape != first.shape:
        raise ValueError(
            f"view0 and {name} must have the same shape, got {tuple(first.shape)} and {tuple(view.shape)}; "
            "row i of both must come from item i, from encoders that share a space"
        )


def _check_per_item(name: str, values: np.ndarray | None, num_items: int) -> None:
    if values is None:
        return
    if values.shape != (num_items,) or values.dtype.kind not in "iu":
        raise ValueError(
            f"{name} must be one whole number per item, shape ({num_items},), got {values.dtype} of shape "
            f"{tuple(values.shape)}"
        )
    _checks.at_least(f"the smallest of {name}", int(values.min()), 0)
