import random

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from anchorwise.modalities.images.normalise import pixel_statistics
from anchorwise.modalities.images.views import chosen
from anchorwise.modalities.images.views.maker import RandomViews
from anchorwise.modalities.images.views.policies import POLICIES, ViewPolicy, policy_for
from anchorwise.modalities.images.views.strengths import Changes
from anchorwise.modalities.places import cell_centres
from anchorwise.modalities.samples import Batch
from anchorwise.modalities.views import Masking, ViewPlan
from anchorwise.training import apply_overrides, recipe

DRAWS = 2000


def noise(n: int = 16, channels: int = 3, size_px: int = 32) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (n, channels, size_px, size_px), dtype=torch.uint8, generator=generator)


def ramps(n: int, size_px: int = 64) -> torch.Tensor:
    """Images whose first channel is the column and whose second is the row."""
    steps = torch.arange(size_px, dtype=torch.uint8)
    image = torch.stack([steps.expand(size_px, size_px), steps[:, None].expand(size_px, size_px)])
    return image.expand(n, 2, size_px, size_px).contiguous()


def as_batch(images: torch.Tensor) -> Batch:
    return Batch(images, torch.arange(len(images)))


def one_step(channels: int = 3, size_px: int = 8, **strengths) -> RandomViews:
    return RandomViews(ViewPolicy(**strengths), channels, size_px)


@pytest.mark.parametrize("name", sorted(POLICIES))
@pytest.mark.parametrize(("channels", "size_px"), [(1, 8), (2, 16), (3, 32)])
def test_every_policy_gives_float_views_in_the_unit_range_for_any_channel_count(name, channels, size_px):
    images = noise(4, channels, size_px)
    for view in RandomViews(POLICIES[name](), channels, size_px)(as_batch(images), seed=0):
        assert view.dtype == torch.float32
        assert view.shape == images.shape
        assert view.min() >= 0.0
        assert view.max() <= 1.0


@pytest.mark.usefixtures("as_users_call")  # The checker of shapes draws random numbers itself.
def test_a_seed_decides_the_views_and_the_global_random_states_stay_as_they_were():
    augment = RandomViews(POLICIES["imagenet"](), 3, 32)
    images = noise()
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tobytes()  # noqa: NPY002
    first = augment(as_batch(images), seed=5)
    torch.manual_seed(99)
    random.seed(99)
    second, third = augment(as_batch(images), seed=5), augment(as_batch(images), seed=6)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert not torch.equal(first[0], third[0])
    torch.set_rng_state(states[0])
    random.setstate(states[1])
    augment(as_batch(images), seed=7)
    assert torch.equal(states[0], torch.get_rng_state())
    assert states[1:] == (random.getstate(), np.random.get_state()[1].tobytes())  # noqa: NPY002


@pytest.mark.parametrize("name", sorted(POLICIES))
@pytest.mark.parametrize("channels", [1, 3])
def test_a_view_does_not_depend_on_the_other_images_of_the_batch(name: str, channels: int):
    augment, images = RandomViews(POLICIES[name](), channels, 16), noise(8, channels, 16)
    others = torch.cat([images[:1], 255 - images[1:]])
    for view, other in zip(augment(as_batch(images), seed=0), augment(as_batch(others), seed=0), strict=True):
        torch.testing.assert_close(view[0], other[0])


def test_every_image_and_both_views_get_their_own_draw():
    images = noise(1).repeat(32, 1, 1, 1)
    views = torch.cat(RandomViews(POLICIES["cifar"](), 3, 32)(as_batch(images), seed=0))
    assert len({tuple(view.flatten().tolist()) for view in views}) == 64


def test_the_crops_have_the_areas_and_shapes_asked_for():
    view, _ = one_step(2, 64, crop_scale=(0.2, 0.6), crop_ratio=(0.5, 2.0))(as_batch(ramps(DRAWS)), seed=0)
    # Columns and rows that the crop spans; a crop of k pixels shows k - 1 steps between its outermost pixels.
    width, height = ((view[:, c].amax((1, 2)) - view[:, c].amin((1, 2))) * 255 + 1 for c in (0, 1))
    area, ratio = width * height / 64**2, width / height
    # A side is rounded to whole pixels: 0.5 of at least 20 px on each side, 5 % of an area.
    assert area.min() > 0.2 * 0.93
    assert area.max() < 0.6 * 1.07
    # Uniform area: mean 0.4, deviation 0.115, standard error 0.0026; rounding of sides adds a little.
    assert area.mean() == pytest.approx(0.4, abs=0.015)
    assert area.std() == pytest.approx(0.4 / 12**0.5, rel=0.1)
    # Uniform logarithm: as many wide crops as high ones, standard error 0.011.
    assert (ratio > 1).float().mean() == pytest.approx(0.5, abs=0.05)
    assert ratio.max() < 2.2


def test_a_crop_of_everything_changes_nothing():
    view, _ = one_step(3, 32, crop_scale=(0.9999, 1.0), crop_ratio=(1.0, 1.0))(as_batch(images := noise()), seed=0)
    assert (view - images / 255).abs().max() < 1e-4


def test_flips_mirror_half_of_the_images_and_nothing_else():
    images = noise(DRAWS, 1, 4)
    view, _ = one_step(1, 4, flip_probability=0.5)(as_batch(images), seed=0)
    plain = images / 255
    same = (view - plain).abs().amax((1, 2, 3)) < 1e-6
    mirrored = (view - plain.flip(3)).abs().amax((1, 2, 3)) < 1e-6
    assert bool((same ^ mirrored).all())
    assert mirrored.float().mean() == pytest.approx(0.5, abs=0.05)  # Standard error 0.011.


def test_brightness_is_drawn_evenly_within_its_range_and_with_its_probability():
    grey = torch.full((DRAWS, 3, 4, 4), 100, dtype=torch.uint8)
    view, _ = one_step(3, 4, jitter_probability=0.8, brightness=0.4)(as_batch(grey), seed=0)
    factor = view[:, 0, 0, 0] * 255 / 100
    changed = (factor - 1).abs() > 1e-5
    assert changed.float().mean() == pytest.approx(0.8, abs=0.04)  # Standard error 0.009.
    assert factor.min() == pytest.approx(0.6, abs=0.01)
    assert factor.max() == pytest.approx(1.4, abs=0.01)
    assert factor[changed].mean() == pytest.approx(1.0, abs=0.03)  # Standard error 0.006.


def test_the_hue_turns_colours_but_not_their_brightness_and_leaves_grey_alone():
    red, grey = torch.zeros(64, 3, 4, 4, dtype=torch.uint8), torch.full((64, 3, 4, 4), 77, dtype=torch.uint8)
    red[:, 0] = 200
    augment = one_step(3, 4, jitter_probability=1.0, hue=0.1)
    view, _ = augment(as_batch(red), seed=0)
    assert torch.allclose(view.amax(1), torch.full((64, 4, 4), 200 / 255), atol=1e-4)
    # A tenth of the circle from red reaches 0.6 of the way to yellow or magenta.
    assert 0.5 < float(view[:, 1:].max() * 255 / 200) <= 0.6 + 1e-4
    assert (augment(as_batch(grey), seed=0)[0] - 77 / 255).abs().max() < 1e-4


def test_greyscale_makes_three_equal_channels_and_single_channels_are_left_alone():
    view, _ = one_step(3, 8, greyscale_probability=1.0)(as_batch(noise(4, 3, 8)), seed=0)
    assert torch.allclose(view[:, :1].expand_as(view), view)
    colour = ViewPolicy(greyscale_probability=1.0, jitter_probability=1.0, hue=0.5, saturation=1.0)
    images = noise(4, 1, 8)
    assert torch.equal(RandomViews(colour, 1, 8)(as_batch(images), seed=0)[0], images / 255)


def test_blur_smooths_and_erasing_blackens():
    images = torch.full((64, 1, 32, 32), 255, dtype=torch.uint8)
    erased = one_step(1, 32, erasing_probability=1.0, erasing_scale=(0.1, 0.2))(as_batch(images), seed=0)[0]
    share = (erased == 0).float().mean((1, 2, 3))
    assert share.min() > 0.06
    assert share.max() < 0.24
    blurred = one_step(1, 32, blur_probability=1.0, blur_sigma_px=(1.0, 2.0))(as_batch(noise(8, 1)), seed=0)[0]
    assert blurred.std() < 0.6 * (noise(8, 1) / 255).std()


def test_rotations_and_shifts_stay_within_their_limits():
    dot = torch.zeros(500, 1, 33, 33, dtype=torch.uint8)
    dot[:, :, 16, 16] = 255
    shifted, _ = one_step(1, 33, translation_fraction=0.2)(as_batch(dot), seed=0)
    row = (shifted.sum((1, 3)) * torch.arange(33)).sum(1) / shifted.sum((1, 2, 3))
    assert (row - 16).abs().max() <= 0.2 * 33 + 0.01
    assert (row - 16).abs().max() > 0.17 * 33
    turned, _ = one_step(1, 33, rotation_degrees=30.0)(as_batch(dot), seed=0)
    assert turned[:, 0, 16, 16].min() > 0.9


def test_without_a_policy_both_views_are_the_plain_normalised_images():
    augment = RandomViews(POLICIES["none"](), 3, 32, mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4))
    images = noise()
    view0, view1 = augment(as_batch(images), seed=0)
    plain = augment.plain(images)
    assert torch.equal(view0, view1)
    assert torch.equal(view0, plain)
    assert plain[0, 2, 5, 5].item() == pytest.approx((images[0, 2, 5, 5].item() / 255 - 0.3) / 0.4, rel=1e-5)


def test_pixel_statistics_are_those_of_the_pixels():
    images = noise(50, 3, 8)
    mean, std = pixel_statistics(images)
    pixels = images.double() / 255
    assert mean == pytest.approx(pixels.mean((0, 2, 3)).tolist())
    assert std == pytest.approx(pixels.std((0, 2, 3), correction=0).tolist())
    assert pixel_statistics(torch.zeros(2, 1, 4, 4, dtype=torch.uint8)) == ((0.0,), (1 / 255,))


def test_the_policy_follows_the_source_and_then_the_size():
    assert policy_for("digits", (8, 8)) == POLICIES["digits"]()
    assert policy_for("a/folder.zip", (32, 32)) == POLICIES["cifar"]()
    assert policy_for("a/folder.zip", (96, 96)) == POLICIES["stl10"]()


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("flip_probability=1.5", r"views\.flip_probability: Input should be less than or equal to 1, got 1.5"),
        ("hue=0.6", r"views\.hue: Input should be less than or equal to 0.5, got 0.6"),
        ("crop_scale=[0.5,0.2]", r"views\.crop_scale must be two finite numbers, lowest first, above 0 and at most 1"),
        ("crop_ratio=[0.5,inf]", r"views\.crop_ratio must be two finite numbers, lowest first, above 0, got"),
        ("second.crop_scale=[0.5,2.0]", r"views\.second\.crop_scale must be two finite numbers"),
        ("small.size_fraction=0", r"views\.small\.size_fraction: Input should be greater than 0"),
        ("flip=0.5", r"unknown setting 'views\.flip'; here: .*flip_probability"),
        (
            "small_crop_scale=[0.5,1.0]",
            r"'views\.small_crop_scale'; it is views\.small\.crop_scale now",
        ),
    ],
)
def test_strengths_out_of_range_are_refused(setting: str, words: str):
    with pytest.raises(ValueError, match=words):
        apply_overrides(recipe("digits"), ["views.name=cifar", f"views.{setting}"])


def test_a_policy_changed_in_one_setting_of_its_small_views_keeps_the_others():
    policy = apply_overrides(recipe("digits"), ["views.name=dino", "views.small.size_fraction=0.5"]).views
    assert policy.of_view(3, 2) == policy.of_view(0, 2).model_copy(
        update={"crop_scale": (0.05, 0.4), "size_fraction": 0.5, "blur_probability": 0.5}
    )
    assert policy.of_view(1, 2).solarise_probability == 0.2


def test_images_of_another_kind_or_wrong_statistics_are_refused():
    augment = one_step(3, 32)
    with pytest.raises(ValueError, match=r"images must be uint8, .* of shape \(images, 3, 32, 32\), got torch\.uint8"):
        augment(as_batch(noise(2, 1)), seed=0)
    with pytest.raises(ValueError, match=r"mean must hold one number per channel \(3\)"):
        RandomViews(ViewPolicy(), 3, 32, mean=(0.5,))
    with pytest.raises(ValueError, match="std must be above 0"):
        RandomViews(ViewPolicy(), 1, 32, std=(0.0,))


@pytest.mark.parametrize("channels", [1, 2, 3, 13])
def test_views_have_the_shape_of_images_that_are_no_squares(channels: int):
    images = torch.randint(0, 256, (4, channels, 12, 20), dtype=torch.uint8)
    maker = RandomViews(POLICIES["imagenet"](), channels, (12, 20), plan=ViewPlan(1, 1))
    assert [view.shape[1:] for view in maker(as_batch(images), seed=0)] == [(channels, 12, 20), (channels, 7, 11)]


def test_images_in_floating_point_are_taken_as_they_are():
    images = noise(4)
    maker = RandomViews(POLICIES["cifar"](), 3, 32, mean=(0.5,) * 3, std=(0.2,) * 3)
    for view, same in zip(maker(as_batch(images), seed=0), maker(as_batch(images / 255), seed=0), strict=True):
        assert torch.allclose(view, same, atol=1e-6)
    assert torch.allclose(maker.plain(images), maker.plain(images / 255), atol=1e-6)
    for exact, close in zip(pixel_statistics(images), pixel_statistics(images / 255), strict=True):
        assert exact == pytest.approx(close, abs=1e-6)


@pytest.mark.gpu
def test_views_on_a_gpu_are_repeatable_and_leave_its_random_state_alone():
    augment = RandomViews(POLICIES["stl10"](), 3, 32).cuda()
    batch = as_batch(noise()).to(torch.device("cuda"))
    before = torch.cuda.get_rng_state()
    first, second = augment(batch, seed=1), augment(batch, seed=1)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert torch.equal(before, torch.cuda.get_rng_state())


def test_the_second_view_has_strengths_of_its_own_and_so_has_every_other_one_after_it():
    grey = torch.full((DRAWS, 1, 4, 4), 200, dtype=torch.uint8)
    config = ViewPolicy(solarise_probability=0.0, second=Changes(solarise_probability=0.25))
    views = RandomViews(config, 1, 4, plan=ViewPlan(4))(as_batch(grey), seed=0)
    inverted = [(view - 55 / 255).abs().amax(dim=(1, 2, 3)) < 1e-5 for view in views]
    # A standard error is 0.01.
    assert [float(share.float().mean()) for share in inverted] == pytest.approx([0.0, 0.25, 0.0, 0.25], abs=0.05)
    assert all(
        bool(((view - 200 / 255).abs() < 1e-5)[~share].all()) for view, share in zip(views, inverted, strict=True)
    )


def test_solarising_leaves_what_is_darker_than_half():
    ramp = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    view = one_step(1, 16, solarise_probability=1.0)(as_batch(ramp), seed=0)[0]
    expected = torch.where(ramp < 128, ramp, 255 - ramp) / 255
    assert torch.allclose(view, expected, atol=1e-5)


def test_byols_first_view_is_blurred_and_its_second_is_not():
    first, second = (
        view.diff(dim=3).square().mean() for view in RandomViews(POLICIES["byol"](), 3, 32)(as_batch(noise(64)), seed=0)
    )
    assert first < second / 2


ALL = ViewPlan(2, 2, with_places=True, masking=Masking(8, (0.2, 0.6)))


def parts(maker: RandomViews, batch: Batch, seed: int | torch.Tensor = 3) -> list[torch.Tensor]:
    views = maker(batch, seed=seed)
    return [part for view in views for part in (view.values() if isinstance(view, dict) else (view,))]


@pytest.mark.parametrize("name", ["byol", "dino", "digits"])
def test_views_of_an_image_are_the_same_in_any_batch_in_any_order_and_with_a_seed_on_the_device(name: str):
    maker, images = RandomViews(POLICIES[name](), 3, 32, plan=ALL), noise(12)
    ids = torch.randperm(10_000, generator=torch.Generator().manual_seed(1))[:12]
    whole = parts(maker, Batch(images, ids))
    for part, same in zip(parts(maker, Batch(images, ids), torch.tensor(3)), whole, strict=True):
        assert torch.equal(part, same)
    for rows in (torch.arange(11, -1, -1), torch.arange(4, 9), torch.tensor([7])):
        for part, same in zip(parts(maker, Batch(images[rows], ids[rows])), whole, strict=True):
            # Convolutions round otherwise in batches of another size.
            torch.testing.assert_close(part, same[rows], atol=1e-6, rtol=0.0)


@pytest.mark.parametrize(("name", "plan"), [("byol", ALL), ("rand_augment", ViewPlan())])
def test_what_a_gpu_computes_without_reading_on_the_host_is_what_a_cpu_computes(name, plan, monkeypatch):
    maker, batch = RandomViews(POLICIES[name](), 3, 32, plan=plan), as_batch(noise(24))
    here, seed = parts(maker, batch), torch.tensor(3)
    monkeypatch.setattr(chosen, "HOST_DEVICES", ())
    with _NoHostReads():
        there = parts(maker, batch, seed)
    for part, same in zip(there, here, strict=True):
        torch.testing.assert_close(part, same, atol=1e-6, rtol=0.0)


class _NoHostReads(TorchDispatchMode):
    """Refuses what would stop a capture: numbers read on the host, and tensors that are made of the host's."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.name()
        refused = ("_local_scalar_dense", "nonzero", "lift_fresh", "is_nonzero", "unique", "masked_select", "index_put")
        assert not any(word in name for word in refused), name
        return func(*args, **(kwargs or {}))


def test_the_place_of_a_view_says_where_its_pixels_come_from():
    # Channels are x and y in the image, from 0 to 1, so a view shows its places.
    x = ((torch.arange(64) + 0.5) / 64).expand(64, 64)
    images = torch.stack([x, x.T]).expand(40, 2, 64, 64)
    policy = ViewPolicy(crop_scale=(0.2, 0.6), flip_probability=0.5, vertical_flip_probability=0.5, size_fraction=0.5)
    for settings in ({}, {"rotation_degrees": 10.0, "translation_fraction": 0.05, "crop_scale": (0.1, 0.3)}):
        maker = RandomViews(policy.model_copy(update=settings), 2, 64, plan=ViewPlan(1, 0, with_places=True))
        (view,) = maker(as_batch(images), seed=0)
        centres = cell_centres(view["places"], (32, 32)).unflatten(1, (32, 32)).permute(0, 3, 1, 2)
        # Beyond the outermost centres of a crop its border pixel goes on; beyond the image there is black.
        inside = (view["pixels"] > 0.05).all(1, keepdim=True) & ((centres > 0.1) & (centres < 0.9)).all(1, keepdim=True)
        difference = ((view["pixels"] - centres).abs() * inside)[:, :, 2:-2, 2:-2]
        assert difference.max() < 1e-3
        assert inside.float().mean() > 0.5


def test_small_views_carry_places_and_no_mask_and_a_mirrored_crop_extends_to_the_left():
    views = RandomViews(POLICIES["cifar"](), 3, 32, plan=ALL)(as_batch(noise(64)), seed=0)
    assert [sorted(view) for view in views] == [["mask", "pixels", "places"]] * 2 + [["pixels", "places"]] * 2
    assert 0.3 < float((views[0]["places"][:, 0, 0] < 0).float().mean()) < 0.7
    assert (views[0]["places"][:, 1, 1] > 0).all()
    assert views[0]["mask"].shape == (64, 4, 4)


@pytest.mark.parametrize(
    ("settings", "plan", "words"),
    [
        ({"small": Changes(size_fraction=0.01)}, ViewPlan(2, 1), r"views\.small\.size_fraction=0.01 leaves no pixel"),
        ({"size_fraction": 0.01}, ViewPlan(), r"views\.size_fraction=0.01 leaves no pixel of images of 32 x 32 px"),
        ({}, ViewPlan(masking=Masking(5)), "patches of 5 px do not tile views of 32 x 32 px"),
        ({"blur_probability": 0.5, "size_fraction": 0.03}, ViewPlan(), "1 x 1 px are too small for a blur"),
        ({}, ViewPlan(100, 100), "a sample has at most 128 views, the method asks for 200"),
    ],
)
def test_views_that_cannot_be_are_refused_before_the_first(settings, plan, words):
    with pytest.raises(ValueError, match=words):
        RandomViews(ViewPolicy(**settings), 3, 32, plan=plan)


def test_views_of_policies_that_are_not_alike_come_in_the_order_of_the_plan():
    policy = ViewPolicy(size_fraction=1.0, second=Changes(size_fraction=0.5), small=Changes(size_fraction=0.25))
    views = RandomViews(policy, 1, 16, plan=ViewPlan(3, 1))(as_batch(noise(2, 1, 16)), seed=0)
    assert [view.shape[2] for view in views] == [16, 8, 16, 4]


def test_float16_images_are_taken_and_autocast_does_not_reach_the_views():
    maker, images = RandomViews(POLICIES["stl10"](), 3, 32), noise(8)
    plainly = parts(maker, as_batch(images))
    with torch.autocast("cpu", torch.bfloat16):
        assert all(torch.equal(a, b) for a, b in zip(parts(maker, as_batch(images)), plainly, strict=True))
    for view, same in zip(parts(maker, as_batch((images / 255).half())), plainly, strict=True):
        assert view.dtype == torch.float32
        torch.testing.assert_close(view, same, atol=5e-3, rtol=0.0)
