"""The views of a policy as kornia makes them: what the library's own are compared with."""

import torch
from torch import Tensor, nn

from anchorwise.modalities.images.views.policies import ViewPolicy
from anchorwise.modalities.images.views.strengths import Strengths
from anchorwise.modalities.views import ViewPlan

Pixel = tuple[int, int]


class KorniaViews(nn.Module):
    """Views by kornia's augmentations on whole batches, in the order of steps of `RandomViews`.

    Args:
        policy: Strengths.
        num_channels: Of the images.
        size_px: Height and width of the images.
        plan: How many views.
    """

    def __init__(self, policy: ViewPolicy, num_channels: int, size_px: Pixel, plan: ViewPlan) -> None:
        super().__init__()
        self.views = nn.ModuleList()
        for number in range(plan.total):
            strengths = policy.of_view(number, plan.num_views)
            height, width = (max(1, round((strengths.size_fraction or 1.0) * side)) for side in size_px)
            self.views.append(nn.Sequential(*steps(strengths, num_channels, (height, width))))

    @torch.no_grad()
    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the views of images in uint8, in [0, 1]; what is random comes from torch's global generators."""
        pixels = images.float() / 255.0
        return [view(pixels) for view in self.views]


def steps(strengths: Strengths, num_channels: int, view_px: Pixel) -> list[nn.Module]:
    """Return kornia's augmentations for a view."""
    from kornia import augmentation

    s, is_rgb = strengths, num_channels == 3
    found: list[nn.Module] = []
    if s.rotation_degrees or s.translation_fraction:
        shift = (s.translation_fraction, s.translation_fraction)
        found.append(augmentation.RandomAffine(s.rotation_degrees, translate=shift, p=1.0))
    if s.crop_scale != (1.0, 1.0):
        # "resample" crops the batch in one call; "slice" loops over the images.
        found.append(
            augmentation.RandomResizedCrop(view_px, scale=s.crop_scale, ratio=s.crop_ratio, cropping_mode="resample")
        )
    if s.flip_probability:
        found.append(augmentation.RandomHorizontalFlip(p=s.flip_probability))
    saturation, hue = (s.saturation, s.hue) if is_rgb else (0.0, 0.0)
    if s.jitter_probability and any((s.brightness, s.contrast, saturation, hue)):
        found.append(augmentation.ColorJitter(s.brightness, s.contrast, saturation, hue, p=s.jitter_probability))
    if s.greyscale_probability and is_rgb:
        found.append(augmentation.RandomGrayscale(p=s.greyscale_probability))
    if s.blur_probability:
        kernel_px = max(3, 2 * round((s.blur_kernel_fraction * min(view_px) - 1) / 2) + 1)
        found.append(augmentation.RandomGaussianBlur((kernel_px, kernel_px), s.blur_sigma_px, p=s.blur_probability))
    if s.solarise_probability:
        found.append(augmentation.RandomSolarize(thresholds=(0.5, 0.5), additions=(0.0, 0.0), p=s.solarise_probability))
    if s.erasing_probability:
        found.append(augmentation.RandomErasing(scale=s.erasing_scale, p=s.erasing_probability))
    return found
