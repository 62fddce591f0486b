"""The usable rows of embeddings, at length 1."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from anchorwise.embeddings import Embeddings
from anchorwise.pairs import unit_rows

# n = items, d = embedding width, r = rows (items times views), c = rows of a chunk

MIN_ITEMS = 200  # With fewer, the hardest 50 negatives of an anchor are no tail but a quarter of everything.
SCAN_ROWS = 1 << 16  # Rows looked at together when a file is checked.


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
        return self.embeddings.width

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
        """Class of every usable item; None where there is none, or one alone, which tells no items apart."""
        labels = None if self.embeddings.labels is None else self.embeddings.labels[self.kept]
        return None if labels is None or (labels == labels[0]).all() else labels

    def item(self, row: int) -> int:
        """Return the item of a row, counted among all items."""
        return int(self.kept[row % self.num_items])

    def name(self, row: int) -> str:
        """Return the name of a row's item, with the view where there are two."""
        name = self.embeddings.name(self.item(row))
        return name if self.num_views == 1 else f"{name} (view {row // self.num_items})"

    def label_name(self, row: int) -> str:
        """Return the class of a row's item as text; empty if unknown."""
        return self.embeddings.class_name(self.item(row))

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
