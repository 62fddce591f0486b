"""Neighbours under attack: what a small change of pixels can turn, and what it cannot."""

import pytest
import torch
from torch import nn

from anchorwise.evaluation.evaluate import evaluate
from anchorwise.modalities.images.image_set import ImageSet


def images(num: int) -> ImageSet:
    """Two classes: the left or the right half of the pixels is 40, the other one black."""
    labels = torch.arange(num) % 2
    brighter = (torch.arange(4) // 2 == labels[:, None]).long()
    pixels = (40 * brighter).view(-1, 1, 1, 4).expand(num, 1, 4, 4)
    return ImageSet(pixels.to(torch.uint8), labels, ("left", "right"), tuple(map(str, range(num))))


class Halves(nn.Module):
    """How bright either half is."""

    def forward(self, view):
        return torch.stack([view[..., :2].mean(dim=(1, 2, 3)), view[..., 2:].mean(dim=(1, 2, 3))], dim=1)


def _numbers(radius: float, **settings) -> dict[str, float]:
    judge = {"name": "embedding_attack", "num_neighbors": 3, "attack": {"radius": radius, **settings}}
    return evaluate(images(20), images(12), judge, encoder=Halves()).numbers


@pytest.mark.parametrize("decay", [None, 1.0])
def test_neighbours_are_lost_once_the_ball_reaches_the_other_class(decay: float | None):
    near, far = (_numbers(radius, decay=decay, step_size=4 / 255) for radius in (5 / 255, 45 / 255))
    assert near["knn_before_attack"] == far["knn_before_attack"] == 1.0
    assert near["knn_attacked"] == 1.0
    assert far["knn_attacked"] == 0.0
    assert far["attacked_cosine"] < near["attacked_cosine"] < 1.0


def test_in_a_ball_of_radius_0_nothing_moves():
    numbers = _numbers(0.0)
    assert numbers["knn_attacked"] == 1.0
    assert numbers["attacked_cosine"] == pytest.approx(1.0)


def test_more_neighbours_than_training_rows_are_refused():
    with pytest.raises(ValueError, match="num_neighbors must be at most the 20 training rows, got 21"):
        evaluate(images(20), images(12), {"name": "embedding_attack", "num_neighbors": 21}, encoder=Halves())


def test_images_whose_range_nobody_knows_are_refused():
    rows, labels = images(20).images.float() / 255.0, images(20).labels
    with pytest.raises(ValueError, match="judge 'embedding_attack' changes pixels, and has to know where they lie"):
        evaluate(rows, rows, "embedding_attack", encoder=Halves(), train_labels=labels, test_labels=labels)
