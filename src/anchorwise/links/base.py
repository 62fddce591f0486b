"""What a link is, and the one place where `1 - s` and distances are guarded."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import overload

import torch
from jaxtyping import Float
from torch import Tensor

# a = anchors

# Below this shortfall two rows count as the same point: float32 cosines are good to about 1e-7, so a smaller shortfall
# is rounding. The WEINCE release uses the same floor. Float16 and bfloat16 never get here: rows are widened first.
MIN_SHORTFALL = 1e-6

# A parameter of a link: one number, one learnable number, or one number per anchor.
Parameter = float | Float[Tensor, ""] | Float[Tensor, " a"]


def shortfall(scores: Float[Tensor, "*shape"], endpoint: float = 1.0) -> Float[Tensor, "*shape"]:
    """Return `endpoint - scores`, not below `MIN_SHORTFALL`; where the floor acts there is no gradient."""
    # As clamp_min, but one operation on the way back too.
    return torch.threshold(endpoint - scores, MIN_SHORTFALL, MIN_SHORTFALL)


def squared_distance(scores: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Return `2 - 2 scores`, the squared distance of unit rows; rounding below 0 counts as 0."""
    return (2.0 - 2.0 * scores).clamp_min(0.0)


@overload
def per_row(parameter: Tensor, scores: Tensor) -> Tensor: ...


@overload
def per_row(parameter: Parameter, scores: Tensor) -> float | Tensor: ...


def per_row(parameter: Parameter, scores: Tensor) -> float | Tensor:
    """Return the parameter as it multiplies scores: an anchor's number goes along its row."""
    if isinstance(parameter, Tensor) and parameter.ndim == 1 and scores.ndim == 2:
        return parameter.unsqueeze(1)
    return parameter


@dataclass(frozen=True)
class LogShortfall:
    """The logit `slope * s - power * log(endpoint - s)`: a family that engines have in closed form.

    Attributes:
        slope: In front of the score.
        power: In front of the shortfall's logarithm.
        endpoint: Where scores end.
    """

    slope: Parameter
    power: Parameter = 0.0
    endpoint: float = 1.0


# Links are compared and hashed by identity: torch 2.11 hashes a callable while compiling, before it has its fields.
@dataclass(frozen=True, eq=False)
class Link(ABC):
    """Turns scores into logits, or into what is summed over a row, entry by entry.

    Every field that is a tensor has one number, or one per anchor; it may need a gradient.
    """

    @abstractmethod
    def __call__(self, scores: Float[Tensor, "a ..."]) -> Float[Tensor, "a ..."]:
        """Return the logits of `scores`, one score or one row of scores per anchor."""

    @property
    def log_shortfall(self) -> LogShortfall | None:
        """The link as a member of that family; None where it is none."""
        return None

    @property
    def parameters(self) -> tuple[Tensor, ...]:
        """All parameters that are tensors, in a fixed order."""
        found: list[Tensor] = []
        self.with_parameters(lambda tensor: (found.append(tensor), tensor)[1])
        return tuple(found)

    def with_parameters(self, change: Callable[[Tensor], Tensor]) -> "Link":
        """Return the same link with every parameter that is a tensor changed."""
        changed = {}
        for field in (field for field in fields(self) if field.init):  # The others are made of these.
            value = getattr(self, field.name)
            if isinstance(value, Tensor):
                changed[field.name] = change(value)
            elif isinstance(value, Link):
                changed[field.name] = value.with_parameters(change)
        return replace(self, **changed)

    def of_anchors(self, rows: slice) -> "Link":
        """Return the link of some anchors: their own numbers, and those that all share."""
        return self.with_parameters(lambda parameter: parameter[rows] if parameter.ndim else parameter)
