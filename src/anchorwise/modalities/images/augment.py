"""Random views of every image of a batch, drawn per sample and per view.

Source: SimCLR, Chen et al. 2020, Section 3 and Appendix A, https://arxiv.org/abs/2002.05709. The operations are
kornia's, on whole batches, on the device of the images. Deviation: the order of the colour steps is drawn once per
batch and view, not per image, as kornia does; their strengths are drawn per image.
"""

from collections.abc import Sequence
from math import inf, isinf

import torch
from jaxtyping import Float, UInt8
from pydantic import model_validator
from torch import Tensor, nn

from anchorwise import _checks
from anchorwise._config import Section

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


class AugmentConfig(Section):
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
        erasing_probability: Of blackening a rectangle, in [0, 1].
        erasing_scale: Area of the rectangle over that of the image, lowest and highest.
        small_crop_scale: As `crop_scale`, of the small views that a method such as SwAV asks for; solo-learn's for
            CIFAR.
        small_size_fraction: Width of a small view over that of the image, in (0, 1]; likewise.
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

    @model_validator(mode="after")
    def _check_ranges(self) -> "AugmentConfig":
        for name in _FRACTIONS:
            _checks.fraction(f"augment.{name}", getattr(self, name))
        for name, highest in (("rotation_degrees", 180.0), ("hue", 0.5)):
            if not 0.0 <= getattr(self, name) <= highest:
                raise ValueError(f"augment.{name} must lie in [0, {highest:g}], got {getattr(self, name)!r}")
        for name, highest in _RANGES:
            low, high = getattr(self, name)
            if not 0.0 < low <= high <= highest or isinf(high):
                raise ValueError(
                    f"augment.{name} must be two finite numbers, lowest first, above 0 and at most {highest:g}, "
                    f"got {(low, high)!r}"
                )
        return self


# SimCLR's CIFAR-10 policy (Appendix B.9: strength 0.5, no blur), with crops no smaller than a fifth: at 32 px the
# paper's 0.08 leaves 9 px.
_HALF_STRENGTH = AugmentConfig(
    crop_scale=(0.2, 1.0),
    flip_probability=0.5,
    jitter_probability=0.8,
    brightness=0.4,
    contrast=0.4,
    saturation=0.4,
    hue=0.1,
    greyscale_probability=0.2,
)
_BLUR = {"blur_probability": 0.5}
# SimCLR's ImageNet policy has twice the jitter and the paper's smallest crops.
_FULL_STRENGTH = {"crop_scale": (0.08, 1.0), "brightness": 0.8, "contrast": 0.8, "saturation": 0.8, "hue": 0.2}

POLICIES: dict[str, AugmentConfig] = {
    # 8 x 8 grey scans: a mirrored digit is another sign, and half a stroke is a pixel wide.
    "digits": AugmentConfig(
        crop_scale=(0.6, 1.0),
        crop_ratio=(0.8, 1.25),
        rotation_degrees=12.0,
        translation_fraction=0.1,
        jitter_probability=0.8,
        brightness=0.3,
        contrast=0.3,
    ),
    "cifar": _HALF_STRENGTH,
    "stl10": _HALF_STRENGTH.model_copy(update=_BLUR),
    "imagenet": _HALF_STRENGTH.model_copy(update={**_FULL_STRENGTH, **_BLUR}),
    "none": AugmentConfig(),
}


def policy_for(source: str, image_size_px: int) -> AugmentConfig:
    """Return the policy of a data source; those without their own go by size: `cifar` up to 48 px, else `stl10`."""
    named = {"digits": "digits", "stl10": "stl10", "tiny-imagenet": "stl10"}
    return POLICIES[named.get(source, "cifar" if image_size_px <= 48 else "stl10")]


class RandomViews(nn.Module):
    """Normalised random views of a uint8 batch, and the plain normalised batch for evaluation.

    Pixels are scaled to [0, 1], changed, and normalised as (pixel - mean) / std per channel.

    Args:
        config: Strengths; see `POLICIES`.
        num_channels: Channels of the images. Saturation, hue and greyscale apply to 3 channels only.
        image_size_px: Height and width of the images and of the views.
        mean: Per channel, on the scale of [0, 1]; None means 0.
        std: Per channel, on the scale of [0, 1]; None means 1.
        num_views: Views of the images' size.
        num_small: Smaller ones behind them.

    Raises:
        ValueError: If a size is below 1, or `mean` and `std` do not give each channel a number, `std` above 0.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        config: AugmentConfig,
        num_channels: int,
        image_size_px: int,
        *,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        num_views: int = 2,
        num_small: int = 0,
    ) -> None:
        super().__init__()
        self.num_views = _checks.count("num_views", num_views)
        self.num_small = _checks.count("num_small", num_small, 0)
        self.num_channels = _checks.count("num_channels", num_channels)
        self.image_size_px = _checks.count("image_size_px", image_size_px)
        self.operations = nn.ModuleList(_operations(config, num_channels, image_size_px))
        small_px = max(1, round(config.small_size_fraction * image_size_px))
        small = config.model_copy(update={"crop_scale": config.small_crop_scale})
        self.small_operations = nn.ModuleList(_operations(small, num_channels, small_px) if num_small else ())
        self.register_buffer("mean", _per_channel("mean", mean or [0.0] * num_channels, num_channels))
        self.register_buffer("std", _per_channel("std", std or [1.0] * num_channels, num_channels))
        if not bool((self.std > 0).all()):
            raise ValueError(f"std must be above 0 in every channel, got {std!r}; drop constant channels")

    @torch.no_grad()
    def forward(self, images: UInt8[Tensor, "n c h w"], *, seed: int) -> tuple[Float[Tensor, "n c _h _w"], ...]:
        """Return the views in float32 on the device of the images; the same for the same seed, device and batch.

        The global random state is left as it was.

        Raises:
            ValueError: If the images are not uint8 of the channels and size given at construction.
        """
        self._check(images)
        cuda = [images.device] if images.device.type == "cuda" else []
        with torch.random.fork_rng(devices=cuda):
            # torch.manual_seed would also reseed the devices that are not restored afterwards.
            torch.default_generator.manual_seed(seed)
            for device in cuda:
                torch.cuda.default_generators[device.index].manual_seed(seed)
            pixels = images.float() / 255.0
            kinds = [self.operations] * self.num_views + [self.small_operations] * self.num_small
            return tuple(self._normalised(_view(operations, pixels)) for operations in kinds)

    @torch.no_grad()
    def plain(self, images: UInt8[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Return the unchanged images, normalised like the views."""
        self._check(images)
        return self._normalised(images.float() / 255.0)

    def _normalised(self, pixels: Tensor) -> Tensor:
        return (pixels - self.mean.to(pixels.device)) / self.std.to(pixels.device)

    def _check(self, images: Tensor) -> None:
        expected = (self.num_channels, self.image_size_px, self.image_size_px)
        if images.dtype != torch.uint8 or tuple(images.shape[1:]) != expected:
            raise ValueError(
                f"images must be uint8 of shape (images, {', '.join(map(str, expected))}), "
                f"got {images.dtype} of shape {tuple(images.shape)}"
            )


def _view(operations: nn.ModuleList, pixels: Tensor) -> Tensor:
    for operation in operations:
        pixels = operation(pixels)
    return pixels


def pixel_statistics(images: UInt8[Tensor, "n c h w"]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation of every channel on the scale of [0, 1]; the deviation is at least 1/255."""
    values = torch.arange(256, dtype=torch.float64) / 255.0
    means, stds = [], []
    for channel in images.unbind(1):
        weights = torch.bincount(channel.reshape(-1), minlength=256).double()
        weights /= weights.sum()
        mean = float(weights @ values)
        means.append(mean)
        stds.append(max(float(weights @ (values - mean).square()) ** 0.5, 1 / 255))
    return tuple(means), tuple(stds)


def _per_channel(name: str, values: Sequence[float], num_channels: int) -> Tensor:
    if len(values) != num_channels:
        raise ValueError(f"{name} must hold one number per channel ({num_channels}), got {tuple(values)}")
    return torch.tensor([_checks.number(name, value) for value in values]).view(num_channels, 1, 1)


def _operations(config: AugmentConfig, num_channels: int, size_px: int) -> list[nn.Module]:
    """Return the steps of a view that do something, in SimCLR's order."""
    return [*_geometry(config, size_px), *_colour(config, num_channels), *_damage(config, size_px)]


def _geometry(config: AugmentConfig, size_px: int) -> list[nn.Module]:
    from kornia.augmentation import RandomAffine, RandomHorizontalFlip, RandomResizedCrop

    steps: list[nn.Module] = []
    if config.rotation_degrees or config.translation_fraction:
        shift = (config.translation_fraction, config.translation_fraction)
        steps.append(RandomAffine(config.rotation_degrees, translate=shift, p=1.0))
    if config.crop_scale != (1.0, 1.0):
        # "resample" crops the batch in one call; "slice" loops over the images.
        size = (size_px, size_px)
        steps.append(
            RandomResizedCrop(size, scale=config.crop_scale, ratio=config.crop_ratio, cropping_mode="resample")
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


def _damage(config: AugmentConfig, size_px: int) -> list[nn.Module]:
    from kornia.augmentation import RandomErasing, RandomGaussianBlur

    steps: list[nn.Module] = []
    if config.blur_probability:
        kernel_px = max(3, 2 * round((config.blur_kernel_fraction * size_px - 1) / 2) + 1)
        steps.append(RandomGaussianBlur((kernel_px, kernel_px), config.blur_sigma_px, p=config.blur_probability))
    if config.erasing_probability:
        steps.append(RandomErasing(scale=config.erasing_scale, p=config.erasing_probability))
    return steps
