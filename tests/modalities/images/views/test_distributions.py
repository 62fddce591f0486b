"""What is drawn has the distribution of what kornia draws."""

import kornia.augmentation as kornia
import pytest
import torch
from scipy.stats import chi2, ks_2samp
from torch import Tensor

from anchorwise.modalities.images.views import colour, damage
from anchorwise.modalities.images.views.drawn import StrengthDraws
from anchorwise.modalities.images.views.geometry import Geometry
from anchorwise.modalities.images.views.strengths import Strengths

NUM = 20_000
STRENGTHS = Strengths(
    crop_scale=(0.08, 1.0),
    flip_probability=0.5,
    rotation_degrees=12.0,
    translation_fraction=0.1,
    jitter_probability=0.8,
    brightness=0.8,
    contrast=0.4,
    saturation=0.2,
    hue=0.1,
    greyscale_probability=0.2,
    blur_probability=0.5,
    erasing_probability=0.3,
    erasing_scale=(0.02, 0.3),
)


def drawn(*purposes: str) -> dict[str, Tensor]:
    return dict(StrengthDraws({0: STRENGTHS}, purposes)(torch.arange(NUM), 0))


def kornias(operation: kornia.AugmentationBase2D, shape: tuple[int, ...]) -> dict[str, Tensor]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return operation.generate_parameters(torch.Size((NUM, *shape)))


def alike(ours: Tensor, theirs: Tensor) -> bool:
    """Return whether two samples may be of one distribution; a difference of 2 % in any quantile is seen."""
    return ks_2samp(ours.numpy(), theirs.numpy()).pvalue > 1e-3


@pytest.mark.parametrize("size_px", [(32, 32), (20, 90)])
def test_crops_have_the_areas_ratios_and_places_of_kornias(size_px: tuple[int, int]):
    geometry = Geometry([STRENGTHS], size_px, size_px)
    frames = geometry.frames(drawn("crop_area", "crop_log_ratio", "crop_left", "crop_top"), NUM)
    boxes = kornias(kornia.RandomResizedCrop(size_px, (0.08, 1.0)), (3, *size_px))["src"]
    corner, size = boxes[:, 0].T, boxes[:, 2].T - boxes[:, 0].T + 1
    sides = torch.tensor(size_px[::-1])[:, None]
    ours_corner, ours_size = frames.corner * sides, frames.size * sides
    assert (ours_corner + ours_size <= sides + 1e-3).all()
    assert (ours_corner >= 0).all()
    assert torch.allclose(ours_size, ours_size.round(), atol=1e-4)
    ours_corner, ours_size = ours_corner.round(), ours_size.round()
    for axis in range(2):
        assert alike(ours_size[axis], size[axis])
        assert alike(ours_corner[axis], corner[axis])
    assert alike(ours_size.prod(0), size.prod(0))
    assert alike(ours_size[0] / ours_size[1], size[0] / size[1])


def test_rotations_and_shifts_are_drawn_as_kornias():
    ours = drawn("angle", "shift_right", "shift_down")
    theirs = kornias(kornia.RandomAffine(12.0, translate=(0.1, 0.1), p=1.0), (3, 32, 32))
    assert alike(ours["angle"].rad2deg(), theirs["angle"])
    assert alike(32 * ours["shift_right"], theirs["translations"][:, 0])
    assert alike(32 * ours["shift_down"], theirs["translations"][:, 1])
    assert abs(float(torch.corrcoef(torch.stack([ours["shift_right"], ours["shift_down"]]))[0, 1])) < 0.03


def test_factors_of_the_jitter_are_drawn_as_kornias():
    names = ("brightness", "contrast", "saturation", "hue")
    ours = drawn(*names)
    theirs = kornias(kornia.ColorJitter(0.8, 0.4, 0.2, 0.1), (3, 32, 32))
    assert all(alike(ours[name], theirs[f"{name}_factor"]) for name in names)


def test_orders_of_the_jitter_are_equally_frequent():
    jitter = colour.Jitter([STRENGTHS], 3)
    orders = (drawn("order")["order"] * len(jitter.stages)).long()
    counts = torch.bincount(orders, minlength=24)
    assert len(counts) == 24
    assert float((counts - NUM / 24).square().sum() / (NUM / 24)) < chi2.isf(1e-3, 23)


def test_blurs_and_erased_rectangles_are_drawn_as_kornias():
    sigma = kornias(kornia.RandomGaussianBlur((3, 3), (0.1, 2.0), p=1.0), (3, 32, 32))["sigma"]
    assert alike(drawn("blur_sigma")["blur_sigma"], sigma)
    erase = damage.Erase([STRENGTHS], (24, 32))
    ours = erase.rectangles(drawn(*erase.purposes))
    theirs = kornias(kornia.RandomErasing(scale=(0.02, 0.3), p=1.0), (3, 24, 32))
    for one, name in zip(ours, ("ys", "xs", "heights", "widths"), strict=True):
        assert alike(one, theirs[name])


@pytest.mark.parametrize(
    ("name", "probability"),
    [
        ("is_mirrored", 0.5),
        ("is_jittered", 0.8),
        ("is_grey", 0.2),
        ("is_blurred", 0.5),
        ("is_erased", 0.3),
        ("is_upside_down", 0.0),
    ],
)
def test_steps_happen_with_their_probability(name: str, probability: float):
    share = float((drawn(name)[name] < 0).float().mean())
    assert share == pytest.approx(probability, abs=0.012)  # Three and a half standard errors at most.


def test_a_step_that_is_left_out_leaves_the_draws_of_the_others_as_they_were():
    alone, among = drawn("hue")["hue"], drawn("crop_area", "brightness", "hue", "is_erased")["hue"]
    assert torch.equal(alone, among)
