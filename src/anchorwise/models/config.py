"""What projection heads and predictors are made of."""

from typing import Literal

from pydantic import Field

from anchorwise._config import Section, Width


class PredictorConfig(Section):
    """A predictor: what stands behind the projection head on the trained side only, as wide there as the head.

    Attributes:
        hidden_width: Units of every hidden layer; as many as come in if left out.
        num_layers: Linear layers; 1 for a linear map.
        norm: Normalisation after every hidden layer: "batch", "layer" or "none".
        bias: Whether the last layer has one where no normalisation follows it.
        gelu: Whether GELU stands in the place of ReLU, as in transformers.
    """

    hidden_width: Width | None = None
    num_layers: int = Field(default=2, ge=1, le=100)
    norm: Literal["batch", "layer", "none"] = "batch"
    bias: bool = True
    gelu: bool = False


class HeadConfig(PredictorConfig):
    """A projection head: what stands between features and objective, thrown away afterwards; of no layer, none does.

    Left as they are, the settings are those of SimCLR's projection head.

    Source: Chen et al. 2020, section 4.2, https://arxiv.org/abs/2002.05709.

    Attributes:
        num_layers: Linear layers; 0 hands the features over as they are, and the other settings say nothing.
        output_width: Width of the embeddings; None makes it that of the features.
        output_norm: Batch normalisation behind the last layer: "affine", "plain" without scale and shift, or "none";
            "layer" is layer normalisation.
        tanh: Whether a hyperbolic tangent stands behind all of it, as in the heads of BERT.
    """

    num_layers: int = Field(default=2, ge=0, le=100)
    output_width: Width | None = 128
    output_norm: Literal["none", "affine", "plain", "layer"] = "none"
    tanh: bool = False
