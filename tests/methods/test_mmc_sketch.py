"""The sketch of MMC: its loss put together by hand, and what it asks of encoder, views and settings."""

import pytest
import torch

from anchorwise import MoCoV3
from anchorwise.methods import MMCSketch
from anchorwise.modalities.encoder import Encoder
from anchorwise.modalities.images import EncoderConfig, build_encoder
from anchorwise.modalities.views import MASK, PIXELS
from anchorwise.objectives import build
from tests.methods.training import clock_at, method_of, views_of_step


def test_the_loss_is_that_of_moco_v3_on_what_is_seen_and_the_cosines_of_what_is_hidden():
    method = method_of("mmc_sketch", momentum=0.5, local_weight=0.7, norm="layer").eval()
    method.before_step(clock_at(0))
    views, batch = views_of_step(method, 0)
    queries, keys, cosines = [], [], []
    for view in views:
        with torch.no_grad():
            tokens = method.twin.network.encoder.backbone.tokens(view[PIXELS])
            keys.append(method.twin.network.head(tokens.mean(dim=1)))
        of_view = []
        for image, mask, whole in zip(view[PIXELS], view[MASK].flatten(1), tokens, strict=True):
            order = torch.cat([torch.nonzero(~mask), torch.nonzero(mask)]).T
            seen = method.encoder.backbone.tokens(image[None], order[:, :2])
            of_view.append(method.predictor(method.online.head(seen.mean(dim=1))))
            said = method.hidden_patches(seen, order, (2, 2))[0]
            cosines.append(torch.cosine_similarity(said, whole[mask], dim=1).mean())
        queries.append(torch.cat(of_view))
    contrast = MoCoV3()(*queries, keys=tuple(keys))
    expected = contrast - 0.7 * torch.stack(cosines).mean()
    assert method(views, batch).outcome.loss.item() == pytest.approx(expected.item(), rel=1e-9)


def test_what_is_hidden_is_no_input_of_the_trained_side():
    method = method_of("mmc_sketch", local_weight=0.0)
    views, batch = views_of_step(method, 0)
    hidden = [view[MASK].unsqueeze(1) for view in views]
    noise = [{**view, PIXELS: view[PIXELS] + 9.0 * mask} for view, mask in zip(views, hidden, strict=True)]
    assert torch.equal(method(views, batch).rows[0], method(noise, batch).rows[0])
    shown = [{**view, PIXELS: view[PIXELS] + 9.0 * ~mask} for view, mask in zip(views, hidden, strict=True)]
    assert not torch.equal(method(views, batch).rows[0], method(shown, batch).rows[0])


def test_an_encoder_that_computes_all_patches_is_refused():
    with pytest.raises(ValueError, match=r"MMCSketch needs an encoder that can leave out patches.*encoder\.name=vit"):
        MMCSketch(Encoder(torch.nn.Identity(), num_features=3), build(MMCSketch.own_objective), MMCSketch.Config())


def test_views_without_a_mask_are_refused():
    method = method_of("mmc_sketch")
    views, batch = views_of_step(method, 0)
    with pytest.raises(ValueError, match="MMCSketch needs views that say which patches are hidden"):
        method([view[PIXELS] for view in views], batch)


@pytest.mark.parametrize("fraction", [0.1, 0.9])
def test_a_share_that_hides_nothing_or_all_is_refused(fraction: float):
    encoder = build_encoder(EncoderConfig(name="vit", width=32), num_channels=1, image_size_px=8)
    config = MMCSketch.Config(hidden_fraction=fraction)
    with pytest.raises(ValueError, match=rf"method\.hidden_fraction={fraction} hides [04] of 4 patches"):
        MMCSketch(encoder, build(MMCSketch.own_objective), config)
