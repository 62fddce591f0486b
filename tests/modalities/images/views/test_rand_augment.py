"""RandAugment, operation by operation beside torchvision."""

import math
from typing import Any

import pytest
import torch
import torchvision.transforms.v2.functional as tv
from torch import Tensor
from torchvision.transforms import InterpolationMode

from anchorwise.modalities.images.views import chosen
from anchorwise.modalities.images.views.maker import RandomViews
from anchorwise.modalities.images.views.policies import POLICIES
from anchorwise.modalities.images.views.rand_augment import OPERATIONS, operated
from anchorwise.modalities.images.views.strengths import Changes
from anchorwise.modalities.samples import Batch
from anchorwise.modalities.views import ViewPlan

BILINEAR = InterpolationMode.BILINEAR
SIZE = (16, 20)


def _pixels(num: int = 3, num_channels: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    fine = torch.rand(num, num_channels, *SIZE, generator=generator)
    return (0.1 + 0.6 * fine * torch.linspace(0.2, 1.0, SIZE[1])).mul(255).round() / 255


def _sheared(pixels: Tensor, x: float, y: float) -> Tensor:
    degrees = [math.degrees(math.atan(x)), math.degrees(math.atan(y))]
    return tv.affine(pixels, 0.0, [0, 0], 1.0, degrees, interpolation=BILINEAR, center=[0.0, 0.0])


def _torchvisions(name: str, pixels: Tensor, m: float) -> Tensor:
    """What RandAugment of torchvision does; for translations by whole pixels."""
    shift_x, shift_y = (150.0 / 331.0 * m * side for side in (SIZE[1], SIZE[0]))
    return {
        "identity": lambda: pixels,
        "shear_x": lambda: _sheared(pixels, 0.3 * m, 0.0),
        "shear_y": lambda: _sheared(pixels, 0.0, 0.3 * m),
        "translate_x": lambda: tv.affine(pixels, 0.0, [round(shift_x), 0], 1.0, [0.0, 0.0], interpolation=BILINEAR),
        "translate_y": lambda: tv.affine(pixels, 0.0, [0, round(shift_y)], 1.0, [0.0, 0.0], interpolation=BILINEAR),
        "rotate": lambda: tv.rotate(pixels, 30.0 * m, interpolation=BILINEAR),
        "brightness": lambda: tv.adjust_brightness(pixels, 1 + 0.9 * m),
        "colour": lambda: tv.adjust_saturation(pixels, 1 + 0.9 * m),
        "contrast": lambda: tv.adjust_contrast(pixels, 1 + 0.9 * m),
        "sharpness": lambda: tv.adjust_sharpness(pixels, 1 + 0.9 * m),
        "posterise": lambda: tv.posterize(pixels, 8 - round(4 * m)),
        "solarise": lambda: tv.solarize(pixels, 1 - m),
        "auto_contrast": lambda: tv.autocontrast(pixels),
        "equalise": lambda: tv.equalize(pixels),
    }[name]()


@pytest.mark.parametrize("on_card", [False, True])
@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_is_torchvisions(name: str, sign: float, on_card: bool, monkeypatch: pytest.MonkeyPatch):
    if on_card:
        monkeypatch.setattr(chosen, "HOST_DEVICES", ())
    pixels, magnitude = _pixels(), 0.7
    if name.startswith("translate"):  # By three whole pixels.
        magnitude = 3 / (150.0 / 331.0 * SIZE[1 if name.endswith("x") else 0])
    has_sign = name not in ("posterise", "solarise", "auto_contrast", "equalise")
    expected = _torchvisions(name, pixels, magnitude * (sign if has_sign else 1.0))
    number = OPERATIONS.index(name)
    # The last image is left alone.
    found = operated(
        pixels.clone(), torch.tensor([number, number, 0]), torch.full((3,), magnitude), torch.full((3,), sign)
    )
    # Of red, torchvision's grey takes 0.2989, where Pillow's and ours take 0.299.
    tolerance = 1e-4 if name in ("colour", "contrast") else 1e-5
    assert torch.allclose(found[:2], expected[:2], rtol=0, atol=tolerance)
    assert torch.equal(found[2], pixels[2])
    assert name == "identity" or not torch.allclose(found[:2], pixels[:2], rtol=0, atol=1e-3)


def test_channels_of_one_brightness_stay():
    even = torch.full((1, 1, *SIZE), 0.4)
    for name in ("auto_contrast", "equalise", "colour"):
        found = operated(even.clone(), torch.tensor([OPERATIONS.index(name)]), torch.ones(1), torch.ones(1))
        assert torch.allclose(found, even, atol=2e-3), name


def _views(num: int, **strengths: Any) -> list[Tensor]:
    """Two views of an image, as often as asked for: without crops, flips and erasing."""
    still: dict[str, Any] = {"crop_scale": (1, 1), "flip_probability": 0, "erasing_probability": 0}
    images = (_pixels(1) * 255).round().to(torch.uint8).expand(num, -1, -1, -1)
    maker = RandomViews(POLICIES["rand_augment"](**still | strengths), 3, SIZE)
    return list(maker(Batch(images, torch.arange(num)), seed=3))


def test_operations_and_directions_are_drawn_equally_often():
    views, counts = _views(2800, rand_augment_operations=1, rand_augment_magnitude=0.8)[0].unique(
        dim=0, return_counts=True
    )
    # Nine operations have two directions, five have none.
    assert len(views) == 23
    in_order = counts.sort().values
    assert 60 < in_order[0] <= in_order[17] < 145
    assert 155 < in_order[18] <= in_order[22] < 245


def test_operations_follow_each_other_and_the_second_view_may_have_none():
    first, second = _views(300, second=Changes(rand_augment_operations=0))
    assert torch.allclose(second, _pixels(1), atol=1e-6)
    assert len(first.unique(dim=0)) > 100  # More than one operation can give.
    assert float(first.min()) >= 0.0
    assert float(first.max()) <= 1.0


def test_views_that_say_where_they_come_from_are_refused():
    with pytest.raises(ValueError, match=r"views\.rand_augment_operations must be left out"):
        RandomViews(POLICIES["rand_augment"](), 3, SIZE, plan=ViewPlan(with_places=True))
