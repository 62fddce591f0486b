import pytest
import torch

from anchorwise.modalities.images import EncoderConfig, build_encoder
from anchorwise.modalities.images.encoders import ImageEncoder
from anchorwise.training import apply_overrides, recipe
from anchorwise.training.loop import pretrain


def _vit(image_size_px: int = 16, **settings: int) -> ImageEncoder:
    torch.manual_seed(0)
    config = EncoderConfig(name="vit", **{"width": 32, **settings})
    return build_encoder(config, num_channels=3, image_size_px=image_size_px)


def test_features_are_the_means_of_maps_of_patches():
    encoder, images = _vit(), torch.rand(2, 3, 16, 16)
    maps = encoder.maps(images)
    assert maps.shape == (2, 32, 4, 4)
    torch.testing.assert_close(maps.mean(dim=(2, 3)), encoder(images))


def test_an_image_of_32_px_has_64_patches_unless_told_otherwise():
    encoder = build_encoder(EncoderConfig(name="vit"), num_channels=3, image_size_px=32)
    assert (encoder.patches.size_px, encoder.patches.grid, encoder.num_features) == (4, (8, 8), 192)
    assert _vit(32, patch_px=8).patches.grid == (4, 4)


def test_all_patches_kept_in_any_order_are_all_patches():
    encoder, images = _vit(), torch.rand(2, 3, 16, 16)
    order = torch.stack([torch.randperm(16) for _ in range(2)])
    whole = encoder.maps(images).flatten(2).transpose(1, 2)
    torch.testing.assert_close(encoder.tokens(images, order), whole.take_along_dim(order.unsqueeze(2), dim=1))


def test_patches_that_are_left_out_are_not_computed(monkeypatch: pytest.MonkeyPatch):
    encoder, kept = _vit(), torch.tensor([[0, 5, 7], [1, 2, 15]])
    seen = []
    encoder.backbone.blocks[0].register_forward_pre_hook(lambda _, given: seen.append(given[0].shape))
    images = torch.rand(2, 3, 16, 16)
    tokens = encoder.tokens(images, kept)
    assert seen == [(2, 3, 32)]
    images[:, :, 4:8, :4] += 1.0  # Patch 4.
    assert torch.equal(encoder.tokens(images, kept), tokens)


def test_a_crop_of_another_size_has_the_positions_of_its_grid():
    encoder = _vit()
    assert encoder.maps(torch.rand(2, 3, 8, 12)).shape == (2, 32, 2, 3)
    # Positions that are the same everywhere stay so.
    encoder.backbone.positions.table.data.fill_(0.5)
    torch.testing.assert_close(encoder.backbone.positions((2, 3)), torch.full((1, 6, 32), 0.5))


def test_patches_that_do_not_tile_images_or_views_are_refused_before_the_first_step(tmp_path):
    with pytest.raises(ValueError, match=r"encoder\.patch_px=4 does not tile images of 30 x 30 px"):
        _vit(30)
    small = ["encoder.name=vit", "encoder.width=32", "method.name=dino", "views.name=digits"]
    small += ["views.small.size_fraction=0.75", "method.num_small=1"]
    config = apply_overrides(recipe("digits"), small)
    with pytest.raises(
        ValueError, match=r"encoder\.patch_px=4 does not tile images of 6 x 6 px; .* sizes of the views"
    ):
        pretrain(config, tmp_path / "run", show_progress=False)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"name": "vit", "width": 48}, r"encoder\.width must be a multiple of 32, got 48"),
        ({"name": "vit", "norm": "group"}, r"encoder\.norm must be 'batch' for 'vit'"),
        ({"name": "small", "patch_px": 4}, r"encoder\.patch_px must be left out for 'small'"),
    ],
)
def test_settings_that_do_nothing_are_refused(given, message: str):
    with pytest.raises(ValueError, match=message):
        EncoderConfig(**given)
