"""Generated scenes and the judge that reads maps on them."""

import pytest
import torch
from torch import nn

from anchorwise.evaluation.dense import Dense, _pixels_of_cells, intersection_over_union
from anchorwise.evaluation.evaluate import evaluate, judged_samples
from anchorwise.evaluation.results import EvaluationConfig
from anchorwise.evaluation.scenes import CLASS_NAMES, generated_scenes
from anchorwise.modalities.images import EncoderConfig, build_encoder
from anchorwise.modalities.images.encoders import ImageEncoder
from anchorwise.modalities.images.image_set import ImageSet
from anchorwise.modalities.images.storage import EncoderSpec, StoredEncoder
from anchorwise.modalities.samples import Splits

SHAPE = (3, 16, 16)


def _frozen(encoder: ImageEncoder) -> StoredEncoder:
    spec = EncoderSpec(encoder=EncoderConfig(), num_channels=3, image_size_px=16, mean=(0.5,) * 3, std=(0.25,) * 3)
    return StoredEncoder(encoder.eval(), spec)


def _images(num: int) -> ImageSet:
    pixels = torch.randint(0, 256, (num, *SHAPE), generator=torch.Generator().manual_seed(num), dtype=torch.uint8)
    return ImageSet(pixels, torch.arange(num) % 2, ("a", "b"), tuple(map(str, range(num))))


def _judged(encoder: ImageEncoder):
    train = _images(8)
    config = EvaluationConfig(judges=(Dense.Config(num_train_scenes=60, num_test_scenes=40, penalties=(1e-2,)),))
    return judged_samples(_frozen(encoder), Splits(train, train, _images(6)), config)


def test_scenes_depend_on_the_seed_alone_and_have_every_class():
    scenes, again = generated_scenes(50, SHAPE, seed=3), generated_scenes(50, SHAPE, seed=3)
    assert torch.equal(scenes.images, again.images)
    assert torch.equal(scenes.masks, again.masks)
    assert not torch.equal(scenes.images, generated_scenes(50, SHAPE, seed=4).images)
    shares = scenes.masks.flatten().bincount(minlength=len(CLASS_NAMES)) / scenes.masks.numel()
    assert len(shares) == 5
    assert bool((shares > 0.01).all())
    assert 0.6 < float(shares[0]) < 0.95


def test_shapes_stand_out_from_their_ground_in_every_channel():
    scenes = generated_scenes(60, (3, 32, 32), seed=0)
    for image, mask in zip(scenes.images.float(), scenes.masks, strict=True):
        ground = image[:, mask == 0].mean(dim=1)
        for label in mask.unique()[1:]:
            assert float((image[:, mask == label].mean(dim=1) - ground).abs().max()) > 20


def test_shapes_have_the_outlines_of_their_class():
    """Of one shape alone: share of the smallest box around its centre that it fills, for a disc and a cross."""
    scenes = generated_scenes(300, (1, 64, 64), seed=1)
    areas = {label: [] for label in range(1, 5)}
    for mask in scenes.masks:
        labels = mask.unique().tolist()
        if len(labels) == 2:
            is_so = mask == labels[1]
            rows, columns = is_so.any(dim=1).sum(), is_so.any(dim=0).sum()
            areas[labels[1]].append(float(is_so.sum() / (rows * columns)))
    disc, square, triangle, cross = (sum(of) / len(of) for of in areas.values())
    assert disc == pytest.approx(0.785, abs=0.05)
    assert disc > cross
    assert square > triangle


def test_iou_is_that_of_sets_of_pixels_and_its_error_that_of_resampled_scenes():
    generator = torch.Generator().manual_seed(0)
    truth = torch.randint(0, 5, (30, 6, 6), generator=generator)
    wrong = torch.rand(truth.shape, generator=generator) < torch.rand(30, 1, 1, generator=generator)
    said = torch.where(wrong, torch.randint(0, 5, truth.shape, generator=generator), truth)
    by_class, influence = intersection_over_union(said, truth)
    for label in range(5):
        one, other = ({tuple(place) for place in torch.nonzero(part == label).tolist()} for part in (said, truth))
        assert float(by_class[label]) == pytest.approx(len(one & other) / len(one | other))
    assert float(influence.sum()) == pytest.approx(0.0, abs=1e-9)
    draws = torch.randint(0, 30, (1000, 30), generator=generator)
    means = torch.stack([intersection_over_union(said[draw], truth[draw])[0].mean() for draw in draws])
    assert float(influence.std()) / 30**0.5 == pytest.approx(float(means.std()), rel=0.1)


def test_pixels_of_cells_are_the_patches_row_by_row():
    images = torch.arange(2 * 16).view(2, 1, 4, 4).to(torch.uint8)
    rows = _pixels_of_cells(images, (2, 2)) * 255
    assert rows[:2].round().tolist() == [[0, 1, 4, 5], [2, 3, 6, 7]]
    assert _pixels_of_cells(images, (3, 3)).shape == (18, 4)


def test_maps_that_are_the_pixels_are_worth_what_the_pixels_are():
    class Pixels(nn.Module):
        def maps(self, images: torch.Tensor) -> torch.Tensor:
            return torch.pixel_unshuffle(images, 4)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.maps(images).mean(dim=(2, 3))

    numbers = _judged(ImageEncoder(Pixels(), num_features=48)).numbers
    assert numbers["dense_gain"] == pytest.approx(0.0, abs=0.01)
    assert numbers["dense_maps"] == pytest.approx(numbers["dense_pixels"], abs=0.01)
    assert numbers["dense_maps"] == pytest.approx(
        sum(numbers[f"dense_maps@{label}"] for label in CLASS_NAMES) / 5, abs=1e-9
    )


@pytest.mark.whole
def test_an_encoder_is_judged_in_words_with_an_interval_and_a_table():
    torch.manual_seed(0)
    encoder = build_encoder(EncoderConfig(name="vit", width=32), num_channels=3, image_size_px=16)
    result = _judged(encoder)
    interval = result.over_test_rows["dense_maps"]
    assert interval.low < interval.value < interval.high
    assert interval.num_rows == 40
    assert "generated scenes of shapes, no photographs; 4 x 4 cells, which could reach" in result.notes[0]
    (table,) = result.tables()
    assert (table.places, table.columns) == ("IoU of", CLASS_NAMES)
    assert [row[0] for row in table.rows] == ["encoder's maps %", "raw pixels %"]
    assert result.model_dump() == _judged(encoder).model_dump()


def test_what_has_no_maps_and_images_too_small_for_shapes_are_refused_in_words():
    train, test = _images(8), _images(6)
    with pytest.raises(ValueError, match=r"judge 'dense' needs the encoder and its samples"):
        evaluate(torch.rand(8, 3), torch.rand(6, 3), "dense", train_labels=[0, 1] * 4, test_labels=[0, 1] * 3)
    network = nn.Sequential(nn.Flatten(), nn.Linear(768, 4))
    with pytest.raises(ValueError, match=r"judge 'dense' needs an encoder with feature maps, got .*, which has none"):
        evaluate(
            train.images, test.images, "dense", train_labels=train.labels, test_labels=test.labels, encoder=network
        )
    with pytest.raises(ValueError, match=r"scenes need images of 16 px or more, got 8 x 12 px"):
        generated_scenes(3, (1, 12, 8), seed=0)
