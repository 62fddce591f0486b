import random

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torchvision.transforms import v2

from anchorwise.modalities.own.samples import as_samples
from anchorwise.modalities.own.views import OwnViews, takes_keywords
from anchorwise.modalities.views import ViewPlan

pytestmark = pytest.mark.usefixtures("as_users_call")
IDS = torch.arange(4)
TWO = ViewPlan()


def images() -> torch.Tensor:
    return torch.arange(4 * 3 * 8 * 8, dtype=torch.uint8).view(4, 3, 8, 8)


def made(make, samples=None, *, plan=TWO, ids=IDS, seed=0, on_batches=False):
    samples = as_samples(images() if samples is None else samples)
    maker = OwnViews(make, plan, on_batches=on_batches)
    return maker(maker.collect(samples, ids, seed=seed), seed=seed)


def noisy(image):
    """Draw from all three generators."""
    return image / 255 + torch.rand(1) + random.random() + np.random.rand()  # noqa: NPY002


def test_a_callable_of_one_view_is_drawn_as_often_as_the_method_asks():
    views = made(noisy, plan=ViewPlan(3))
    assert [view.shape for view in views] == [(4, 3, 8, 8)] * 3
    assert not torch.equal(views[0], views[1])


def test_views_depend_on_seed_and_sample_alone_and_leave_the_generators_as_they_were():
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    whole = made(noisy)
    torch.manual_seed(3), random.seed(3)
    torch.set_rng_state(states[0]), random.setstate(states[1])
    part = made(noisy, ids=torch.tensor([3, 1]))
    assert torch.equal(part[0], whole[0][[3, 1]])
    assert torch.equal(part[1], whole[1][[3, 1]])
    assert not torch.equal(made(noisy, seed=1)[0], whole[0])
    assert torch.equal(states[0], torch.get_rng_state())
    assert states[1:] == (random.getstate(), np.random.get_state()[1].tolist())  # noqa: NPY002


def test_a_callable_that_fails_keeps_its_error_and_says_at_which_sample():
    def picky(image):
        if int(image.flatten()[0]) == int(images()[2].flatten()[0]):
            raise IndexError("no face found")
        return image / 255

    with pytest.raises(IndexError, match=r"^no face found\nThis was sample 2\.$"):
        made(picky, as_samples(images()).subset(torch.tensor([0, 2])), ids=torch.arange(2))


def test_transforms_of_torchvision_take_tensors_and_pillow_images_of_any_size():
    transform = v2.Compose([v2.RandomResizedCrop((6, 5)), v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])
    pictures = [Image.new("RGB", (8 + value, 9), (value, 0, 0)) for value in range(4)]
    for samples in (None, pictures):
        for view in made(transform, samples):
            assert (view.shape, view.dtype) == ((4, 3, 6, 5), torch.float32)
            assert float(view.max()) <= 1.0


def test_bytes_become_numbers_in_the_unit_interval_and_floats_stay():
    assert torch.equal(made(lambda image: image)[0], images() / 255)
    assert torch.equal(made(lambda image: image.double() * 7)[0], images().float() * 7)
    assert torch.equal(made(np.array, [Image.new("L", (2, 3), 51)] * 4)[1], torch.full((4, 1, 3, 2), 0.2))


class Keywords:
    """As albumentations is called, and as it answers."""

    def __init__(self) -> None:
        self.own = np.random.default_rng()

    def set_random_seed(self, seed: int) -> None:
        self.own = np.random.default_rng(seed)

    def __call__(self, *args, force_apply: bool = False, **data):
        assert not args
        assert data["image"].shape == (8, 8, 3)
        return {"image": data["image"] + self.own.random(), "mask": None}


def test_a_callable_of_keywords_gets_the_image_by_name_and_has_its_own_generator_seeded():
    first, second = made(Keywords()), made(Keywords())
    assert first[0].shape == (4, 3, 8, 8)
    assert all(torch.equal(*pair) for pair in zip(first, second, strict=True))
    assert not torch.equal(first[0], first[1])


def test_only_what_takes_nothing_by_place_is_called_by_name():
    assert takes_keywords(Keywords())
    assert takes_keywords(lambda *, image: image)
    assert not takes_keywords(lambda image: image)
    assert not takes_keywords(nn.Identity())
    assert not takes_keywords(v2.RandomHorizontalFlip())


def test_all_views_of_a_sample_are_taken_as_they_are_also_of_two_sizes():
    def crops(image):
        return [image, image + 1, image[:, :4, :4]]

    views = made(crops, plan=ViewPlan(2, 1))
    assert [tuple(view.shape[1:]) for view in views] == [(3, 8, 8), (3, 8, 8), (3, 4, 4)]


@pytest.mark.parametrize(
    ("make", "plan", "words"),
    [
        (lambda image: [image], TWO, "the method takes 2 views, and `views` makes 1; change either"),
        (lambda image: [image] * 3, TWO, "the method takes 2 views, and `views` makes 3.*method.num_views"),
        (
            lambda image: image,
            ViewPlan(2, 4),
            "takes 4 small views, which a callable of one view does not make",
        ),
        (lambda image: "a picture", TWO, "must be a tensor, an array or a Pillow image, got str"),
        (
            lambda image: image[:, : 4 + int(image[0, 0, 0]) % 3],
            ViewPlan(),
            "views must share one shape.*let",
        ),
    ],
)
def test_views_that_do_not_fit_the_method_are_refused(make, plan: ViewPlan, words: str):
    with pytest.raises((ValueError, TypeError), match=words):
        made(make, plan=plan)


def test_a_callable_on_batches_gets_floats_is_seeded_and_must_keep_the_rows():
    def scaled(batch):
        assert batch.dtype == torch.float32
        return batch * torch.rand(len(batch), 1, 1, 1)

    first, second = made(scaled, on_batches=True), made(scaled, on_batches=True)
    assert all(torch.equal(*pair) for pair in zip(first, second, strict=True))
    assert not torch.equal(first[0], first[1])
    assert len(made(lambda batch: (batch, batch), on_batches=True)) == 2
    with pytest.raises(ValueError, match="views of a batch must have its 4 rows"):
        made(lambda batch: batch[:2], on_batches=True)


def test_kornia_works_on_batches():
    kornia = pytest.importorskip("kornia.augmentation")
    views = made(kornia.RandomHorizontalFlip(p=0.5), on_batches=True)
    assert views[0].shape == (4, 3, 8, 8)


def test_views_that_normalise_beside_samples_that_are_not_are_said():
    maker = OwnViews(lambda image: 50 * (image / 255 - 0.5), TWO, on_batches=False)
    with pytest.warns(UserWarning, match="if `views` normalise, give `plain`"):
        maker.try_out(as_samples(images()))


def test_real_albumentations_are_called_by_name_and_repeat_themselves():
    albumentations = pytest.importorskip("albumentations")
    transform = albumentations.Compose([albumentations.RandomCrop(4, 4), albumentations.HorizontalFlip(p=0.5)])
    first, second = made(transform), made(transform)
    assert first[0].shape == (4, 3, 4, 4)
    assert all(torch.equal(*pair) for pair in zip(first, second, strict=True))
