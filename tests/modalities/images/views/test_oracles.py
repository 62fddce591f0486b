"""Every operation gives what kornia, or torchvision, gives for the same drawn numbers."""

import math

import kornia
import pytest
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as torchvision

from anchorwise.modalities.images.views import colour, damage
from anchorwise.modalities.images.views.geometry import Frames, Geometry
from anchorwise.modalities.images.views.strengths import Strengths

EXACT = {"atol": 1e-5, "rtol": 0.0}


def pictures(n: int = 12, size_px: tuple[int, int] = (12, 20)) -> Tensor:
    """Noise, with grey, black, white and pure colours among it, where a hue is not defined or on a border."""
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(n, 3, *size_px, generator=generator)
    images[0, :, :4] = images[0, :1, :4]
    images[1, :, :2], images[1, :, 2:4] = 0.0, 1.0
    images[2] = (images[2] > 0.5).float()
    images[3, 1] = images[3, 0]
    return images


def numbers(n: int, low: float, high: float) -> Tensor:
    return low + (high - low) * torch.rand(n, generator=torch.Generator().manual_seed(1))


def blended(images: Tensor, factor: Tensor, kind: str) -> Tensor:
    nothing = torch.zeros_like(factor)
    to_mean, to_grey = (1 - factor if kind == one else nothing for one in ("contrast", "saturation"))
    return colour.blended(images, factor, to_mean, to_grey)


@pytest.mark.parametrize(
    ("kind", "kornias", "torchvisions"),
    [
        ("brightness", kornia.enhance.adjust_brightness_accumulative, torchvision.adjust_brightness),
        ("contrast", kornia.enhance.adjust_contrast_with_mean_subtraction, torchvision.adjust_contrast),
        ("saturation", kornia.enhance.adjust_saturation_with_gray_subtraction, torchvision.adjust_saturation),
    ],
)
def test_brightness_contrast_and_saturation_are_kornias_and_torchvisions(kind, kornias, torchvisions):
    images = pictures()
    factor = numbers(len(images), 0.2, 1.8)
    ours = blended(images, factor, kind)
    torch.testing.assert_close(ours, kornias(images, factor), **EXACT)
    singly = [torchvisions(image, float(one)) for image, one in zip(images, factor, strict=True)]
    # Torchvision's weight of red is 0.2989, not 0.299.
    torch.testing.assert_close(ours, torch.stack(singly), atol=1e-4, rtol=0.0)


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_contrast_of_other_than_three_channels_is_kornias(channels: int):
    images = torch.rand(6, channels, 8, 8, generator=torch.Generator().manual_seed(0))
    factor = numbers(6, 0.2, 1.8)
    theirs = kornia.enhance.adjust_contrast_with_mean_subtraction(images, factor)
    torch.testing.assert_close(colour.contrasted(images, factor, 1 - factor, factor), theirs, **EXACT)


@pytest.mark.parametrize("turn", [-0.5, -0.2, 0.0, 0.01, 1 / 6, 0.5])
def test_the_hue_is_kornias_and_torchvisions(turn: float):
    images = pictures()
    turns = torch.full((len(images),), turn)
    ours = colour.hue_turned(images, turns)
    torch.testing.assert_close(ours, kornia.enhance.adjust_hue(images, turns * 2 * math.pi), **EXACT)
    torch.testing.assert_close(ours, torchvision.adjust_hue(images, turn), **EXACT)


@pytest.mark.parametrize("seed", range(4))
def test_a_jitter_in_a_drawn_order_is_kornias_in_that_order(seed: int):
    views = [Strengths(jitter_probability=1.0, brightness=0.8, contrast=0.8, saturation=0.8, hue=0.2)]
    jitter = colour.Jitter(views, 3)
    images = pictures(24)
    drawn = {name: numbers(24, 0.2, 1.8) for name in ("brightness", "contrast", "saturation")}
    drawn |= {"hue": numbers(24, -0.2, 0.2), "is_jittered": torch.full((24,), -0.1)}
    drawn["order"] = (torch.arange(24) + 0.5) / 24  # Each image another one of the 24 orders.
    ours = jitter(images.clone(), drawn)
    names, orders = ("brightness", "contrast", "saturation", "hue"), set()
    for number, stage in enumerate(jitter.stages):
        before, after = ([int(step) - 1 for step in half if step] for half in stage.split(3))
        order = [*before, 3, *after]
        orders.add(tuple(order))
        theirs = kornia.augmentation.ColorJitter(0.8, 0.8, 0.8, 0.2, order=order)
        params = {f"{name}_factor": drawn[name][number : number + 1] for name in names}
        params |= {"order": torch.tensor(order), "batch_prob": torch.ones(1), "forward_input_shape": torch.tensor([1])}
        expected = theirs.apply_transform(images[number : number + 1], params, {})
        torch.testing.assert_close(ours[number : number + 1], expected, **EXACT)
    assert len(orders) == 24


def test_greyscale_is_kornias():
    images = pictures()
    grey = colour.Greyscale([Strengths(greyscale_probability=1.0)], 3)
    ours = grey(images.clone(), {"is_grey": torch.full((len(images),), -1.0)})
    torch.testing.assert_close(ours, kornia.color.rgb_to_grayscale(images).expand(-1, 3, -1, -1), **EXACT)


@pytest.mark.parametrize("kernel_px", [3, 7, 11])
def test_a_blur_is_kornias_and_torchvisions(kernel_px: int):
    images = pictures()
    sigma = numbers(len(images), 0.1, 2.0)
    blur = damage.Blur([Strengths(blur_probability=1.0)], kernel_px)
    ours = blur(images.clone(), {"is_blurred": torch.full_like(sigma, -1.0), "blur_sigma": sigma})
    theirs = kornia.filters.gaussian_blur2d(images, (kernel_px, kernel_px), sigma[:, None].expand(-1, 2))
    torch.testing.assert_close(ours, theirs, **EXACT)
    singly = [
        torchvision.gaussian_blur(image, [kernel_px] * 2, [float(one)])
        for image, one in zip(images, sigma, strict=True)
    ]
    torch.testing.assert_close(ours, torch.stack(singly), **EXACT)


def test_solarising_is_kornias_and_torchvisions():
    images = pictures()
    torch.testing.assert_close(damage.solarised(images), kornia.enhance.solarize(images, 0.5), **EXACT)
    torch.testing.assert_close(damage.solarised(images), torchvision.solarize(images, 0.5), **EXACT)


def test_erasing_is_kornias():
    images = pictures()
    erase = damage.Erase([Strengths(erasing_probability=1.0, erasing_scale=(0.02, 0.3))], (12, 20))
    drawn = {name: numbers(12, 0.0, 0.999) for name in ("erased_ratio", "erased_top")}
    drawn |= {"erased_left": drawn["erased_top"].flip(0), "erased_area": numbers(12, 0.02, 0.3)}
    drawn["is_erased"] = torch.full((12,), -1.0)
    top, left, height, width = erase.rectangles(drawn)
    theirs = kornia.augmentation.RandomErasing(p=1.0)
    params = {"ys": top, "xs": left, "heights": height, "widths": width, "values": torch.zeros(12)}
    torch.testing.assert_close(erase(images, drawn), theirs.apply_transform(images, params, {}), **EXACT)


def shown(images: Tensor, frames: Frames, view_px: tuple[int, int]) -> Tensor:
    size_px = (images.shape[2], images.shape[3])
    return Geometry([Strengths()], size_px, view_px)(images, frames)


def fractions(pixels: Tensor, images: Tensor) -> Tensor:
    return pixels / torch.tensor([[float(images.shape[3])], [float(images.shape[2])]])


@pytest.mark.parametrize("view_px", [(12, 20), (7, 30)])
def test_a_crop_is_torchvisions_mirrored_or_not(view_px: tuple[int, int]):
    images = pictures()
    corner = torch.stack([numbers(12, 0, 10).floor(), numbers(12, 0, 6).floor()])
    size = torch.stack([numbers(12, 1, 10).floor(), numbers(12, 1, 6).floor().flip(0)])
    mirrored = torch.stack([torch.arange(12) % 2 == 1, torch.arange(12) % 3 == 1])
    frames = Frames(fractions(corner, images), fractions(size, images), mirrored)
    ours = shown(images, frames, view_px)
    for number, image in enumerate(images):
        (left, top), (width, height) = corner[:, number].int().tolist(), size[:, number].int().tolist()
        theirs = torchvision.resized_crop(image, top, left, height, width, list(view_px), antialias=False)
        theirs = theirs.flip([axis for axis, is_so in ((2, mirrored[0, number]), (1, mirrored[1, number])) if is_so])
        torch.testing.assert_close(ours[number], theirs, **EXACT)


def test_rotations_and_shifts_are_kornias():
    images = pictures()
    geometry = Geometry([Strengths(rotation_degrees=180.0, translation_fraction=0.3)], (12, 20), (12, 20))
    drawn = {"angle": numbers(12, -3.1, 3.1), "shift_right": numbers(12, -0.3, 0.3)}
    drawn["shift_down"] = drawn["shift_right"].flip(0)
    ours = geometry(images, geometry.frames(drawn, 12))
    theirs = kornia.augmentation.RandomAffine(180.0, translate=(0.3, 0.3), p=1.0)
    params = {
        "angle": drawn["angle"].rad2deg(),
        "translations": torch.stack([20 * drawn["shift_right"], 12 * drawn["shift_down"]], dim=1),
        "center": torch.tensor([9.5, 5.5]).expand(12, 2),
        "scale": torch.ones(12, 2),
        "shear_x": torch.zeros(12),
        "shear_y": torch.zeros(12),
    }
    matrix = theirs.compute_transformation(images, params, theirs.flags)
    expected = theirs.apply_transform(images, params, theirs.flags, matrix)
    torch.testing.assert_close(ours, expected, atol=2e-5, rtol=0.0)  # Coordinates are rounded otherwise.
