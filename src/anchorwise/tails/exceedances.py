"""What the scores above a row's threshold add up to: all that the likelihoods in closed form need of a tail."""

from dataclasses import dataclass, replace

from jaxtyping import Float
from torch import Tensor

from anchorwise.engine import ExceedanceSums
from anchorwise.links import MIN_SHORTFALL

# a = anchors


@dataclass(frozen=True)
class Exceedances:
    """What a row's scores above its threshold add up to.

    Attributes:
        threshold_shortfall: Endpoint minus threshold: the widest shortfall in the tail.
        hardest_shortfall: Shortfall of the row's hardest negative; that of an orthogonal one where it has none.
        sums: Their number, and how far they are above the threshold, added up.
    """

    threshold_shortfall: Float[Tensor, " a"]
    hardest_shortfall: Float[Tensor, " a"]
    sums: ExceedanceSums

    @property
    def count(self) -> Float[Tensor, " a"]:
        """Exceedances per anchor, exact duplicates left out."""
        return self.sums.count

    @property
    def sum_log_ratio(self) -> Float[Tensor, " a"]:
        """Sum over a row's exceedances of log(threshold shortfall / shortfall), at least 0."""
        return self.sums.sum_log_ratio

    @property
    def mean_excess(self) -> Float[Tensor, " a"]:
        """Mean of score minus threshold over a row's exceedances; 0 where there are none."""
        return self.sums.sum_excess / self.count.clamp_min(1.0)

    def completed(self, num_points: int) -> "Exceedances":
        """Return tails of `num_points` exceedances at least: what a row lacks, it takes from the whole batch.

        A point that is added counts as the mean exceedance of all anchors, relative to the row's own threshold
        shortfall: as shrinking an exponent to the batch does, it lends a short row the shape of the others' tails and
        leaves it its scale. Longer rows stay as they are.
        """
        widest = self.threshold_shortfall.clamp_min(MIN_SHORTFALL)
        lacking, total = (num_points - self.count).clamp_min(0.0), self.count.sum().clamp_min(1.0)
        mean_log_ratio = self.sum_log_ratio.sum() / total
        mean_relative_excess = (self.sums.sum_excess / widest).sum() / total
        sums = replace(
            self.sums,
            count=self.count + lacking,
            sum_log_ratio=self.sum_log_ratio + lacking * mean_log_ratio,
            sum_excess=self.sums.sum_excess + lacking * mean_relative_excess * widest,
        )
        return replace(self, sums=sums)
