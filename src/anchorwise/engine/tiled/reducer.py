"""What is added up over a row, tile by tile, and the slopes of the scores behind it."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from anchorwise.engine.tiled.pairs_left import Side
from anchorwise.engine.tiled.space import Space

# a = anchors, r = anchors of a tile, c = keys of a tile


class Reducer(ABC):
    """One reduction of one batch; its methods are called for every tile, tiles without common rows at once.

    Attributes:
        scale: What cosines are multiplied by before the reducer sees them.
    """

    scale: float = 1.0

    @abstractmethod
    def add(self, scores: Float[Tensor, "r c"], sides: list[Side], space: Space) -> None:
        """Add a tile to the sums of its rows; may overwrite the scores."""

    @abstractmethod
    def value(self) -> Float[Tensor, " a"]:
        """Return the reduction, after all tiles."""

    @property
    def kept(self) -> tuple[Float[Tensor, " a"], ...]:
        """What the slopes need of the sums."""
        return ()

    @abstractmethod
    def start_slopes(self, kept: tuple[Float[Tensor, " a"], ...], gradient: Float[Tensor, " a"]) -> None:
        """Take what was kept of the sums, and the gradient of the loss by the reduction."""

    @abstractmethod
    def slopes(self, scores: Float[Tensor, "r c"], sides: list[Side], space: Space) -> Float[Tensor, "r c"]:
        """Return the gradient of the loss by the cosines of a tile, all sides together; may overwrite the scores."""

    @property
    def parameter_gradients(self) -> "list[RowGradients | None]":
        """The gradients of the loss by the link's tensors, in the order in which they came; None where none is due."""
        return []


_LEADING_LOG_2 = 355 / 512  # Nine bits.


class LogSum:
    """Sums of powers of 2 that neither overflow nor vanish: a largest exponent, and the sum relative to it."""

    def __init__(self, like: Tensor, num_rows: int) -> None:
        self.peak = like.new_full((num_rows,), -torch.inf)
        self.total = like.new_zeros(num_rows)

    def add(self, rows: slice, logits: Float[Tensor, "r c"], *, dim: int = 1) -> None:
        """Add the logits of some rows, whose keys lie along `dim`; overwrites them."""
        before = self.peak[rows]
        highest = torch.maximum(before, logits.amax(dim=dim))
        # A row of nothing but minus infinity has no peak to be relative to.
        base = highest.masked_fill(highest == -torch.inf, 0.0)
        total = logits.sub_(base.unsqueeze(dim)).exp2_().sum(dim=dim)
        self.total[rows] = self.total[rows] * torch.exp2(before - base) + total
        self.peak[rows] = highest

    def value(self) -> Float[Tensor, " a"]:
        """Return the natural logarithms."""
        # A logarithm in the hundreds is to be rounded once, without float64, which not every device has: the product of
        # a whole number with the leading bits of log 2 is exact, and all that is added to it is small.
        empty = self.total == 0.0
        peak = self.peak.masked_fill(empty, 0.0)
        whole = peak.round()
        small = whole * (math.log(2.0) - _LEADING_LOG_2) + ((peak - whole) * math.log(2.0) + self.total.log())
        return (whole * _LEADING_LOG_2 + small).masked_fill(empty, -torch.inf)


@dataclass(frozen=True)
class Shares:
    """What turns a logit of base 2 into its share of its row's sum, times the gradient of the row.

    The logarithm of the sum itself would be rounded: at low temperatures logits are in the hundreds.

    Attributes:
        peak: To be subtracted from logits; 0 in rows without keys.
        factor: What the power of 2 is multiplied by; 0 in rows without keys.
    """

    peak: Float[Tensor, " a"]
    factor: Float[Tensor, " a"]

    @classmethod
    def of(cls, kept: tuple[Tensor, ...], gradient: Float[Tensor, " a"]) -> "Shares":
        """Return the shares for the peak and total that a `LogSum` ended with."""
        peak, total = kept
        return cls(peak.masked_fill(peak == -torch.inf, 0.0), (gradient / total).masked_fill(total == 0.0, 0.0))


class RowGradients:
    """The gradient of one parameter of a link, added up tile by tile.

    A parameter that all anchors share has one slot an anchor too: tiles of one round then never add to the same slot.
    """

    @classmethod
    def of(cls, parameter: object, num_rows: int) -> "RowGradients | None":
        """Return the sums for a parameter; None for one without gradient."""
        return cls(parameter, num_rows) if isinstance(parameter, Tensor) and parameter.requires_grad else None

    def __init__(self, parameter: Tensor, num_rows: int) -> None:
        self._common = parameter.ndim == 0
        self._slots = parameter.detach().new_zeros(num_rows)

    def add(self, side: Side, gradient: Tensor) -> None:
        """Add a tile's gradient: one number per anchor, or one of all."""
        if gradient.ndim == 0:
            self._slots[side.rows.start] += gradient
        else:
            self._slots[side.rows] += gradient

    def value(self) -> Tensor:
        """Return the gradient in the parameter's shape."""
        return self._slots.sum() if self._common else self._slots
