"""What the engine returns beside plain numbers per anchor."""

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

# a = anchors, t = tail points


@dataclass(frozen=True)
class Tail:
    """The largest scores of every row, in falling order, and the keys they belong to.

    A row with fewer keys than asked for is filled with minus infinity.
    """

    scores: Float[Tensor, "a t"]
    keys: Int[Tensor, "a t"]


@dataclass(frozen=True)
class ExceedanceSums:
    """Sums over the scores of a row that lie above its threshold; sums of parts of a row add up to the row's.

    With delta the shortfall of a score from the endpoint and delta_u that of the threshold.

    Attributes:
        count: Exceedances. Those whose shortfall is below `MIN_SHORTFALL` are in no sum: exact duplicates are false
            negatives, not tail.
        sum_log_ratio: Sum of log(delta_u / delta).
        sum_excess: Sum of delta_u - delta: by how much scores exceed the threshold.
        largest_score: The row's, whether above the threshold or not; minus infinity where no key is left.
    """

    count: Float[Tensor, " a"]
    sum_log_ratio: Float[Tensor, " a"]
    sum_excess: Float[Tensor, " a"]
    largest_score: Float[Tensor, " a"]
