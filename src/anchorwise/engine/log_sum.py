"""Sums of exponentials that neither overflow nor vanish, and what their gradient is made of; for every backend.

Logits are of base 2: an exponential of base 2 is three times as fast as one of base e on a CPU, and GPUs have an
instruction for it.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

# a = anchors, r = anchors of a tile, c = keys of a tile

_LEADING_LOG_2 = 355 / 512  # Nine bits.


class LogSum:
    """An online logsumexp: of every row the largest logit so far, and the sum of powers of 2 relative to it.

    Attributes:
        running_max: Largest logit, of base 2; minus infinity in rows without keys.
        running_sum: Sum of 2 ** (logit - running_max).
    """

    def __init__(self, like: Tensor, num_rows: int) -> None:
        self.running_max: Float[Tensor, " a"] = like.new_full((num_rows,), -torch.inf)
        self.running_sum: Float[Tensor, " a"] = like.new_zeros(num_rows)

    def add(self, rows: slice, logits: Float[Tensor, "r c"], *, dim: int = 1) -> None:
        """Add the logits of some rows, whose keys lie along `dim`; overwrites them."""
        before = self.running_max[rows]
        highest = torch.maximum(before, logits.amax(dim=dim))
        # A row of nothing but minus infinity has no maximum to be relative to.
        base = highest.masked_fill(highest == -torch.inf, 0.0)
        of_tile = logits.sub_(base.unsqueeze(dim)).exp2_().sum(dim=dim)
        self.running_sum[rows] = self.running_sum[rows] * torch.exp2(before - base) + of_tile
        self.running_max[rows] = highest

    def value(self) -> Float[Tensor, " a"]:
        """Return the natural logarithms."""
        # A logarithm in the hundreds is to be rounded once, without float64, which not every device has: the product of
        # a whole number with the leading bits of log 2 is exact, and all that is added to it is small.
        empty = self.running_sum == 0.0
        highest = self.running_max.masked_fill(empty, 0.0)
        whole = highest.round()
        small = whole * (math.log(2.0) - _LEADING_LOG_2) + ((highest - whole) * math.log(2.0) + self.running_sum.log())
        return (whole * _LEADING_LOG_2 + small).masked_fill(empty, -torch.inf)


@dataclass(frozen=True)
class SoftmaxGradient:
    """What turns a logit of base 2 into its softmax weight times the upstream gradient of its row.

    That product is the gradient of the loss by the natural logit: `2 ** (logit - shift) * factor`. It is not
    `exp(logit - logsumexp)`, for the logsumexp itself is rounded: at low temperatures logits are in the hundreds.

    Attributes:
        shift: To be subtracted from logits; 0 in rows without keys.
        factor: What the power of 2 is multiplied by; 0 in rows without keys.
    """

    shift: Float[Tensor, " a"]
    factor: Float[Tensor, " a"]

    @classmethod
    def of(cls, sums: tuple[Tensor, ...], upstream: Float[Tensor, " a"]) -> "SoftmaxGradient":
        """Return it for the `running_max` and `running_sum` that a `LogSum` ended with."""
        running_max, running_sum = sums
        shift = running_max.masked_fill(running_max == -torch.inf, 0.0)
        return cls(shift, (upstream / running_sum).masked_fill(running_sum == 0.0, 0.0))
