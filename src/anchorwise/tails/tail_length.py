"""How many of the largest scores make a tail, by how many there are: known from shapes, or counted on the device."""

from dataclasses import dataclass
from typing import Literal, final

from jaxtyping import Float
from torch import Tensor

FEWEST_POINTS = 10  # Of a regression, as released.


@final
@dataclass(frozen=True)
class TailLength:
    """A share of the scores, and some of them at least.

    Attributes:
        fraction: Share of the scores, in (0, 1].
        at_least: Scores at least.
        rounding: How the number is made whole: "nearest" with at least 10 scores, or "down" with none below 10.
    """

    fraction: float
    at_least: int
    rounding: Literal["nearest", "down"]

    def of(self, num_scores: int) -> int:
        """Return how many of these scores make the tail: the more there are, the more, and never more than these."""
        wanted = self.fraction * num_scores
        if self.rounding == "nearest":
            return min(max(self.at_least, round(wanted), FEWEST_POINTS), num_scores)
        num_tail = min(int(max(self.at_least, wanted)), num_scores)
        return num_tail if num_tail >= FEWEST_POINTS else 0

    def counted(self, num_scores: Float[Tensor, ""]) -> Float[Tensor, ""]:
        """Return the same of a number on a device, which is not read: a tail of the number that shapes allow is cut."""
        whole = num_scores.double()
        wanted = self.fraction * whole
        if self.rounding == "nearest":
            return wanted.round().clamp_min(max(self.at_least, FEWEST_POINTS)).minimum(whole)
        num_tail = wanted.floor().clamp_min(self.at_least).minimum(whole)
        return num_tail.where(num_tail >= FEWEST_POINTS, 0.0)
