"""Projection heads and predictors: linear layers with normalisation and ReLU between them; scores of prototypes."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from anchorwise._precision import products
from anchorwise.models.config import HeadConfig, PredictorConfig
from anchorwise.pairs import unit_rows

# n = samples, f = features of the encoder, d = embedding width, k = prototypes


@final
class ProjectionHead(nn.Module):
    """Maps features to embeddings.

    Source: Chen et al. 2020, section 4.2, https://arxiv.org/abs/2002.05709.

    Args:
        config: Widths, depth and normalisation.
        num_features: Width of the encoder's output.

    Attributes:
        width: Of the embeddings.
    """

    def __init__(self, config: HeadConfig, *, num_features: int) -> None:
        super().__init__()
        if config.num_layers == 0:
            self.layers, self.width = nn.Sequential(), num_features
            return
        self.width = config.output_width or num_features
        bias = config.bias and config.output_norm == "none"
        layers = _perceptron(config, num_features, self.width, bias=bias)
        if config.output_norm == "layer":
            layers.append(nn.LayerNorm(self.width))
        elif config.output_norm != "none":
            layers.append(nn.BatchNorm1d(self.width, affine=config.output_norm == "affine"))
        if config.tanh:
            layers.append(nn.Tanh())
        self.layers = nn.Sequential(*layers)

    def forward(self, features: Float[Tensor, "n f"]) -> Float[Tensor, "n d"]:
        """Return one embedding per row, not normalised."""
        return self.layers(features)


@final
class Predictor(nn.Module):
    """Maps embeddings to predictions of other embeddings, of the same width.

    Source: Grill et al. 2020, "Bootstrap your own latent", section 3.1, https://arxiv.org/abs/2006.07733.

    Args:
        config: Depth, normalisation and hidden width.
        width: Of the embeddings.
    """

    def __init__(self, config: PredictorConfig, *, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(*_perceptron(config, width, width, bias=config.bias))

    def forward(self, rows: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """Return one prediction per row, not normalised."""
        return self.layers(rows)


@final
class PrototypeScores(nn.Module):
    """Maps embeddings to their cosines with learnt prototypes of any length.

    Source: the last layer of Caron et al. 2021 (DINO), whose weights are normalised, https://arxiv.org/abs/2104.14294.

    Args:
        num_prototypes: Directions on the sphere.
        width: Of the embeddings.
    """

    def __init__(self, num_prototypes: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(unit_rows(torch.randn(num_prototypes, width)))

    def forward(self, rows: Float[Tensor, "n d"]) -> Float[Tensor, "n k"]:
        """Return one cosine per row and prototype."""
        return products(unit_rows(rows), unit_rows(self.weight))


def _perceptron(config: PredictorConfig, width: int, output_width: int, *, bias: bool) -> list[nn.Module]:
    hidden_width = config.hidden_width or width
    layers: list[nn.Module] = []
    for _ in range(config.num_layers - 1):
        layers += [nn.Linear(width, hidden_width, bias=config.norm == "none"), *norm_of(config.norm, hidden_width)]
        layers.append(nn.GELU() if config.gelu else nn.ReLU())
        width = hidden_width
    return [*layers, nn.Linear(width, output_width, bias=bias)]


def norm_of(name: str, width: int) -> list[nn.Module]:
    """Return the normalisation layer of that name, or none."""
    if name == "batch":
        return [nn.BatchNorm1d(width)]
    return [nn.LayerNorm(width)] if name == "layer" else []
