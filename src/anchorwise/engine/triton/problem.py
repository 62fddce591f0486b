"""What a kernel is given of a contrast: rows in parts, and ids where they have to be read."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from anchorwise.engine.triton.blocks import Blocks, blocks_of, shared_bytes_of
from anchorwise.engine.triton.rows import Rows
from anchorwise.pairs import Contrast

# a = anchors, k = keys, i = ids of a row


@dataclass(frozen=True)
class LeftOut:
    """The pairs that do not count.

    Attributes:
        anchor_ids: One row for each exclusion without a period, and then one for `only`; arbitrary where there is none.
        key_ids: The same of keys.
        num_ids: Rows of ids.
        has_only: Whether the last row says which pairs count.
        period: Of the exclusion that has one; 0 where there is none.
        first_anchor: Its anchors' first number.
        is_mirrored: Whether, where anchors are keys, pairs are left out in both directions or in none.
    """

    anchor_ids: Int[Tensor, "i a"] | Tensor
    key_ids: Int[Tensor, "i k"] | Tensor
    num_ids: int
    has_only: bool
    period: int
    first_anchor: int
    is_mirrored: bool

    @classmethod
    def of(cls, contrast: Contrast) -> "LeftOut":
        """Return those of a contrast."""
        periodic = next((same for same in contrast.exclude if same.period is not None), None)
        listed = [same for same in contrast.exclude if same is not periodic]
        listed += [] if contrast.only is None else [contrast.only]
        return cls(
            _stacked([same.anchor_ids for same in listed], contrast.anchors),
            _stacked([same.key_ids for same in listed], contrast.keys),
            len(listed),
            contrast.only is not None,
            0 if periodic is None or periodic.period is None else periodic.period,
            0 if periodic is None else periodic.first_anchor,
            all(same.anchor_ids is same.key_ids for same in listed),
        )

    @property
    def mirrored(self) -> "LeftOut":
        """The same pairs, of keys as anchors."""
        ids = {"anchor_ids": self.key_ids, "key_ids": self.anchor_ids}
        return replace(self, **ids, first_anchor=-self.first_anchor)


def _stacked(ids: Sequence[Tensor], unused: Tensor) -> Tensor:
    """Return ids one row each, without a copy of one row's; where there are none, what kernels do not look at."""
    if not ids:
        return unused
    return ids[0].contiguous() if len(ids) == 1 else torch.stack([*ids])


@dataclass(frozen=True)
class Problem:
    """A contrast as kernels take it.

    Attributes:
        anchors: Anchors.
        keys: Keys; the same object where the anchors are the keys and pairs count in both directions or in none.
        left_out: Pairs that do not count.
        size: Rows and columns of blocks, where they are not to be chosen.
    """

    anchors: Rows
    keys: Rows
    left_out: LeftOut
    size: int | None = None

    @classmethod
    def of(cls, contrast: Contrast, *, two_parts: bool, size: int | None = None) -> "Problem":
        """Return the contrast's, made once for all that is asked of it."""
        return contrast.once(f"Triton, {two_parts}, {size}", lambda: cls._made(contrast, two_parts, size))

    @classmethod
    def _made(cls, contrast: Contrast, two_parts: bool, size: int | None) -> "Problem":
        left_out = LeftOut.of(contrast)
        anchors = Rows.of(contrast.anchors, two_parts=two_parts)
        if contrast.is_symmetric:
            keys = anchors if left_out.is_mirrored else replace(anchors)
        else:
            keys = Rows.of(contrast.keys, two_parts=two_parts)
        return cls(anchors, keys, left_out, size)

    @property
    def is_symmetric(self) -> bool:
        """Whether a score serves both of its rows."""
        return self.keys is self.anchors

    @property
    def is_coarse(self) -> bool:
        """Whether scores are rounded, since rows have one part."""
        return len(self.anchors.parts) == 1

    @property
    def options(self) -> dict[str, Any]:
        """What every kernel is compiled for."""
        left_out, (parts, _, padded) = self.left_out, self.anchors.parts.shape
        masks = {"NUM_IDS": left_out.num_ids, "HAS_ONLY": left_out.has_only, "HAS_PERIOD": left_out.period > 0}
        return {**masks, "PADDED": padded, "PARTS": parts}

    def blocks(self, num_rows: int, *, has_gradient: bool, is_plain: bool, learns: bool = False) -> Blocks:
        """Return the blocks of a kernel whose programs share so many rows."""
        parts, _, padded = self.anchors.parts.shape
        given = (padded, parts, num_rows, shared_bytes_of(self.anchors.exact.device))
        kind = {"has_gradient": has_gradient, "is_plain": is_plain}
        return blocks_of(*given, **kind, is_crowded=learns or self.left_out.num_ids > 0, size=self.size)
