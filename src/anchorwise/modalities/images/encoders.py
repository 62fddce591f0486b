"""Encoders by name: images in, one feature row per image out."""

from difflib import get_close_matches
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Any, Literal, cast

import torch
from jaxtyping import Float, Int64
from pydantic import Field, model_validator
from torch import Tensor, nn

from anchorwise import _checks
from anchorwise._config import NO_IDENTITY, Section
from anchorwise.modalities.encoder import Encoder, Patches
from anchorwise.modalities.images.sizes import Size, height_and_width, in_words
from anchorwise.modalities.images.small import SmallEncoder, norm_layer
from anchorwise.modalities.samples import View

# n = images, c = channels, h = height, w = width in pixels, f = features, k = patches that are kept

RESNETS = ("resnet18", "resnet34", "resnet50")
_SMALL_WIDTH, _VIT_WIDTH, _PATCH_PX = 32, 192, 4
_WIDTH_MULTIPLES = {"small": 8, "vit": 32}


class EncoderConfig(Section):
    """The network whose features are judged.

    Attributes:
        name: "small", a 32-pixel "resnet18", "resnet34" or "resnet50", a small vision transformer for such images as
            "vit" (`anchorwise.modalities.images.vit`), or any timm backbone as "timm/<name>".
        norm: Normalisation layers: "batch", or "group", which makes an image's features independent of its batch.
            "vit" and a timm backbone bring their own and take "batch" only.
        width: Channels after the first convolution of "small", 32 if left out, a multiple of 8; width of a token of
            "vit", 192 if left out, a multiple of 32. Others have none.
        patch_px: Height and width of a patch of "vit" in pixels, 4 if left out. Patches must tile the images.
        pretrained: Weights to start from: a safetensors file, a file of `torch.save`, or the folder of a finished run
            (`anchorwise.modalities.images.pretrained`). Random ones if left out.
        pretrained_digest: Tells the bytes of that file from others; filled in before the run starts.
        freeze: Parts of the backbone that stay as they are, by name; `*`, `?` and `[...]` stand for characters.
    """

    name: str = "small"
    norm: Literal["batch", "group"] = "batch"
    width: int | None = Field(default=None, ge=8, le=8192)
    patch_px: int | None = Field(default=None, ge=1, le=8192)
    pretrained: Path | None = Field(default=None, json_schema_extra=NO_IDENTITY)
    pretrained_digest: str | None = None
    freeze: tuple[str, ...] | None = None

    @model_validator(mode="after")
    def _refuse_what_does_nothing(self) -> "EncoderConfig":
        if not self.name.startswith("timm/"):
            _checks.one_of("encoder.name", self.name, ("small", "vit", *RESNETS, "timm/<name>"))
        if self.norm != "batch" and (self.name == "vit" or self.name.startswith("timm/")):
            raise ValueError(f"encoder.norm must be 'batch' for {self.name!r}, which brings layers of its own")
        if self.width is not None:
            multiple = _WIDTH_MULTIPLES.get(self.name)
            if multiple is None:
                raise ValueError(f"encoder.width must be left out for {self.name!r}; only 'small' and 'vit' have it")
            if self.width % multiple:
                raise ValueError(f"encoder.width must be a multiple of {multiple}, got {self.width}")
        if self.patch_px is not None and self.name != "vit":
            raise ValueError(f"encoder.patch_px must be left out for {self.name!r}; only 'vit' has it")
        return self


class ImageEncoder(Encoder):
    """An encoder of images, which computes them as it was told to lay them out."""

    is_channels_last = False

    def channels_last(self) -> "ImageEncoder":
        """Lay weights and images out channel by channel of each pixel: faster, with the same numbers layer by layer."""
        self.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.is_channels_last = True
        return self

    def encode(self, view: View) -> Float[Tensor, "n f"]:
        """Return one feature row per image."""
        return self.backbone(self._laid_out(view))

    def encode_maps(self, view: View) -> Float[Tensor, "n f h w"]:
        """Return the last feature maps, before they are pooled.

        Raises:
            ValueError: If the backbone has none, as timm's transformers, whose rows are no means of them.
        """
        images = self._laid_out(view)
        if hasattr(self.backbone, "maps"):  # Our own.
            return cast(Any, self.backbone).maps(images)
        if hasattr(self.backbone, "forward_features"):  # timm's.
            maps = cast(Any, self.backbone).forward_features(images)
        else:
            maps = images
            for layer in takewhile(lambda layer: not isinstance(layer, nn.AdaptiveAvgPool2d), self.backbone.children()):
                maps = layer(maps)
        if maps.ndim != 4 or maps.shape[1] != self.num_features:
            raise ValueError(
                f"this encoder has no feature maps of {self.num_features} channels before it pools, but "
                f"{tuple(maps.shape)}; choose a convolutional encoder.name, such as small or resnet18"
            )
        return maps

    def pooled(self, maps: Float[Tensor, "n f h w"]) -> Float[Tensor, "n f"]:
        """Return their mean, and whatever a timm backbone does behind it."""
        behind = getattr(self.backbone, "forward_head", None)
        return super().pooled(maps) if behind is None else behind(maps)

    @property
    def stages(self) -> tuple[nn.Module, ...]:
        """Of a chain of convolutions: what comes before the first block, and every block."""
        chain = list(takewhile(lambda layer: not isinstance(layer, nn.AdaptiveAvgPool2d), self.backbone.children()))
        if not isinstance(self.backbone, SmallEncoder | nn.Sequential) and not hasattr(self.backbone, "layer4"):
            return ()  # Nobody knows whether its parts stand in a chain.
        parts = [part for layer in chain for part in (layer.children() if _is_chain(layer) else (layer,))]
        first = next((number for number, part in enumerate(parts) if any(part.children())), len(parts))
        return (*([nn.Sequential(*parts[:first])] if first else []), *parts[first:])

    @property
    def patches(self) -> Patches | None:
        """What a backbone that can leave out patches cuts an image into."""
        return getattr(self.backbone, "patches", None)

    def encode_tokens(self, view: View, kept: Int64[Tensor, "n k"]) -> Float[Tensor, "n k f"]:
        """Return the features of the patches that are kept."""
        return cast(Any, self.backbone).tokens(self._laid_out(view), kept)

    def check_size(self, size_px: tuple[int, int]) -> None:
        """Refuse views that patches do not tile."""
        if self.patches is not None:
            cast(Any, self.backbone).check_size(size_px)

    def _laid_out(self, view: View) -> Float[Tensor, "n c h w"]:
        if not isinstance(view, Tensor):
            raise TypeError(f"an encoder of images takes a tensor of them, got {type(view).__name__}")
        return view.contiguous(memory_format=torch.channels_last) if self.is_channels_last else view


def _is_chain(layer: nn.Module) -> bool:
    return isinstance(layer, nn.Sequential) and any(any(part.children()) for part in layer)


def build_encoder(config: EncoderConfig, *, num_channels: int, image_size_px: Size) -> ImageEncoder:
    """Return a freshly initialised encoder; the weights come from torch's global generator.

    Args:
        config: Which encoder.
        num_channels: Channels of the images.
        image_size_px: Height and width of the images, one number for both or two.

    Raises:
        ValueError: If timm has no backbone of that name, or it cannot take images of that size, as where patches do
            not tile them.
    """
    _checks.count("num_channels", num_channels)
    height_px, width_px = height_and_width(image_size_px)
    if config.name == "small":
        width = config.width or _SMALL_WIDTH
        small = SmallEncoder(
            width=width, norm=config.norm, num_channels=num_channels, image_size_px=min(height_px, width_px)
        )
        return ImageEncoder(small, num_features=small.num_features)
    if config.name == "vit":
        from anchorwise.modalities.images.vit import SmallViT

        sizes = {"width": config.width or _VIT_WIDTH, "patch_px": config.patch_px or _PATCH_PX}
        vit = SmallViT(**sizes, num_channels=num_channels, image_px=(height_px, width_px))
        return ImageEncoder(vit, num_features=vit.num_features)
    if config.name.startswith("timm/"):
        return _timm_encoder(config.name.removeprefix("timm/"), num_channels, image_size_px)
    return _resnet(config, num_channels)


def _resnet(config: EncoderConfig, num_channels: int) -> ImageEncoder:
    # The 32-pixel stem of SimCLR's appendix B.9: 3x3, stride 1, no max-pool.
    from torchvision.models import get_model

    resnet = get_model(config.name, weights=None, norm_layer=partial(norm_layer, config.norm))
    num_features = cast(nn.Linear, resnet.fc).in_features
    resnet.conv1 = nn.Conv2d(num_channels, 64, 3, padding=1, bias=False)
    nn.init.kaiming_normal_(resnet.conv1.weight, mode="fan_out", nonlinearity="relu")
    resnet.maxpool = nn.Identity()
    resnet.fc = nn.Identity()
    return ImageEncoder(resnet, num_features=num_features)


def create_timm(name: str, num_channels: int, image_size_px: Size) -> tuple[nn.Module, dict[str, Any]]:
    """Return a timm backbone without classifier, and the arguments of `timm.create_model` that make it.

    Raises:
        ValueError: If timm has no model of that name.
    """
    import timm

    if not timm.is_model(name):
        near = get_close_matches(name, timm.list_models(), n=3)
        raise ValueError(f"encoder.name must be 'timm/' and a name in timm.list_models(), got {name!r}; near: {near}")
    arguments: dict[str, Any] = {"num_classes": 0, "in_chans": num_channels}
    try:
        sized = {**arguments, "img_size": image_size_px}
        return timm.create_model(name, pretrained=False, **sized), sized
    except TypeError:  # Convolutional backbones take any size and have no such argument.
        return timm.create_model(name, pretrained=False, **arguments), arguments


def _timm_encoder(name: str, num_channels: int, image_size_px: Size) -> ImageEncoder:
    backbone, _ = create_timm(name, num_channels, image_size_px)
    return ImageEncoder(backbone, num_features=_output_width(backbone, num_channels, image_size_px))


def _output_width(backbone: nn.Module, num_channels: int, image_size_px: Size) -> int:
    # Asked of the backbone itself: `num_features` is not the output width of every timm model.
    was_training = backbone.training
    backbone.eval()
    try:
        with torch.no_grad():
            features = backbone(torch.zeros(1, num_channels, *height_and_width(image_size_px)))
    except (RuntimeError, AssertionError) as error:
        raise ValueError(
            f"this backbone cannot take images of {in_words(image_size_px)} ({error}); "
            "choose another encoder.name or a larger data.image_size_px"
        ) from error
    backbone.train(was_training)
    if features.ndim != 2:
        raise ValueError(f"the encoder must return (images, features), got shape {tuple(features.shape)}")
    return features.shape[1]
