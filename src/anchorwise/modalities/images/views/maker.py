"""Random views of every image of a batch, drawn by seed, image and view, on the device of the images.

Source: SimCLR, Chen et al. 2020, Section 3 and Appendix A, https://arxiv.org/abs/2002.05709, whose order of steps this
is.
"""

from collections.abc import Sequence
from functools import partial
from typing import ClassVar, cast, final

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from anchorwise.modalities.draws import MAX_VIEWS
from anchorwise.modalities.images.normalise import Normalisation
from anchorwise.modalities.images.sizes import Size, height_and_width
from anchorwise.modalities.images.views.alike import AlikeViews, Pixel
from anchorwise.modalities.images.views.policies import ViewPolicy
from anchorwise.modalities.images.views.strengths import Strengths
from anchorwise.modalities.pixel_range import PixelRange
from anchorwise.modalities.samples import Batch, View
from anchorwise.modalities.views import PIXELS, ViewMaker, ViewPlan

# n = images, c = channels, h = height, w = width (pixels)


@final
class RandomViews(ViewMaker):
    """Normalised random views of a batch of images, and the plain normalised batch for evaluation.

    Pixels are scaled to [0, 1], changed, and normalised as (pixel - mean) / std per channel. Every view of an image
    depends on the seed, the image's number and the view's number alone, and on none of the global generators.

    Args:
        policy: Strengths; see `POLICIES`.
        num_channels: Channels of the images. Saturation, hue and greyscale apply to 3 channels only.
        size_px: Height and width of the images, one number for both or two.
        mean: Per channel, on the scale of [0, 1]; None means 0.
        std: Per channel, on the scale of [0, 1]; None means 1.
        plan: How many views, of the full size and smaller, and what they carry.

    Raises:
        ValueError: If a size is below 1, a view has no pixel, patches do not tile it, or `mean` and `std` do not give
            each channel a number, `std` above 0.
    """

    is_capturable: ClassVar[bool] = True

    def __init__(
        self,
        policy: ViewPolicy,
        num_channels: int,
        size_px: Size,
        *,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        plan: ViewPlan | None = None,
    ) -> None:
        super().__init__()
        self.plan = plan or ViewPlan()
        self.plan.check_one_domain("images")
        if self.plan.softenings:
            raise ValueError(
                "the method softens tokens, which texts have and images do not; choose another method.name"
            )
        if self.plan.num_negatives:
            raise ValueError(
                f"the method needs {self.plan.num_negatives} hard negatives of every sample, which images do not "
                "bring; set method.num_negatives=0, or choose another method.name"
            )
        self.normalisation = Normalisation(num_channels, size_px, mean=mean, std=std)
        if self.plan.total > MAX_VIEWS:
            raise ValueError(f"a sample has at most {MAX_VIEWS} views, the method asks for {self.plan.total}")
        image_px, num_views = height_and_width(size_px), self.plan.num_views
        alike: dict[tuple[object, ...], dict[int, Strengths]] = {}
        for number in range(self.plan.total):
            strengths, is_small = policy.of_view(number, num_views), number >= num_views
            view_px = _view_px(strengths, image_px, "views.small.size_fraction" if is_small else "views.size_fraction")
            key = (view_px, _kernel_px(strengths, view_px), strengths.crop_ratio, is_small)
            alike.setdefault(key, {})[number] = strengths
        self.alike = nn.ModuleList()
        for (view_px, kernel_px, _, is_small), views in alike.items():
            masking = None if is_small else self.plan.masking
            sizes = {"image_px": image_px, "view_px": view_px, "kernel_px": kernel_px}
            made = AlikeViews(views, num_channels, **sizes, masking=masking, with_places=self.plan.with_places)
            self.alike.append(made)

    @property
    def sizes_px(self) -> tuple[Pixel, ...]:
        """Height and width of the views, each once."""
        return tuple(dict.fromkeys(cast(AlikeViews, alike).view_px for alike in self.alike))

    @torch.no_grad()
    def forward(self, batch: Batch, *, seed: int | Int64[Tensor, ""]) -> tuple[View, ...]:
        """Return the views in float32 on the device of the images, as tables where the plan asks for more than pixels.

        Raises:
            ValueError: If the images are not of the channels and size given at construction.
        """
        images = self.normalisation.unit(batch.raw)
        views = dict[int, View]()
        with torch.autocast(images.device.type, enabled=False):
            for alike in map(partial(cast, AlikeViews), self.alike):
                for number, made in zip(
                    alike.numbers, alike(images, batch.drawn_by, seed, normalise=self.normalisation), strict=True
                ):
                    views[number] = made if len(made) > 1 else made[PIXELS]
        return tuple(views[number] for number in range(self.plan.total))

    @torch.no_grad()
    def plain(self, raw: View) -> Float[Tensor, "n c h w"]:
        """Return the unchanged images, normalised like the views."""
        return self.normalisation(self.normalisation.unit(raw))

    def pixel_range(self) -> PixelRange:
        """Return where normalised pixels lie."""
        return PixelRange(self.normalisation.mean, self.normalisation.std)


def _view_px(strengths: Strengths, image_px: Pixel, setting: str) -> Pixel:
    """Return height and width of a view.

    Raises:
        ValueError: If it has no pixel.
    """
    if strengths.size_fraction is None:
        return image_px
    height, width = (round(strengths.size_fraction * side) for side in image_px)
    if min(height, width) < 1:
        raise ValueError(
            f"{setting}={strengths.size_fraction:g} leaves no pixel of images of {image_px[0]} x {image_px[1]} px; "
            f"take at least {1 / min(image_px):.2g}"
        )
    return height, width


def _kernel_px(strengths: Strengths, view_px: Pixel) -> int:
    """Return the width of the blur's kernel.

    Raises:
        ValueError: If a view is too small to be blurred.
    """
    if not strengths.blur_probability:
        return 1
    kernel_px = max(3, 2 * round((strengths.blur_kernel_fraction * min(view_px) - 1) / 2) + 1)
    if kernel_px // 2 >= min(view_px):
        raise ValueError(
            f"views of {view_px[0]} x {view_px[1]} px are too small for a blur with a kernel of {kernel_px} px; set "
            "views.blur_probability=0, or views.blur_kernel_fraction lower"
        )
    return kernel_px
