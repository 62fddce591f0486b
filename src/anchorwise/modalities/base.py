"""What every modality shares: an encoder whose width is known."""

from jaxtyping import Float
from torch import Tensor, nn

# n = samples, f = features


class Encoder(nn.Module):
    """A backbone without its classifier, whose output width is known.

    Args:
        backbone: Maps views to feature rows.
        num_features: Width of a row.
    """

    def __init__(self, backbone: nn.Module, *, num_features: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.num_features = num_features

    def forward(self, views: Tensor) -> Float[Tensor, "n f"]:
        """Return one feature row per sample."""
        return self.backbone(views)
