"""Damaged images, by stated strengths, and the clean-trained probe on them."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter

from anchorwise.evaluation.corruptions import CORRUPTIONS, Damaged, blurred, compressed, noisy
from anchorwise.evaluation.evaluate import evaluate
from anchorwise.evaluation.linear import fit_probe
from anchorwise.modalities.images.image_set import ImageSet


def images(num: int, seed: int, num_channels: int = 3) -> ImageSet:
    """Images of three classes, which differ by their brightness."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(num) % 3
    pixels = 70 + 40 * labels.view(-1, 1, 1, 1) + 60 * torch.rand(num, num_channels, 16, 16, generator=generator)
    return ImageSet(pixels.to(torch.uint8), labels, ("dark", "grey", "bright"), tuple(map(str, range(num))))


def test_noise_has_its_deviation_and_is_the_same_whatever_stands_beside_an_image():
    pixels = torch.full((40, 3, 16, 16), 128, dtype=torch.uint8)
    one = ImageSet(pixels, None, (), tuple(map(str, range(40))))
    damaged = Damaged(one, CORRUPTIONS["noise"], 0.08, seed=3)
    noise = damaged.take(torch.arange(40)).float() - 128
    assert float(noise.std()) == pytest.approx(255 * 0.08, rel=0.02)
    assert float(noise.mean()) == pytest.approx(0.0, abs=0.5)
    assert torch.equal(damaged.take(torch.tensor([7, 3])), damaged.take(torch.arange(40))[[7, 3]])
    assert not torch.equal(damaged.take(torch.tensor([0])), damaged.take(torch.tensor([1])))


def test_blur_is_scipys():
    pixels = images(2, 0).images
    slow = gaussian_filter(pixels.numpy().astype(np.float64), (0, 0, 0.8, 0.8), mode="mirror", truncate=5)
    assert float((blurred(pixels, 0.8, []).double() - torch.from_numpy(slow)).abs().max()) <= 1.0


@pytest.mark.parametrize("num_channels", [1, 3])
def test_jpeg_is_what_pillow_keeps(num_channels: int):
    pixels = images(3, 0, num_channels).images
    for found, image in zip(compressed(pixels, 50, []), pixels, strict=True):
        buffer, rows = io.BytesIO(), image.permute(1, 2, 0).numpy()
        Image.fromarray(rows[:, :, 0] if num_channels == 1 else rows).save(buffer, "JPEG", quality=50)
        slow = np.asarray(Image.open(buffer)).reshape(16, 16, num_channels)
        assert torch.equal(found, torch.from_numpy(slow.copy()).permute(2, 0, 1))


def test_strengths_of_0_leave_an_image_as_it_is():
    pixels = images(3, 0).images
    assert torch.equal(noisy(pixels, 0.0, [0, 1, 2]), pixels)
    assert torch.equal(blurred(pixels, 1e-3, []), pixels)


def test_the_probe_of_clean_images_is_scored_at_every_severity():
    train, test = images(60, 0), images(30, 1)
    severities = {"noise": [0.01, 0.4], "blur": [0.5], "jpeg": [90]}
    judge = {"name": "robustness", "severities": severities, "penalties": [0.1]}
    network = torch.nn.Sequential(torch.nn.AvgPool2d(4), torch.nn.Flatten())
    result = evaluate(train, test, judge, encoder=network)
    numbers = result.numbers
    assert list(numbers) == ["mean_corruption_error", "clean", "noise@1", "noise@2", "blur@1", "jpeg@1"]
    rows = [network(part.images.float() / 255.0) for part in (train, test)]
    probe = fit_probe(rows[0], train.labels, penalty=0.1)
    assert numbers["clean"] == probe.accuracy(rows[1], test.labels)
    damaged = Damaged(test, CORRUPTIONS["noise"], 0.4, seed=0).take(torch.arange(30))
    assert numbers["noise@2"] == probe.accuracy(network(damaged.float() / 255.0), test.labels)
    assert numbers["noise@2"] < numbers["noise@1"] + 1e-9
    errors = [1 - (numbers["noise@1"] + numbers["noise@2"]) / 2, 1 - numbers["blur@1"], 1 - numbers["jpeg@1"]]
    assert numbers["mean_corruption_error"] == pytest.approx(sum(errors) / 3)
    (table,) = result.tables()
    assert (table.places, table.columns) == ("severity", ("1", "2"))
    assert table.rows[1][2] == "-"


def test_what_cannot_be_damaged_is_refused_before_anything_long():
    network = torch.nn.Flatten()
    four = images(12, 0, num_channels=4)
    with pytest.raises(ValueError, match="JPEG keeps images of 1 or 3 channels, got 4; leave it out"):
        evaluate(four, four, {"name": "robustness", "penalties": [0.1]}, encoder=network)
    rows = torch.rand(12, 5)
    with pytest.raises(ValueError, match=r"only images of bytes, .* can be damaged, got torch.float32 \(5,\)"):
        evaluate(rows, rows, "robustness", encoder=network, train_labels=four.labels, test_labels=four.labels)
    with pytest.raises(ValueError, match="judge 'robustness' needs the encoder and its samples"):
        evaluate(rows, rows, "robustness", train_labels=four.labels, test_labels=four.labels)
