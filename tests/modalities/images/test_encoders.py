import pytest
import torch

from anchorwise.modalities.images import EncoderConfig, build_encoder
from anchorwise.models import HeadConfig, ProjectionHead


@pytest.mark.whole
@pytest.mark.parametrize(
    ("name", "norm", "num_features"),
    [
        ("small", "batch", 128),
        ("small", "group", 128),
        ("resnet18", "batch", 512),
        ("resnet50", "group", 2048),
        ("timm/resnet10t", "batch", 512),
        ("timm/vit_tiny_patch16_224", "batch", 192),
    ],
)
@pytest.mark.parametrize(("num_channels", "image_size_px"), [(1, 32), (3, 32)])
def test_an_encoder_gives_one_feature_row_per_image(
    name: str, norm: str, num_features: int, num_channels: int, image_size_px: int
):
    config = EncoderConfig(name=name, norm=norm)
    encoder = build_encoder(config, num_channels=num_channels, image_size_px=image_size_px)
    features = encoder(torch.rand(2, num_channels, image_size_px, image_size_px))
    assert features.shape == (2, num_features) == (2, encoder.num_features)


@pytest.mark.parametrize("name", ["small", "resnet18", "timm/resnet10t"])
def test_features_are_the_means_of_feature_maps(name: str):
    encoder = build_encoder(EncoderConfig(name=name), num_channels=3, image_size_px=32).eval()
    images = torch.rand(2, 3, 32, 32)
    maps = encoder.maps({"pixels": images})
    assert maps.ndim == 4
    torch.testing.assert_close(maps.mean(dim=(2, 3)), encoder(images))


def test_a_transformer_has_no_feature_maps():
    encoder = build_encoder(EncoderConfig(name="timm/vit_tiny_patch16_224"), num_channels=3, image_size_px=32)
    with pytest.raises(ValueError, match=r"no feature maps of 192 channels .* choose a convolutional encoder\.name"):
        encoder.maps(torch.rand(2, 3, 32, 32))


def test_the_small_encoder_takes_the_smallest_images():
    encoder = build_encoder(EncoderConfig(width=16), num_channels=1, image_size_px=8)
    assert encoder(torch.rand(3, 1, 8, 8)).shape == (3, 64)


def test_the_resnet_stem_keeps_the_resolution_of_small_images():
    encoder = build_encoder(EncoderConfig(name="resnet18"), num_channels=3, image_size_px=32)
    stem = encoder.backbone.conv1
    assert (stem.kernel_size, stem.stride) == ((3, 3), (1, 1))
    assert isinstance(encoder.backbone.maxpool, torch.nn.Identity)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"name": "resnet19"}, r"encoder.name must be one of .*; did you mean 'resnet18'"),
        ({"name": "timm/x", "norm": "group"}, "encoder.norm must be 'batch' for 'timm/x'"),
        ({"name": "resnet18", "width": 32}, "encoder.width must be left out for 'resnet18'"),
        ({"width": 12}, "encoder.width must be a multiple of 8, got 12"),
    ],
)
def test_settings_that_do_nothing_are_refused(given, message: str):
    with pytest.raises(ValueError, match=message):
        EncoderConfig(**given)


def test_an_unknown_timm_backbone_is_refused_with_near_ones():
    with pytest.raises(ValueError, match=r"got 'resnet18x'; near: \[.*resnet18"):
        build_encoder(EncoderConfig(name="timm/resnet18x"), num_channels=3, image_size_px=32)


def test_images_too_small_for_a_backbone_are_refused_with_the_way_out():
    with pytest.raises(ValueError, match=r"cannot take images of 8 px .*a larger data.image_size_px"):
        build_encoder(EncoderConfig(name="timm/vit_tiny_patch16_224"), num_channels=3, image_size_px=8)


@pytest.mark.parametrize("norm", ["batch", "layer", "none"])
def test_a_head_has_the_asked_layers_and_widths(norm: str):
    head = ProjectionHead(HeadConfig(hidden_width=7, output_width=5, num_layers=3, norm=norm), num_features=6)
    linear = [module for module in head.modules() if isinstance(module, torch.nn.Linear)]
    assert [layer.out_features for layer in linear] == [7, 7, 5]
    assert head(torch.rand(4, 6)).shape == (4, 5)
