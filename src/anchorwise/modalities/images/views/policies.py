"""Policies by name: the strengths of all views of a sample, as the sources have them."""

from typing import TYPE_CHECKING, Literal, final

from anchorwise._config import Named, chosen_by_name
from anchorwise.modalities.images.views.strengths import (
    Changes,
    Degrees,
    Fraction,
    FractionRange,
    Operations,
    PositiveRange,
    Strengths,
    Turn,
)


class ViewPolicy(Strengths, Named):
    """Strengths of all views of a sample.

    Attributes:
        small: What is other in the small views that a method such as SwAV asks for; solo-learn's for CIFAR.
        second: What is other in the second view of the full size, and in every other one after it; all are drawn alike
            if left out.
    """

    small: Changes = Changes(crop_scale=(0.08, 0.5), size_fraction=0.5625)
    second: Changes | None = None

    def of_view(self, number: int, num_views: int) -> Strengths:
        """Return the strengths of a view, of which the first `num_views` are of the full size."""
        if number >= num_views:
            return self.changed(self.small)
        return self.changed(self.second if number % 2 else None)


@final
class NoViews(ViewPolicy):
    """Pixels as they are, normalised."""

    name: Literal["none"] = "none"


class _Written(ViewPolicy):
    """For grey signs: a mirrored one is another sign."""

    crop_scale: FractionRange = (0.6, 1.0)
    crop_ratio: PositiveRange = (0.8, 1.25)
    translation_fraction: Fraction = 0.1
    jitter_probability: Fraction = 0.8
    brightness: Fraction = 0.3
    contrast: Fraction = 0.3


@final
class DigitViews(_Written):
    """For 8 x 8 grey scans, half a stroke of which is a pixel wide."""

    name: Literal["digits"] = "digits"
    rotation_degrees: Degrees = 12.0


@final
class GlyphViews(_Written):
    """For letters that lie askew: turned as far as they are."""

    name: Literal["glyphs"] = "glyphs"
    rotation_degrees: Degrees = 25.0


class _Coloured(ViewPolicy):
    """SimCLR's CIFAR-10 policy (Appendix B.9: strength 0.5, no blur), with crops no smaller than a fifth.

    At 32 px the paper's 0.08 leaves 9 px.
    """

    crop_scale: FractionRange = (0.2, 1.0)
    flip_probability: Fraction = 0.5
    jitter_probability: Fraction = 0.8
    brightness: Fraction = 0.4
    contrast: Fraction = 0.4
    saturation: Fraction = 0.4
    hue: Turn = 0.1
    greyscale_probability: Fraction = 0.2


class _Strong(_Coloured):
    """SimCLR's at strength 1, with blur and the paper's smallest crops."""

    crop_scale: FractionRange = (0.08, 1.0)
    brightness: Fraction = 0.8
    contrast: Fraction = 0.8
    saturation: Fraction = 0.8
    hue: Turn = 0.2
    blur_probability: Fraction = 0.5


@final
class CifarViews(_Coloured):
    """SimCLR's for CIFAR-10."""

    name: Literal["cifar"] = "cifar"


@final
class STL10Views(_Coloured):
    """SimCLR's for CIFAR-10 with its blur, for larger images."""

    name: Literal["stl10"] = "stl10"
    blur_probability: Fraction = 0.5


@final
class ImageNetViews(_Strong):
    """SimCLR's for ImageNet: twice the jitter, and the paper's smallest crops.

    Solo-learn trains SimCLR with the same on CIFAR; AdaInf's are the `weak` ones beside it.
    """

    name: Literal["imagenet"] = "imagenet"


@final
class WeakViews(_Strong):
    """AdaInf's, for data that are repeated or generated: `imagenet` with larger crops, rarer and half as strong jitter.

    Source: Wang et al. 2024, "Do Generated Data Always Help Contrastive Learning?", released code,
    https://arxiv.org/abs/2403.12448.
    """

    name: Literal["weak"] = "weak"
    crop_scale: FractionRange = (0.2, 1.0)
    jitter_probability: Fraction = 0.4
    brightness: Fraction = 0.4
    contrast: Fraction = 0.4
    saturation: Fraction = 0.4
    hue: Turn = 0.1


@final
class MoCoV2Views(_Coloured):
    """MoCo v2's: SimCLR's at half strength, with blur. SimSiam has the same.

    Source: Chen et al. 2020, "Improved Baselines with Momentum Contrastive Learning", Section 3,
    https://arxiv.org/abs/2003.04297, and its released code; Chen and He 2020, https://arxiv.org/abs/2011.10566.
    """

    name: Literal["moco_v2"] = "moco_v2"
    blur_probability: Fraction = 0.5


class _Pair(_Coloured):
    """The first view is always blurred, the second hardly ever, but solarised now and then."""

    crop_scale: FractionRange = (0.08, 1.0)
    saturation: Fraction = 0.2
    blur_probability: Fraction = 1.0
    second: Changes | None = Changes(blur_probability=0.1, solarise_probability=0.2)


@final
class BYOLViews(_Pair):
    """BYOL's pair. MoCo v3, PixPro, Barlow Twins and VICReg have the same.

    Source: Grill et al. 2020, "Bootstrap Your Own Latent", Appendix B, Table 6, https://arxiv.org/abs/2006.07733.
    """

    name: Literal["byol"] = "byol"


@final
class SwAVViews(_Strong):
    """SwAV's crops, two large and however many small ones, all at SimCLR's full strength.

    Source: Caron et al. 2020, "Unsupervised Learning of Visual Features by Contrasting Cluster Assignments", Appendix
    A, https://arxiv.org/abs/2006.09882, and its released code: 224 px and 96 px.
    """

    name: Literal["swav"] = "swav"
    crop_scale: FractionRange = (0.14, 1.0)
    small: Changes = Changes(crop_scale=(0.05, 0.14), size_fraction=3 / 7)


@final
class DINOViews(_Pair):
    """DINO's crops: BYOL's pair of large ones, and small ones that are blurred half of the time.

    Source: Caron et al. 2021, "Emerging Properties in Self-Supervised Vision Transformers", Section 3.2 and released
    code, https://arxiv.org/abs/2104.14294: 224 px and 96 px. Deviation: bilinear interpolation; the source's is
    bicubic.
    """

    name: Literal["dino"] = "dino"
    crop_scale: FractionRange = (0.4, 1.0)
    small: Changes = Changes(crop_scale=(0.05, 0.4), size_fraction=3 / 7, blur_probability=0.5)


@final
class RandAugmentViews(ViewPolicy):
    """RandAugment: two operations of magnitude 0.3, with large crops, flips and now and then a black rectangle.

    Crops and erasing are those of SimLAP's released script for CIFAR-10 (Hydra), number and magnitude of operations are
    torchvision's.
    """

    name: Literal["rand_augment"] = "rand_augment"
    crop_scale: FractionRange = (0.7, 1.0)
    flip_probability: Fraction = 0.5
    rand_augment_operations: Operations | None = 2
    erasing_probability: Fraction = 0.1


POLICIES: dict[str, type[ViewPolicy]] = {
    "digits": DigitViews,
    "glyphs": GlyphViews,
    "cifar": CifarViews,
    "stl10": STL10Views,
    "imagenet": ImageNetViews,
    "weak": WeakViews,
    "moco_v2": MoCoV2Views,
    "byol": BYOLViews,
    "swav": SwAVViews,
    "dino": DINOViews,
    "rand_augment": RandAugmentViews,
    "none": NoViews,
}
if TYPE_CHECKING:
    AnyViews = ViewPolicy
else:
    AnyViews = chosen_by_name(POLICIES.values())


def policy_for(source: str, size_px: tuple[int, int]) -> ViewPolicy:
    """Return the policy of a data source; those without their own go by size: `cifar` up to 48 px, else `stl10`."""
    own = {"digits": "digits", "stl10": "stl10", "tiny-imagenet": "stl10"}
    named = {**own, **dict.fromkeys(("glyphs", "placed-digits"), "glyphs")}
    return POLICIES[named.get(source, "cifar" if min(size_px) <= 48 else "stl10")]()
