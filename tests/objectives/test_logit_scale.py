"""A learnt inverse temperature has a gradient wherever the loss has a value."""

import pytest
import torch

from anchorwise import CLIP, Blend, MoCoV3, SigLIP, SimLAP, SoftTargets, engine, tails

NUM_IMAGES, WIDTH = 20, 6


def of_two_classes(view0, view1, logit_scale):
    labels = torch.arange(NUM_IMAGES) % 3
    gates = torch.full_like(view0, 0.5)
    return SimLAP()(view0, view1, labels=labels, partners=labels.flip(0), gates=gates, logit_scale=logit_scale)


LOSSES = {
    "clip": lambda *views, logit_scale: CLIP()(*views, logit_scale=logit_scale),
    "blend": lambda *views, logit_scale: CLIP(blend=Blend(gate=tails.ConstantGate(0.3), exponent=2.0))(
        *views, logit_scale=logit_scale
    ),
    "siglip": lambda *views, logit_scale: SigLIP()(*views, logit_scale=logit_scale),
    "soft_targets": lambda *views, logit_scale: SoftTargets()(*views, keys=views[::-1], logit_scale=logit_scale),
    "sim_lap": of_two_classes,
    "moco_v3": lambda *views, logit_scale: MoCoV3()(*views, keys=views[::-1], logit_scale=logit_scale),
}


def loss_and_gradient(loss, scale, dtype):
    views = torch.randn(2, NUM_IMAGES, WIDTH, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    logit_scale = torch.tensor(scale, dtype=dtype, requires_grad=True)
    value = loss(*views.to(dtype), logit_scale=logit_scale)
    return value.detach(), *torch.autograd.grad(value, logit_scale)


@pytest.mark.whole
@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e-4, 14.3, 1e19, 1e30])
@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_loss_and_gradient_of_the_scale_are_those_of_exact_arithmetic(loss, scale: float):
    exact = loss_and_gradient(loss, scale, torch.float64)
    for backend in ("dense", "tiled"):
        with engine.use_backend(backend):
            found = loss_and_gradient(loss, scale, torch.float32)
        for value, expected in zip(found, exact, strict=True):
            torch.testing.assert_close(value.double(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_a_scale_is_not_rounded_to_the_dtype_of_the_views(loss):
    views = torch.randn(2, NUM_IMAGES, WIDTH, generator=torch.Generator().manual_seed(0)).bfloat16()
    scale = torch.tensor(14.2857)
    assert loss(*views, logit_scale=scale) == loss(*views.float(), logit_scale=scale)
