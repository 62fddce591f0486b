"""SimCLR: one encoder and one projection head for both views.

Source: Chen et al. 2020, section 2.1, https://arxiv.org/abs/2002.05709.
"""

from typing import final

from jaxtyping import Float
from torch import Tensor, nn

from anchorwise.models import Encoder

# n = images, c = channels, h = height, w = width in pixels, d = embedding width


@final
class SimCLR(nn.Module):
    """Encodes images and projects the features.

    Args:
        encoder: Maps images to features; what is kept after pretraining.
        head: Maps features to embeddings.
    """

    def __init__(self, encoder: Encoder, head: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d"]:
        """Return one embedding per image, not normalised."""
        return self.head(self.encoder(images))
