"""Tiles of a score matrix, in rounds whose tiles have no row and no column in common.

Tiles of one round can be worked on at once, and add to the same sums without a lock. The order in which a block's tiles
are added is that of the rounds, whoever works on them: results do not depend on the number of threads.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

# So many scores are faster one tile after the other, each with all of torch's threads (benchmarks/results).
_FEW_SCORES = 2048 * 2048


@dataclass(frozen=True)
class Tile:
    """Scores of some anchors with some keys.

    Attributes:
        anchors: Which anchors.
        keys: Which keys.
        mirrored: Whether the tile stands for its mirror image too, in which its keys are the anchors.
    """

    anchors: slice
    keys: slice
    mirrored: bool = False

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of anchors and of keys."""
        return self.anchors.stop - self.anchors.start, self.keys.stop - self.keys.start


@dataclass(frozen=True)
class Grid:
    """The tiles that cover all scores of anchors with keys; where the anchors are the keys, every pair once.

    Attributes:
        num_anchors: Rows.
        num_keys: Columns.
        symmetric: Whether the anchors are the keys.
        size: Anchors and keys of a tile at most.
        between_halves: Whether only scores between the first half of the rows and the second are wanted, of a symmetric
            grid.
    """

    num_anchors: int
    num_keys: int
    symmetric: bool
    size: tuple[int, int]
    between_halves: bool = False

    def rounds(self) -> Iterator[list[Tile]]:
        """Yield the tiles, round by round."""
        if self.between_halves:
            number = self.num_anchors // 2
            return self._plain_rounds(slice(number), slice(number, self.num_anchors))
        if self.symmetric:
            return self._mirrored_rounds()
        return self._plain_rounds(slice(self.num_anchors), slice(self.num_keys))

    @property
    def is_large(self) -> bool:
        """Whether there is work enough for several threads to have tiles of their own."""
        return self.num_anchors * self.num_keys > _FEW_SCORES

    def smaller(self) -> "Grid":
        """Return the grid with tiles of a quarter of the scores."""
        return replace(self, size=(max(self.size[0] // 2, 1), max(self.size[1] // 2, 1)))

    def anchor_blocks(self) -> list[slice]:
        """Return the anchors of the tiles, in blocks of nearly the same size."""
        return _blocks(slice(self.num_anchors), self.size[0])

    def _plain_rounds(self, anchors: slice, keys: slice) -> Iterator[list[Tile]]:
        """Every block of anchors with every block of keys."""
        rows, columns, mirrored = _blocks(anchors, self.size[0]), _blocks(keys, self.size[1]), self.symmetric
        for shift in range(max(len(rows), len(columns))):
            if len(rows) <= len(columns):
                yield [Tile(row, columns[(i + shift) % len(columns)], mirrored) for i, row in enumerate(rows)]
            else:
                yield [Tile(rows[(i + shift) % len(rows)], column, mirrored) for i, column in enumerate(columns)]

    def _mirrored_rounds(self) -> Iterator[list[Tile]]:
        """A round-robin tournament of the blocks, after a round of each with itself.

        A block meets one other in a round, so no two tiles have a row in common, and every other one once in all. The
        circle method: the first player stays, the others move on by one seat (None is a seat without a player).
        """
        blocks = self.anchor_blocks()
        yield [Tile(block, block) for block in blocks]
        players: list[slice | None] = [*blocks, *([None] if len(blocks) % 2 else [])]
        for _ in range(len(players) - 1):
            pairs = zip(players[: len(players) // 2], reversed(players[len(players) // 2 :]), strict=True)
            yield [Tile(first, second, mirrored=True) for first, second in pairs if first and second]
            players = [players[0], players[-1], *players[1:-1]]


def _blocks(rows: slice, size: int) -> list[slice]:
    first, length = rows.start or 0, rows.stop - (rows.start or 0)
    number = -(-length // size)
    edges = [first + index * length // max(number, 1) for index in range(number + 1)]
    return [slice(start, stop) for start, stop in pairwise(edges)]
