"""Random views of every image of a batch, drawn per sample and per view.

Source: SimCLR, Chen et al. 2020, Section 3 and Appendix A, https://arxiv.org/abs/2002.05709. The operations are
kornia's, on whole batches, on the device of the images. Deviation: the order of the colour steps is drawn once per
batch and view, not per image, as kornia does; their strengths are drawn per image.
"""

from collections.abc import Sequence
from math import inf, isinf
from typing import TYPE_CHECKING, Literal, final

import torch
from jaxtyping import Float, Int64
from pydantic import Field, model_validator
from torch import Tensor, nn

from anchorwise import _checks
from anchorwise._config import Named, Section, chosen_by_name
from anchorwise.modalities.images.normalise import Normalisation
from anchorwise.modalities.images.sizes import Size, height_and_width
from anchorwise.modalities.samples import Batch, View
from anchorwise.modalities.seeds import seeded
from anchorwise.modalities.views import ViewMaker, ViewPlan

# n = images, c = channels, h = height, w = width (pixels)

Range = tuple[float, float]

_FRACTIONS = (
    "flip_probability",
    "translation_fraction",
    "jitter_probability",
    "brightness",
    "contrast",
    "saturation",
    "greyscale_probability",
    "blur_probability",
    "blur_kernel_fraction",
    "erasing_probability",
    "small_size_fraction",
)

_RANGES = (
    ("crop_scale", 1.0),
    ("small_crop_scale", 1.0),
    ("erasing_scale", 1.0),
    ("crop_ratio", inf),
    ("blur_sigma_px", inf),
)


class SecondView(Section):
    """What is another strength in the second view of a sample, and in every other one after it.

    Attributes:
        blur_probability: Of a Gaussian blur, in [0, 1]; as in the first view if left out.
        solarise_probability: Of inverting what is brighter than half, in [0, 1]; likewise.
    """

    blur_probability: float | None = Field(default=None, ge=0, le=1)
    solarise_probability: float | None = Field(default=None, ge=0, le=1)


class AugmentConfig(Named):
    """Strengths of a view; a step of probability or strength 0 is left out.

    Attributes:
        crop_scale: Area of the crop over that of the image, lowest and highest, in (0, 1]; (1, 1) does not crop.
        crop_ratio: Width over height of the crop, lowest and highest.
        flip_probability: Of a horizontal flip, in [0, 1].
        rotation_degrees: Largest rotation to either side; uncovered corners are black.
        translation_fraction: Largest shift along each axis over the image size, in [0, 1]; uncovered borders are black.
        jitter_probability: Of the colour jitter, in [0, 1].
        brightness: Factor within 1 - value .. 1 + value.
        contrast: Likewise.
        saturation: Likewise; RGB only.
        hue: Largest turn of the colour circle to either side, in [0, 0.5]; RGB only.
        greyscale_probability: Of losing all colour, in [0, 1]; RGB only.
        blur_probability: Of a Gaussian blur, in [0, 1].
        blur_kernel_fraction: Kernel width over the image size; the width is rounded to an odd number, at least 3 px.
        blur_sigma_px: Standard deviation of the blur, lowest and highest, in pixels.
        solarise_probability: Of inverting what is brighter than half, in [0, 1]; never if left out.
        erasing_probability: Of blackening a rectangle, in [0, 1].
        erasing_scale: Area of the rectangle over that of the image, lowest and highest.
        small_crop_scale: As `crop_scale`, of the small views that a method such as SwAV asks for; solo-learn's for
            CIFAR.
        small_size_fraction: Width of a small view over that of the image, in (0, 1]; likewise.
        second: Strengths that are others in the second view; all views are drawn alike if left out.
    """

    crop_scale: Range = (1.0, 1.0)
    crop_ratio: Range = (3 / 4, 4 / 3)
    flip_probability: float = 0.0
    rotation_degrees: float = 0.0
    translation_fraction: float = 0.0
    jitter_probability: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0
    greyscale_probability: float = 0.0
    blur_probability: float = 0.0
    blur_kernel_fraction: float = 0.1
    blur_sigma_px: Range = (0.1, 2.0)
    erasing_probability: float = 0.0
    erasing_scale: Range = (0.02, 0.2)
    small_crop_scale: Range = (0.08, 0.5)
    small_size_fraction: float = 0.5625
    solarise_probability: float | None = Field(default=None, ge=0, le=1)
    second: SecondView | None = None

    @model_validator(mode="after")
    def _check_ranges(self) -> "AugmentConfig":
        for name in _FRACTIONS:
            _checks.fraction(f"views.{name}", getattr(self, name))
        for name, highest in (("rotation_degrees", 180.0), ("hue", 0.5)):
            if not 0.0 <= getattr(self, name) <= highest:
                raise ValueError(f"views.{name} must lie in [0, {highest:g}], got {getattr(self, name)!r}")
        for name, highest in _RANGES:
            low, high = getattr(self, name)
            if not 0.0 < low <= high <= highest or isinf(high):
                raise ValueError(
                    f"views.{name} must be two finite numbers, lowest first, above 0 and at most {highest:g}, "
                    f"got {(low, high)!r}"
                )
        return self


@final
class NoViews(AugmentConfig):
    """Pixels as they are, normalised."""

    name: Literal["none"] = "none"


@final
class DigitViews(AugmentConfig):
    """For 8 x 8 grey scans: a mirrored digit is another sign, and half a stroke is a pixel wide."""

    name: Literal["digits"] = "digits"
    crop_scale: Range = (0.6, 1.0)
    crop_ratio: Range = (0.8, 1.25)
    rotation_degrees: float = 12.0
    translation_fraction: float = 0.1
    jitter_probability: float = 0.8
    brightness: float = 0.3
    contrast: float = 0.3


class _Coloured(AugmentConfig):
    """SimCLR's CIFAR-10 policy (Appendix B.9: strength 0.5, no blur), with crops no smaller than a fifth.

    At 32 px the paper's 0.08 leaves 9 px.
    """

    crop_scale: Range = (0.2, 1.0)
    flip_probability: float = 0.5
    jitter_probability: float = 0.8
    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.4
    hue: float = 0.1
    greyscale_probability: float = 0.2


@final
class CifarViews(_Coloured):
    """SimCLR's for CIFAR-10."""

    name: Literal["cifar"] = "cifar"


@final
class STL10Views(_Coloured):
    """SimCLR's for CIFAR-10 with its blur, for larger images."""

    name: Literal["stl10"] = "stl10"
    blur_probability: float = 0.5


@final
class ImageNetViews(_Coloured):
    """SimCLR's for ImageNet: twice the jitter, and the paper's smallest crops."""

    name: Literal["imagenet"] = "imagenet"
    crop_scale: Range = (0.08, 1.0)
    brightness: float = 0.8
    contrast: float = 0.8
    saturation: float = 0.8
    hue: float = 0.2
    blur_probability: float = 0.5


@final
class MoCoV2Views(_Coloured):
    """MoCo v2's: SimCLR's at half strength, with blur.

    Source: Chen et al. 2020, "Improved Baselines with Momentum Contrastive Learning", Section 3,
    https://arxiv.org/abs/2003.04297, and its released code.
    """

    name: Literal["moco_v2"] = "moco_v2"
    blur_probability: float = 0.5


@final
class BYOLViews(_Coloured):
    """BYOL's pair: the first view is always blurred, the second hardly ever, but solarised now and then.

    Source: Grill et al. 2020, "Bootstrap Your Own Latent", Appendix B, Table 6, https://arxiv.org/abs/2006.07733.
    """

    name: Literal["byol"] = "byol"
    crop_scale: Range = (0.08, 1.0)
    saturation: float = 0.2
    blur_probability: float = 1.0
    second: SecondView | None = SecondView(blur_probability=0.1, solarise_probability=0.2)


POLICIES: dict[str, type[AugmentConfig]] = {
    "digits": DigitViews,
    "cifar": CifarViews,
    "stl10": STL10Views,
    "imagenet": ImageNetViews,
    "moco_v2": MoCoV2Views,
    "byol": BYOLViews,
    "none": NoViews,
}
if TYPE_CHECKING:
    AnyViews = AugmentConfig
else:
    AnyViews = chosen_by_name(POLICIES.values())


def policy_for(source: str, size_px: tuple[int, int]) -> AugmentConfig:
    """Return the policy of a data source; those without their own go by size: `cifar` up to 48 px, else `stl10`."""
    named = {"digits": "digits", "stl10": "stl10", "tiny-imagenet": "stl10"}
    return POLICIES[named.get(source, "cifar" if min(size_px) <= 48 else "stl10")]()


class RandomViews(ViewMaker):
    """Normalised random views of a batch of images, and the plain normalised batch for evaluation.

    Pixels are scaled to [0, 1], changed, and normalised as (pixel - mean) / std per channel.

    Args:
        config: Strengths; see `POLICIES`.
        num_channels: Channels of the images. Saturation, hue and greyscale apply to 3 channels only.
        size_px: Height and width of the images and of the views, one number for both or two.
        mean: Per channel, on the scale of [0, 1]; None means 0.
        std: Per channel, on the scale of [0, 1]; None means 1.
        plan: How many views, of the images' size and smaller.

    Raises:
        ValueError: If a size is below 1, or `mean` and `std` do not give each channel a number, `std` above 0.
    """

    def __init__(
        self,
        config: AugmentConfig,
        num_channels: int,
        size_px: Size,
        *,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        plan: ViewPlan | None = None,
    ) -> None:
        super().__init__()
        self.plan = plan or ViewPlan()
        self.normalisation = Normalisation(num_channels, size_px, mean=mean, std=std)
        sides = height_and_width(size_px)
        height_px, width_px = (max(1, round(config.small_size_fraction * side)) for side in sides)
        small = config.model_copy(update={"crop_scale": config.small_crop_scale})
        self.operations = nn.ModuleList(_operations(config, num_channels, sides))
        second = {} if config.second is None else config.second.model_dump(exclude_none=True)
        other = config.model_copy(update=second)
        self.second_operations = nn.ModuleList(_operations(other, num_channels, sides) if second else ())
        self.small_operations = nn.ModuleList(
            _operations(small, num_channels, (height_px, width_px)) if self.plan.num_small else ()
        )

    @torch.no_grad()
    def forward(self, batch: Batch, *, seed: int | Int64[Tensor, ""]) -> tuple[Float[Tensor, "n c _h _w"], ...]:
        """Return the views in float32 on the device of the images; the same for the same seed, device and batch.

        The global random state is left as it was.

        Raises:
            ValueError: If the images are not of the channels and size given at construction.
        """
        pixels = self.normalisation.unit(batch.raw)
        with seeded(pixels.device, int(seed)):
            large = (self.operations, self.second_operations if len(self.second_operations) else self.operations)
            kinds = [large[view % 2] for view in range(self.plan.num_views)]
            kinds += [self.small_operations] * self.plan.num_small
            return tuple(self.normalisation(_view(operations, pixels)) for operations in kinds)

    @torch.no_grad()
    def plain(self, raw: View) -> Float[Tensor, "n c h w"]:
        """Return the unchanged images, normalised like the views."""
        return self.normalisation(self.normalisation.unit(raw))


def _view(operations: nn.ModuleList, pixels: Tensor) -> Tensor:
    for operation in operations:
        pixels = operation(pixels)
    return pixels


def _operations(config: AugmentConfig, num_channels: int, size_px: tuple[int, int]) -> list[nn.Module]:
    """Return the steps of a view that do something, in SimCLR's order."""
    return [*_geometry(config, size_px), *_colour(config, num_channels), *_damage(config, size_px)]


def _geometry(config: AugmentConfig, size_px: tuple[int, int]) -> list[nn.Module]:
    from kornia.augmentation import RandomAffine, RandomHorizontalFlip, RandomResizedCrop

    steps: list[nn.Module] = []
    if config.rotation_degrees or config.translation_fraction:
        shift = (config.translation_fraction, config.translation_fraction)
        steps.append(RandomAffine(config.rotation_degrees, translate=shift, p=1.0))
    if config.crop_scale != (1.0, 1.0):
        # "resample" crops the batch in one call; "slice" loops over the images.
        steps.append(
            RandomResizedCrop(size_px, scale=config.crop_scale, ratio=config.crop_ratio, cropping_mode="resample")
        )
    if config.flip_probability:
        steps.append(RandomHorizontalFlip(p=config.flip_probability))
    return steps


def _colour(config: AugmentConfig, num_channels: int) -> list[nn.Module]:
    from kornia.augmentation import ColorJitter, RandomGrayscale

    is_rgb = num_channels == 3
    saturation, hue = (config.saturation, config.hue) if is_rgb else (0.0, 0.0)
    steps: list[nn.Module] = []
    if config.jitter_probability and any((config.brightness, config.contrast, saturation, hue)):
        steps.append(ColorJitter(config.brightness, config.contrast, saturation, hue, p=config.jitter_probability))
    if config.greyscale_probability and is_rgb:
        steps.append(RandomGrayscale(p=config.greyscale_probability))
    return steps


def _damage(config: AugmentConfig, size_px: tuple[int, int]) -> list[nn.Module]:
    from kornia.augmentation import RandomErasing, RandomGaussianBlur, RandomSolarize

    steps: list[nn.Module] = []
    if config.blur_probability:
        kernel_px = max(3, 2 * round((config.blur_kernel_fraction * min(size_px) - 1) / 2) + 1)
        steps.append(RandomGaussianBlur((kernel_px, kernel_px), config.blur_sigma_px, p=config.blur_probability))
    if config.solarise_probability:
        steps.append(RandomSolarize(thresholds=(0.5, 0.5), additions=(0.0, 0.0), p=config.solarise_probability))
    if config.erasing_probability:
        steps.append(RandomErasing(scale=config.erasing_scale, p=config.erasing_probability))
    return steps
