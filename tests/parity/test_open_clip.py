"""Side by side with OpenCLIP. Means of both directions, and for SigLIP over rows: no factor between the two.

OpenCLIP leaves normalising to the model; its losses are compared on unit rows, and with the model's normalisation.
"""

import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from anchorwise import CLIP, Blend, SigLIP
from anchorwise.adapters.open_clip import ClipLoss, SigLipLoss
from tests.parity.peers import assert_same, marks, peer, two_views, value_and_gradients

open_clip = peer("open_clip")
SigLipPeer = peer("open_clip", "loss").SigLipLoss
pytestmark = marks

SCALE = torch.tensor(1.0 / 0.07, dtype=torch.float64)
BIAS = torch.tensor(-10.0, dtype=torch.float64)


def test_clip_with_the_gradient_of_the_scale():
    theirs = open_clip.ClipLoss()
    assert_same(
        lambda images, texts, scale: CLIP()(images, texts, logit_scale=scale),
        lambda images, texts, scale: theirs(normalize(images), normalize(texts), scale),
        [*two_views(), SCALE],
    )


def test_clip_of_the_temperature_is_their_inverse_scale():
    assert_same(
        CLIP(temperature=0.07),
        lambda images, texts: open_clip.ClipLoss()(normalize(images), normalize(texts), 1.0 / 0.07),
        two_views(),
    )


@pytest.mark.parametrize("bias", [None, BIAS])
def test_the_adapter_is_a_drop_in(bias: Tensor | None):
    ours, theirs = ClipLoss(), open_clip.ClipLoss()
    assert_same(
        lambda images, texts, scale: ours(normalize(images), normalize(texts), scale, bias),
        lambda images, texts, scale: theirs(normalize(images), normalize(texts), scale, bias),
        [*two_views(), SCALE],
    )


def test_the_dictionary_has_the_same_key():
    images, texts = two_views(unit=True)
    for loss in (ClipLoss(), open_clip.ClipLoss()):
        assert list(loss(images, texts, SCALE, output_dict=True)) == ["contrastive_loss"]
    for loss in (SigLipLoss(), SigLipPeer()):
        assert list(loss(images, texts, SCALE, BIAS, output_dict=True)) == ["contrastive_loss"]


def test_the_bias_of_the_softmax_has_gradient_zero():
    images, texts = two_views(unit=True)
    bias = BIAS.clone().requires_grad_()
    loss = ClipLoss()(images, texts, SCALE, bias)
    assert isinstance(loss, Tensor)
    loss.backward()
    assert bias.grad == 0.0


def test_sig_lip_with_the_gradients_of_scale_and_bias():
    theirs = SigLipPeer()
    for ours in (lambda i, t, s, b: SigLIP()(i, t, logit_scale=s, logit_bias=b), SigLipLoss()):
        assert_same(
            ours,
            lambda images, texts, scale, bias: theirs(normalize(images), normalize(texts), scale, bias),
            [*two_views(), SCALE, BIAS],
        )


def test_rows_of_any_length_give_another_loss_there():
    images, texts = two_views()
    longer = [5.0 * images, texts]
    ours = ClipLoss()(*longer, SCALE)
    assert isinstance(ours, Tensor)
    torch.testing.assert_close(ours, open_clip.ClipLoss()(normalize(images), normalize(texts), SCALE))
    assert not torch.isclose(open_clip.ClipLoss()(*longer, SCALE), ours, rtol=0.1)


def test_a_model_of_theirs_trains_with_the_shortfall_link():
    config = {
        "embed_dim": 16,
        "vision_cfg": {"image_size": 16, "patch_size": 8, "width": 32, "layers": 1, "head_width": 16},
        "text_cfg": {"context_length": 8, "vocab_size": 32, "width": 32, "heads": 2, "layers": 1},
    }
    torch.manual_seed(0)
    model = open_clip.CLIP(**config, output_dict=True)
    loss, optimizer = ClipLoss(objective=CLIP(blend=Blend())), torch.optim.AdamW(model.parameters(), lr=3e-3)
    images, texts = torch.randn(12, 3, 16, 16), torch.randint(1, 32, (12, 8))
    history = []
    for _ in range(20):
        losses = loss(**model(images, texts), output_dict=True)
        optimizer.zero_grad()
        losses["contrastive_loss"].backward()
        optimizer.step()
        history.append(losses["contrastive_loss"].item())
    assert history[-1] < 0.8 * history[0] < math.inf


def test_values_agree_in_single_precision():
    views = [view.float() for view in two_views(unit=True)]
    ours, _ = value_and_gradients(CLIP(temperature=0.07), views)
    # Float32 rounds the logits, up to 1 / 0.07, to about 1e-6.
    torch.testing.assert_close(ours, open_clip.ClipLoss()(*views, 1.0 / 0.07), rtol=0.0, atol=1e-5)
