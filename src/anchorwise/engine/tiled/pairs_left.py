"""Which pairs of a tile do not count: told from the range of ids in its blocks, by a mask only where need be."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from anchorwise.engine.tiled.grid import Tile
from anchorwise.pairs import SameId

# a = anchors, k = keys, r = anchors of a tile, c = keys of a tile

Range = tuple[int, int]


@dataclass(frozen=True)
class Side:
    """A tile as seen by the rows that it is added to.

    Attributes:
        rows: The anchors.
        columns: Their keys.
        dim: The tile's dimension along which an anchor's keys lie: 1, and 0 for a tile's mirror image.
        left_out: Where pairs do not count, in the tile's own layout; None where all of them count.
    """

    rows: slice
    columns: slice
    dim: int
    left_out: Bool[Tensor, "r c"] | None

    def along(self, per_anchor: Tensor) -> Tensor:
        """Return the anchors' numbers so that they multiply the tile; a single number as it is."""
        return per_anchor if per_anchor.ndim == 0 else per_anchor[self.rows].unsqueeze(self.dim)

    def counted(self, tile: Tensor) -> Tensor:
        """Return the tile with 0 where pairs do not count."""
        return tile if self.left_out is None else tile.masked_fill(self.left_out, 0.0)

    def upright(self, tile: Tensor) -> Tensor:
        """Return the tile, or its mirror image, with the anchors as rows."""
        return tile if self.dim == 1 else tile.T


@dataclass
class PairsLeft:
    """The pairs that count.

    Attributes:
        exclude: Pairs that do not.
        only: The only pairs that do; None stands for all others.
    """

    exclude: Sequence[SameId] = ()
    only: SameId | None = None
    _ranges: dict[int, dict[tuple[int, int], Range]] = field(default_factory=dict)

    def sides(self, tile: Tile) -> list[Side]:
        """Return the sides of the tile that have pairs left."""
        sides = [self._side(tile.anchors, tile.keys, 1)]
        if tile.mirrored:
            sides.append(self._side(tile.keys, tile.anchors, 0))
        return [side for side in sides if side is not None]

    def _side(self, rows: slice, columns: slice, dim: int) -> Side | None:
        mask = None
        for same in self.exclude:
            overlap = self._overlap(same, rows, columns)
            if overlap == "all":
                return None
            if overlap == "some":
                excluded = _same(same, rows, columns, dim)
                mask = excluded if mask is None else mask.logical_or_(excluded)
        if self.only is not None:
            overlap = self._overlap(self.only, rows, columns)
            if overlap == "none":
                return None
            if overlap == "some":
                others = _same(self.only, rows, columns, dim).logical_not_()
                mask = others if mask is None else mask.logical_or_(others)
        return Side(rows, columns, dim, mask)

    def _overlap(self, same: SameId, rows: slice, columns: slice) -> str:
        low, high = self._range(same.anchor_ids, rows)
        key_low, key_high = self._range(same.key_ids, columns)
        if low > key_high or key_low > high:
            return "none"
        return "all" if low == high == key_low == key_high else "some"

    def _range(self, ids: Int[Tensor, " a"], block: slice) -> Range:
        known = self._ranges.setdefault(id(ids), {})
        place = (block.start, block.stop)
        if place not in known:
            low, high = ids[block].aminmax()
            known[place] = (int(low), int(high))
        return known[place]


def _same(same: SameId, rows: slice, columns: slice, dim: int) -> Bool[Tensor, "r c"]:
    ids, key_ids = same.anchor_ids[rows].unsqueeze(dim), same.key_ids[columns].unsqueeze(1 - dim)
    return torch.eq(ids, key_ids)
