"""Which pixels of labelled images are contrasted: equally many of every class, a share of them at its boundary."""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Bool, Int, Int64
from torch import Tensor

from anchorwise import _checks

# n = images, h = height, w = width, p = chosen pixels


@final
@dataclass(frozen=True)
class PixelSampler:
    """Draws pixels of a batch of masks.

    Attributes:
        num_per_class: Pixels of every class, of all images together; all where there are fewer.
        boundary_share: Share of them that has a neighbour of another class, beside, above or below, in [0, 1]; where
            there are too few of one kind, more are of the other.
        ignored: Label of pixels that are never drawn, and whose neighbours are at no boundary with them.

    Raises:
        ValueError: If a number is out of its range.
    """

    num_per_class: int
    boundary_share: float = 0.5
    ignored: int = -1

    def __post_init__(self) -> None:
        _checks.count("num_per_class", self.num_per_class)
        _checks.fraction("boundary_share", self.boundary_share)

    def __call__(self, masks: Int[Tensor, "n h w"], generator: torch.Generator | None = None) -> Int64[Tensor, " p"]:
        """Return places of pixels in `masks.flatten()`, class after class; classes are read on the host.

        Args:
            masks: The class of every pixel.
            generator: Of the device of the masks; torch's own if left out.
        """
        flat, at_boundary = masks.flatten(), self.boundary(masks).flatten()
        order = torch.randperm(len(flat), generator=generator, device=flat.device)
        chosen = list[Tensor]()
        for label in flat.unique().tolist():
            if label == self.ignored:
                continue
            own = order[flat[order] == label]
            edge, inner = own[at_boundary[own]], own[~at_boundary[own]]
            wanted = round(self.boundary_share * self.num_per_class)
            num_edge = min(len(edge), max(wanted, self.num_per_class - len(inner)))
            chosen += [edge[:num_edge], inner[: self.num_per_class - num_edge]]
        return torch.cat(chosen) if chosen else order[:0]

    def boundary(self, masks: Int[Tensor, "n h w"]) -> Bool[Tensor, "n h w"]:
        """Return which pixels have a neighbour of another class."""
        found = torch.zeros_like(masks, dtype=torch.bool)
        for dim in (1, 2):
            last = masks.shape[dim] - 1
            one, next_one = masks.narrow(dim, 0, last), masks.narrow(dim, 1, last)
            differ = (one != next_one) & (one != self.ignored) & (next_one != self.ignored)
            for start in (0, 1):
                found.narrow(dim, start, last).logical_or_(differ)
        return found
