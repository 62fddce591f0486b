"""Views: what a method asks for, and what makes them of a batch."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from jaxtyping import Int64
from torch import Tensor, nn

from anchorwise.modalities.samples import Batch, Samples, View

# b = samples of this rank's batch


@dataclass(frozen=True)
class ViewPlan:
    """What a method asks of whoever makes the views.

    Attributes:
        num_views: Views of the full size.
        num_small: Smaller ones beside them, behind them in the list.
    """

    num_views: int = 2
    num_small: int = 0

    @property
    def total(self) -> int:
        """All views of a sample."""
        return self.num_views + self.num_small


class ViewMaker(nn.Module, ABC):
    """Makes the views of a batch as a method's plan asks for them. What it has learnt of the data is in its buffers."""

    def collect(self, samples: Samples, ids: Int64[Tensor, " b"], *, seed: int) -> Batch:
        """Return what `forward` makes views of, on the CPU; what is random in it depends on seed and id alone."""
        return samples.batch(ids)

    @abstractmethod
    def forward(self, batch: Batch, *, seed: int) -> tuple[View, ...]:
        """Return the views, on the device of the batch; the same for the same batch, seed and device."""

    @abstractmethod
    def plain(self, raw: View) -> View:
        """Return samples as the encoder takes them, without anything random."""
