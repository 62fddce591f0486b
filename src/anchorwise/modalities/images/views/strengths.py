"""How strongly one view differs from its image, and what of that another view changes."""

from math import inf, isfinite
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

from pydantic import AfterValidator, Field, create_model

from anchorwise._config import Section

NUM_OPERATIONS = 8  # Of RandAugment, at most.

Range = tuple[float, float]


def _ordered(highest: float) -> AfterValidator:
    """Return what refuses a range that does not lie above 0 and at most at `highest`."""

    def check(given: Range) -> Range:
        low, high = given
        if not 0.0 < low <= high <= highest or not isfinite(high):
            bound = f" and at most {highest:g}" if isfinite(highest) else ""
            raise ValueError(f"must be two finite numbers, lowest first, above 0{bound}, got {given!r}")
        return given

    return AfterValidator(check)


Fraction = Annotated[float, Field(ge=0, le=1)]
Size = Annotated[float, Field(gt=0, le=1)]
Degrees = Annotated[float, Field(ge=0, le=180)]
Operations = Annotated[int, Field(ge=0, le=NUM_OPERATIONS)]
Turn = Annotated[float, Field(ge=0, le=0.5)]
FractionRange = Annotated[Range, _ordered(1.0)]
PositiveRange = Annotated[Range, _ordered(inf)]


class Strengths(Section):
    """Strengths of one view; a step of probability or strength 0 is left out.

    Attributes:
        size_fraction: Height and width of the view over those of the image, in (0, 1]; as large if left out.
        crop_scale: Area of the crop over that of the image, lowest and highest, in (0, 1]; (1, 1) does not crop.
        crop_ratio: Width over height of the crop, lowest and highest.
        flip_probability: Of a horizontal flip, in [0, 1].
        vertical_flip_probability: Of a vertical flip, in [0, 1]; never if left out.
        rotation_degrees: Largest rotation to either side; uncovered corners are black.
        translation_fraction: Largest shift along each axis over the image size, in [0, 1]; uncovered borders are black.
        jitter_probability: Of the colour jitter, in [0, 1].
        brightness: Factor within 1 - value .. 1 + value.
        contrast: Likewise.
        saturation: Likewise; RGB only.
        hue: Largest turn of the colour circle to either side, in [0, 0.5]; RGB only.
        greyscale_probability: Of losing all colour, in [0, 1]; RGB only.
        blur_probability: Of a Gaussian blur, in [0, 1].
        blur_kernel_fraction: Kernel width over the view's shorter side; rounded to an odd number, at least 3 px.
        blur_sigma_px: Standard deviation of the blur, lowest and highest, in pixels.
        solarise_probability: Of inverting what is brighter than half, in [0, 1]; never if left out.
        erasing_probability: Of blackening a rectangle, in [0, 1].
        erasing_scale: Area of the rectangle over that of the view, lowest and highest.
        rand_augment_operations: Operations of RandAugment before all colour steps, at most 8; none if left out.
        rand_augment_magnitude: Of all of them, in [0, 1]; 0.3, torchvision's 9 of 30, if left out.
    """

    size_fraction: Size | None = None
    crop_scale: FractionRange = (1.0, 1.0)
    crop_ratio: PositiveRange = (3 / 4, 4 / 3)
    flip_probability: Fraction = 0.0
    vertical_flip_probability: Fraction | None = None
    rotation_degrees: Degrees = 0.0
    translation_fraction: Fraction = 0.0
    jitter_probability: Fraction = 0.0
    brightness: Fraction = 0.0
    contrast: Fraction = 0.0
    saturation: Fraction = 0.0
    hue: Turn = 0.0
    greyscale_probability: Fraction = 0.0
    blur_probability: Fraction = 0.0
    blur_kernel_fraction: Fraction = 0.1
    blur_sigma_px: PositiveRange = (0.1, 2.0)
    solarise_probability: Fraction | None = None
    erasing_probability: Fraction = 0.0
    erasing_scale: FractionRange = (0.02, 0.2)
    rand_augment_operations: Operations | None = None
    rand_augment_magnitude: Fraction | None = None

    def changed(self, changes: "Changes | None") -> "Strengths":
        """Return strengths of which some are others."""
        own = {name: getattr(self, name) for name in Strengths.model_fields}
        return Strengths(**own | ({} if changes is None else changes.model_dump(exclude_none=True)))


if TYPE_CHECKING:  # A type checker cannot follow how it is made.

    class Changes(Section):
        """Strengths that are others than those of the policy; what is left out is as there."""

        def __init__(self, **strengths: Any) -> None: ...

else:
    _HINTS = get_type_hints(Strengths, include_extras=True)
    Changes = create_model(
        "Changes",
        __base__=Section,
        __doc__="Strengths that are others than those of the policy; what is left out is as there.",
        **{name: (_HINTS[name] | None, None) for name in Strengths.model_fields},
    )
