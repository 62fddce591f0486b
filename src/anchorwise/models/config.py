"""What an encoder and a projection head are made of."""

from typing import Literal

from pydantic import Field, model_validator

from anchorwise import _checks
from anchorwise._config import Section, Width

RESNETS = ("resnet18", "resnet34", "resnet50")


class EncoderConfig(Section):
    """The network whose features are judged.

    Attributes:
        name: "small", a 32-pixel "resnet18", "resnet34" or "resnet50", or any timm backbone as "timm/<name>".
        norm: Normalisation layers: "batch", or "group", which makes an image's features independent of its batch.
            A timm backbone brings its own and takes "batch" only.
        width: Channels after the first convolution of "small"; 32 if left out. Only "small" has it.
    """

    name: str = "small"
    norm: Literal["batch", "group"] = "batch"
    width: int | None = Field(default=None, ge=8, le=8192)

    @model_validator(mode="after")
    def _refuse_what_does_nothing(self) -> "EncoderConfig":
        if not self.name.startswith("timm/"):
            _checks.one_of("encoder.name", self.name, ("small", *RESNETS, "timm/<name>"))
        elif self.norm != "batch":
            raise ValueError(f"encoder.norm must be 'batch' for {self.name!r}, whose layers timm chooses")
        if self.width is not None and self.name != "small":
            raise ValueError(f"encoder.width must be left out for {self.name!r}; only 'small' has it")
        if self.width is not None and self.width % 8:
            raise ValueError(f"encoder.width must be a multiple of 8, got {self.width}")
        return self


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
