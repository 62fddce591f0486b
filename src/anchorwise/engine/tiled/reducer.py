"""What is added up over a row, tile by tile, and the gradient by the scores behind it."""

from abc import ABC, abstractmethod

from jaxtyping import Float
from torch import Tensor

from anchorwise.engine.tiled.masking import Side
from anchorwise.engine.tiled.workspace import Workspace

# a = anchors, r = anchors of a tile, c = keys of a tile


class Reducer(ABC):
    """One reduction of one batch; its methods are called for every tile, tiles without common rows at once.

    Attributes:
        scale: What cosines are multiplied by before the reducer sees them.
    """

    scale: float = 1.0

    @abstractmethod
    def add(self, scores: Float[Tensor, "r c"], sides: list[Side], workspace: Workspace) -> None:
        """Add a tile to the sums of its rows; may overwrite the scores."""

    @abstractmethod
    def value(self) -> Float[Tensor, " a"]:
        """Return the reduction, after all tiles."""

    @property
    def saved(self) -> tuple[Float[Tensor, " a"], ...]:
        """What the gradient needs of the sums."""
        return ()

    @abstractmethod
    def begin_backward(self, saved: tuple[Float[Tensor, " a"], ...], upstream: Float[Tensor, " a"]) -> None:
        """Take what was saved of the sums, and the gradient of the loss by the reduction."""

    @abstractmethod
    def score_gradients(
        self, scores: Float[Tensor, "r c"], sides: list[Side], workspace: Workspace
    ) -> Float[Tensor, "r c"]:
        """Return the gradient of the loss by the cosines of a tile, all sides together; may overwrite the scores."""

    @property
    def parameter_gradients(self) -> "list[RowGradients | None]":
        """The gradients of the loss by the link's tensors, in the order in which they came; None where none is due."""
        return []


class RowGradients:
    """The gradient of one parameter of a link, added up tile by tile.

    A parameter that all anchors share has one slot an anchor too: tiles of one round then never add to the same slot.
    """

    @classmethod
    def of(cls, parameter: object, num_rows: int) -> "RowGradients | None":
        """Return the sums for a parameter; None for one without gradient."""
        return cls(parameter, num_rows) if isinstance(parameter, Tensor) and parameter.requires_grad else None

    def __init__(self, parameter: Float[Tensor, ""] | Float[Tensor, " a"], num_rows: int) -> None:
        self._common = parameter.ndim == 0
        self._slots = parameter.detach().new_zeros(num_rows)

    def add(self, side: Side, gradient: Float[Tensor, ""] | Float[Tensor, " r"]) -> None:
        """Add a tile's gradient: one number per anchor, or one of all."""
        if gradient.ndim == 0:
            self._slots[side.rows.start] += gradient
        else:
            self._slots[side.rows] += gradient

    def value(self) -> Float[Tensor, ""] | Float[Tensor, " a"]:
        """Return the gradient in the parameter's shape."""
        return self._slots.sum() if self._common else self._slots
