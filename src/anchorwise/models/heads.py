"""The projection head: linear layers with normalisation and ReLU between them.

Source: Chen et al. 2020, section 4.2, https://arxiv.org/abs/2002.05709.
"""

from typing import final

from jaxtyping import Float
from torch import Tensor, nn

from anchorwise.models.config import HeadConfig

# n = images, f = features of the encoder, d = embedding width


@final
class ProjectionHead(nn.Module):
    """Maps features to embeddings.

    Args:
        config: Widths, depth and normalisation.
        num_features: Width of the encoder's output.
    """

    def __init__(self, config: HeadConfig, *, num_features: int) -> None:
        super().__init__()
        hidden_width = config.hidden_width or num_features
        layers: list[nn.Module] = []
        width = num_features
        for _ in range(config.num_layers - 1):
            layers += [nn.Linear(width, hidden_width, bias=config.norm == "none"), *_norm(config.norm, hidden_width)]
            layers.append(nn.ReLU())
            width = hidden_width
        layers.append(nn.Linear(width, config.output_width, bias=config.bias and config.output_norm == "none"))
        if config.output_norm != "none":
            layers.append(nn.BatchNorm1d(config.output_width, affine=config.output_norm == "affine"))
        self.layers = nn.Sequential(*layers)

    def forward(self, features: Float[Tensor, "n f"]) -> Float[Tensor, "n d"]:
        """Return one embedding per row, not normalised."""
        return self.layers(features)


def _norm(name: str, width: int) -> list[nn.Module]:
    if name == "batch":
        return [nn.BatchNorm1d(width)]
    return [nn.LayerNorm(width)] if name == "layer" else []
