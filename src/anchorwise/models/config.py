"""What a projection or prediction head is made of."""

from typing import Literal

from pydantic import Field

from anchorwise._config import Section, Width


class HeadConfig(Section):
    """A projection or prediction head: what stands between features and objective, thrown away afterwards.

    Left as they are, the settings are those of SimCLR's projection head.

    Source: Chen et al. 2020, section 4.2, https://arxiv.org/abs/2002.05709.

    Attributes:
        hidden_width: Units of every hidden layer; as many as the encoder has features if left out.
        output_width: Width of the embeddings.
        num_layers: Linear layers; 2 as in SimCLR, 1 for a linear head.
        norm: Normalisation after every hidden layer: "batch", "layer" or "none".
        output_norm: Batch normalisation behind the last layer: "none", "affine", or "plain" without scale and shift.
        bias: Whether the last layer has one where no normalisation follows it.
    """

    hidden_width: Width | None = None
    output_width: Width = 128
    num_layers: int = Field(default=2, ge=1, le=100)
    norm: Literal["batch", "layer", "none"] = "batch"
    output_norm: Literal["none", "affine", "plain"] = "none"
    bias: bool = True
