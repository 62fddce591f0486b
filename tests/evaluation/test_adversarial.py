"""Robust accuracy: where the least change that turns a decision is known, the attack finds it and no more."""

import pytest
import torch
from torch import nn

from anchorwise.evaluation.evaluate import evaluate
from anchorwise.modalities.images.image_set import ImageSet


def images(num: int) -> ImageSet:
    """Two classes, 100 +- 10 in every pixel of half of them, 100 +- 30 in those of the other half."""
    labels = torch.arange(num) % 2
    distance = torch.where(torch.arange(num) % 4 < 2, 10, 30)
    pixels = (100 + (2 * labels - 1) * distance).view(-1, 1, 1, 1).expand(num, 1, 4, 4)
    return ImageSet(pixels.to(torch.uint8), labels, ("dark", "bright"), tuple(map(str, range(num))))


def _numbers(radius: float, **attack) -> dict[str, float]:
    network = nn.Sequential(nn.AvgPool2d(4), nn.Flatten())
    judge = {"name": "adversarial", "attack": {"radius": radius, "step_size": 4 / 255, **attack}, "penalties": [1e-4]}
    return evaluate(images(40), images(20), judge, encoder=network).numbers


@pytest.mark.parametrize(("radius", "robust"), [(0.0, 1.0), (5 / 255, 1.0), (20 / 255, 0.5), (40 / 255, 0.0)])
def test_an_image_is_lost_once_the_ball_reaches_the_other_side(radius: float, robust: float):
    numbers = _numbers(radius)
    assert numbers["before_attack"] == numbers["clean"] == 1.0
    assert numbers["robust"] == robust


def test_steps_that_do_not_reach_far_enough_lose_nothing():
    assert _numbers(40 / 255, num_steps=1, step_size=0.0)["robust"] == 1.0


def test_pixels_stay_pixels():
    # Black and white cannot be told apart less than by leaving [0, 1]: the ball ends there.
    labels = torch.arange(20) % 2
    pixels = (255 * labels).view(-1, 1, 1, 1).expand(20, 1, 4, 4).to(torch.uint8)
    seen = list[torch.Tensor]()

    class Seeing(nn.Module):
        def forward(self, view: torch.Tensor) -> torch.Tensor:
            seen.append(view.detach().clone())
            return view.mean(dim=(1, 2, 3))[:, None]

    samples = ImageSet(pixels, labels, ("dark", "bright"), tuple(map(str, range(20))))
    evaluate(samples, samples, "adversarial", encoder=Seeing())
    assert min(float(view.min()) for view in seen) == 0.0
    assert max(float(view.max()) for view in seen) == 1.0
    assert any(float(view[0].max()) > 0.0 for view in seen)


def test_a_part_of_the_test_images_is_counted_as_such():
    network = nn.Sequential(nn.AvgPool2d(4), nn.Flatten())
    result = evaluate(images(40), images(20), {"name": "adversarial", "num_samples": 8}, encoder=network)
    over = result.judged["adversarial"].over_test_rows
    assert (over["robust"].num_rows, over["clean"].num_rows) == (8, 20)


def test_images_whose_range_nobody_knows_are_refused():
    floating = images(40).images.float() / 255.0
    with pytest.raises(ValueError, match="judge 'adversarial' changes pixels, and has to know where they lie"):
        evaluate(
            floating, floating, "adversarial", encoder=nn.Flatten(), train_labels=images(40).labels,
            test_labels=images(40).labels,
        )  # fmt: skip
