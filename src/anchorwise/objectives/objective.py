"""What every objective is: a module called with two views, and an outcome with more than the loss."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from jaxtyping import Float
from torch import Tensor, nn

# n = images, d = embedding width, a = anchors


@dataclass(frozen=True)
class Outcome:
    """What one batch gave.

    Attributes:
        loss: Scalar to minimise; the only part with a graph. Float32, or float64 for float64 views.
        per_anchor: Loss of every anchor, shape (anchors,), detached; their mean is the loss.
        stats: Detached tensors for logging, scalar or of shape (anchors,).
    """

    loss: Float[Tensor, ""]
    per_anchor: Float[Tensor, " a"]
    stats: Mapping[str, Tensor] = field(default_factory=lambda: MappingProxyType({}))


class Objective(nn.Module, ABC):
    """A contrastive objective over two views of the same images.

    Row i of both views comes from image i. Views are embeddings of any scale and floating dtype; half precision is
    widened to float32 before anything is computed. Non-finite embeddings give a non-finite loss, not an error.
    """

    def forward(self, view0: Float[Tensor, "n d"], view1: Float[Tensor, "n d"]) -> Float[Tensor, ""]:
        """Return the scalar loss.

        Raises:
            ValueError: If the views differ in shape, dtype or device, are not matrices, or are empty.
            TypeError: If a view is not floating.
        """
        return self.detail(view0, view1).loss

    @abstractmethod
    def detail(self, view0: Float[Tensor, "n d"], view1: Float[Tensor, "n d"]) -> Outcome:
        """Return the loss with the anchors' losses and statistics."""


def mean_outcome(per_anchor: Float[Tensor, " a"], stats: Mapping[str, Tensor]) -> Outcome:
    """Return the outcome whose loss is the mean over anchors; statistics are detached."""
    detached = {name: value.detach() for name, value in stats.items()}
    return Outcome(per_anchor.mean(), per_anchor.detach(), MappingProxyType(detached))
