import pytest
import torch
from torch import nn

from anchorwise.evaluation.embed import embed, pixels
from anchorwise.modalities.images.image_set import ImageSet


def some_images(num_images=10):
    images = torch.randint(0, 256, (num_images, 1, 4, 4), generator=torch.Generator().manual_seed(0)).byte()
    labels = torch.arange(num_images) % 2
    return ImageSet(images, labels, ("a", "b"), tuple(map(str, range(num_images))))


def an_encoder():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 5), nn.BatchNorm1d(5), nn.Dropout(0.5))


def to_float(images):
    return images.float() / 255.0


@pytest.mark.parametrize("batch_size", [1, 3, 10, 64])
def test_every_image_gets_its_row_whatever_the_batch_size(batch_size):
    image_set, encoder = some_images(), an_encoder()
    features = embed(encoder, image_set, transform=to_float, batch_size=batch_size, split="test")
    expected = encoder.eval()(to_float(image_set.images))
    # Sums of 16 products in another order: a few units in the last place.
    assert torch.allclose(torch.from_numpy(features.views[0]), expected, atol=1e-6)
    assert features.require_labels().tolist() == image_set.labels.tolist()
    assert (features.names, features.class_names, features.split) == (image_set.names, image_set.class_names, "test")


def test_the_encoder_is_left_as_it_was():
    encoder = an_encoder()
    encoder[2].eval()
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    embed(encoder, some_images(), transform=to_float)
    assert [module.training for module in encoder] == [True, True, False, True]
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())


def test_an_encoder_on_another_device_stays_there():
    class Stopping(nn.Linear):
        def forward(self, images):
            raise RuntimeError(f"it ran on {self.weight.device}")

    encoder = Stopping(16, 5)
    with pytest.raises(RuntimeError, match="it ran on meta"):  # The one other device that every machine has.
        embed(encoder, some_images(), transform=to_float, device="meta")
    assert encoder.weight.device.type == "cpu"


def test_an_encoder_that_gives_nan_is_refused():
    with pytest.raises(ValueError, match="got 10 of 10 rows with nan"):
        embed(nn.Flatten(), some_images(), transform=lambda images: images.float() * torch.nan)


def test_pixels_are_features_between_zero_and_one():
    features = pixels(some_images()).views[0]
    assert features.shape == (10, 16)
    assert 0.0 <= float(features.min()) < float(features.max()) <= 1.0
