"""Which pairs of a tile do not count: told from the ids in its blocks, by a mask only where need be."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from anchorwise.engine.tiled.grid import Tile
from anchorwise.pairs import SameId

# a = anchors, k = keys, r = anchors of a tile, c = keys of a tile, p = pairs, b = rows of a block

# From one pair in so many on, a mask of the tile costs less than a list of the pairs.
_MASK_FROM = 16


class TileMask(ABC):
    """Pairs of a tile that do not count."""

    @abstractmethod
    def fill_(self, tile: Float[Tensor, "_ _"], value: float, *, transposed: bool = False) -> None:
        """Write `value` where pairs do not count, into a tile in its own layout or transposed."""


@dataclass(frozen=True)
class _IndexMask(TileMask):
    """A few pairs, by row and column."""

    rows: Int[Tensor, " p"]
    columns: Int[Tensor, " p"]

    def fill_(self, tile: Float[Tensor, "_ _"], value: float, *, transposed: bool = False) -> None:
        place = (self.columns, self.rows) if transposed else (self.rows, self.columns)
        tile.index_put_(place, tile.new_full((), value))


@dataclass(frozen=True)
class _DenseMask(TileMask):
    """Any pairs."""

    mask: Bool[Tensor, "r c"]

    def fill_(self, tile: Float[Tensor, "_ _"], value: float, *, transposed: bool = False) -> None:
        tile.masked_fill_(self.mask.T if transposed else self.mask, value)


@dataclass(frozen=True)
class Side:
    """A tile as seen by the rows that it is added to.

    Attributes:
        rows: The anchors.
        columns: Their keys.
        dim: The tile's dimension along which an anchor's keys lie: 1, and 0 for a tile's mirror image.
        masks: The pairs that do not count; the same object on both sides of a tile where they are the same pairs.
    """

    rows: slice
    columns: slice
    dim: int
    masks: tuple[TileMask, ...]

    def broadcast(self, per_anchor: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Return the anchors' numbers so that they multiply the tile; a single number as it is."""
        return per_anchor if per_anchor.ndim == 0 else per_anchor[self.rows].unsqueeze(self.dim)

    def fill_(self, tile: Float[Tensor, "r c"], value: float) -> Float[Tensor, "r c"]:
        """Write `value` where pairs do not count, and return the tile."""
        for part in self.masks:
            part.fill_(tile, value)
        return tile

    def anchor_major(self, tile: Float[Tensor, "_ _"]) -> Float[Tensor, "_ _"]:
        """Return the tile, or its mirror image, with the anchors as rows."""
        return tile if self.dim == 1 else tile.T

    def fill_anchor_major_(self, tile: Float[Tensor, "r c"], value: float) -> Float[Tensor, "r c"]:
        """Write `value` where pairs do not count into a tile with the anchors as rows, and return it."""
        for part in self.masks:
            part.fill_(tile, value, transposed=self.dim == 0)
        return tile


def masked_for_each(sides: Sequence[Side], tile: Float[Tensor, "r c"], value: float) -> list[Float[Tensor, "r c"]]:
    """Return the tile for each side with `value` where its pairs do not count; the tile itself where it serves all."""
    if all(side.masks is sides[0].masks for side in sides):
        return [sides[0].fill_(tile, value)] * len(sides)
    return [side.fill_(tile.clone(), value) for side in sides]


@dataclass(frozen=True)
class _Block:
    """The ids of a block: their range, and the ids in rising order with the rows that they come from."""

    low: int
    high: int
    rising: Int[Tensor, " b"]
    order: Int[Tensor, " b"]

    @classmethod
    def of(cls, ids: Int[Tensor, " b"]) -> "_Block":
        rising, order = ids.sort()
        low, high = rising[[0, -1]].tolist()
        return cls(low, high, rising, order)


@dataclass
class PairMask:
    """The pairs that count.

    Attributes:
        exclude: Pairs that do not.
        only: The only pairs that do; None stands for all others.
    """

    exclude: Sequence[SameId] = ()
    only: SameId | None = None
    _blocks: dict[tuple[int, int, int], _Block] = field(default_factory=dict)
    _masks: dict[tuple[int, int, int, int, int], tuple[TileMask, ...] | None] = field(default_factory=dict)

    def sides(self, tile: Tile) -> list[Side]:
        """Return the sides of the tile that have pairs left.

        Seen from its mirror image a tile's keys are the anchors, so it is their anchor ids that are compared with key
        ids. Where both are the same tensor that is the same comparison, and one mask serves both sides.
        """
        masks = self._masks_of(tile.anchors, tile.keys, 1)
        sides = [] if masks is None else [Side(tile.anchors, tile.keys, 1, masks)]
        if tile.mirrored:
            if not self._mirrors():
                masks = self._masks_of(tile.keys, tile.anchors, 0)
            if masks is not None:
                sides.append(Side(tile.keys, tile.anchors, 0, masks))
        return sides

    def _mirrors(self) -> bool:
        """Return whether a pair counts if and only if its mirror image does."""
        return all(same.anchor_ids is same.key_ids for same in (*self.exclude, *filter(None, [self.only])))

    def _masks_of(self, rows: slice, columns: slice, dim: int) -> tuple[TileMask, ...] | None:
        """Return the pairs that do not count; None where that is all of them. Those by index are kept: they are few."""
        place = (rows.start, rows.stop, columns.start, columns.stop, dim)
        if place in self._masks:
            return self._masks[place]
        found = self._find_masks(rows, columns, dim)
        if found is None or not any(isinstance(part, _DenseMask) for part in found):
            self._masks[place] = found
        return found

    def _find_masks(self, rows: slice, columns: slice, dim: int) -> tuple[TileMask, ...] | None:
        parts: list[TileMask] = []
        # Most tiles need no mask: two blocks whose ids have no range in common have no pair of equal ids.
        for same in self.exclude:
            block, key_block = self._block(same.anchor_ids, rows), self._block(same.key_ids, columns)
            if block.low > key_block.high or key_block.low > block.high:
                continue
            if block.low == block.high == key_block.low == key_block.high:
                return None
            parts.append(_index_mask(block, key_block, dim) or _DenseMask(_same(same, rows, columns, dim)))
        if self.only is not None:
            block, key_block = self._block(self.only.anchor_ids, rows), self._block(self.only.key_ids, columns)
            if block.low > key_block.high or key_block.low > block.high:
                return None
            parts.append(_DenseMask(_same(self.only, rows, columns, dim).logical_not_()))
        return tuple(parts)

    def _block(self, ids: Int[Tensor, " a"], rows: slice) -> _Block:
        place = (id(ids), rows.start, rows.stop)
        if place not in self._blocks:
            self._blocks[place] = _Block.of(ids[rows])
        return self._blocks[place]


def _index_mask(block: _Block, key_block: _Block, dim: int) -> _IndexMask | None:
    """Return the pairs of equal ids, in the tile's own layout; None where there are so many that a mask is cheaper."""
    first = torch.searchsorted(key_block.rising, block.rising)
    counts = torch.searchsorted(key_block.rising, block.rising, right=True) - first
    num_pairs = int(counts.sum())
    if num_pairs * _MASK_FROM > len(block.rising) * len(key_block.rising):
        return None
    # The pairs, anchor by anchor: those of an anchor are neighbours among the keys in rising order.
    skipped = (first - (counts.cumsum(0) - counts)).repeat_interleave(counts)
    rows = block.order.repeat_interleave(counts)
    columns = key_block.order[torch.arange(num_pairs, device=rows.device) + skipped]
    return _IndexMask(rows, columns) if dim == 1 else _IndexMask(columns, rows)


def _same(same: SameId, rows: slice, columns: slice, dim: int) -> Bool[Tensor, "r c"]:
    ids, key_ids = same.anchor_ids[rows].unsqueeze(dim), same.key_ids[columns].unsqueeze(1 - dim)
    return torch.eq(ids, key_ids)
