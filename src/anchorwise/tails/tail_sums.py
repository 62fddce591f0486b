"""What the scores above a row's threshold add up to: all that the likelihoods in closed form need of a tail."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from anchorwise.engine import ExceedanceSums
from anchorwise.links import shortfall

# a = anchors


@dataclass(frozen=True)
class TailSums:
    """What a row's scores above its threshold add up to; exact duplicates of the anchor are left out.

    Attributes:
        threshold_shortfall: Endpoint minus threshold: the widest shortfall in the tail, not below `MIN_SHORTFALL`.
        hardest_shortfall: Shortfall of the row's hardest negative; that of an orthogonal one where it has none.
        count: Exceedances per anchor.
        sum_log_ratio: Sum over a row's exceedances of log(threshold shortfall / shortfall), at least 0.
        sum_relative_excess: Sum of (score - threshold) / threshold shortfall, at least 0 and at most those logarithms.
    """

    threshold_shortfall: Float[Tensor, " a"]
    hardest_shortfall: Float[Tensor, " a"]
    count: Float[Tensor, " a"]
    sum_log_ratio: Float[Tensor, " a"]
    sum_relative_excess: Float[Tensor, " a"]

    @classmethod
    def of(cls, sums: ExceedanceSums, threshold: Float[Tensor, " a"], endpoint: float) -> "TailSums":
        """Return what the engine's sums over the scores above a threshold say."""
        widest = shortfall(threshold, endpoint)
        hardest = shortfall(sums.largest_score, endpoint).nan_to_num(nan=torch.nan, posinf=1.0)
        return cls(widest, hardest, sums.count, sums.sum_log_ratio, sums.sum_excess / widest)

    @property
    def mean_excess(self) -> Float[Tensor, " a"]:
        """Mean of score minus threshold over a row's exceedances; 0 where there are none."""
        return self.threshold_shortfall * self.sum_relative_excess / self.count.clamp_min(1.0)

    def completed(self, num_points: int) -> "TailSums":
        """Return tails of `num_points` exceedances at least: what a row lacks, it takes from the whole batch.

        A point that is added counts as the mean exceedance of all anchors, relative to the row's own threshold
        shortfall: as shrinking an exponent to the batch does, it lends a short row the shape of the others' tails and
        leaves it its scale. Longer rows stay as they are, and so do all where the batch has fewer points than that.
        """
        own = torch.stack([self.count, self.sum_log_ratio, self.sum_relative_excess])
        of_batch = own.sum(dim=1, keepdim=True)
        lacking = (num_points - self.count).clamp_min(0.0)
        # Counts are whole: a batch with one fewer has none to lend.
        lent = lacking / torch.threshold(of_batch[0], num_points - 1, torch.inf)
        count, sum_log_ratio, sum_relative_excess = torch.addcmul(own, of_batch, lent).unbind()
        return replace(self, count=count, sum_log_ratio=sum_log_ratio, sum_relative_excess=sum_relative_excess)
