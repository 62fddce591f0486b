"""WEINCE's logit in the place of the softmax one, in objectives that are more than a cross-entropy."""

from collections.abc import Callable
from functools import partial

import pytest
import torch

from anchorwise import (
    ADNCE,
    DCLW,
    WEINCE,
    AveragedViews,
    Blend,
    ConstantGate,
    FastCLIP,
    InfoNCE,
    MoCoV3,
    Objective,
    PolyView,
    SoftTargets,
    SogCLR,
)
from anchorwise.engine import Tiled, use_backend
from tests.contracts import batches
from tests.twins import assigned, global_loss, multi_view, two_view
from tests.twins.two_view import mixed

VIEWS = batches.ordinary()
THREE = (*VIEWS, batches.ordinary(seed=8)[0])
IDS = {"ids": torch.arange(24)}
KEYS = {"keys": (VIEWS[1].roll(1, dims=1), VIEWS[0].roll(1, dims=1))}
QUEUE = batches.ordinary(num_samples=7, seed=9)[0]
HALF = Blend(gate=ConstantGate(0.5), exponent=3.0)
LOGIT = mixed(0.5, 0.2, 3.0)

BLENDED = {
    "dclw": (partial(DCLW, temperature=0.2), partial(two_view.dclw, sigma=0.5), VIEWS, {}),
    "adnce": (partial(ADNCE, temperature=0.2), partial(two_view.adnce, mu=0.7, sigma=0.5), VIEWS, {}),
    "moco_v3": (partial(MoCoV3, temperature=0.2), partial(two_view.moco_v3, scale=0.8), VIEWS, KEYS),
    "geometric": (partial(PolyView, temperature=0.2), partial(multi_view.poly_view, mean="geometric"), THREE, {}),
    "arithmetic": (
        partial(PolyView, temperature=0.2, mean="arithmetic"),
        partial(multi_view.poly_view, mean="arithmetic"),
        THREE,
        {},
    ),
    "averaged": (
        partial(AveragedViews, temperature=0.2, normalise=True),
        partial(multi_view.averaged, normalise=True),
        THREE,
        {},
    ),
    "soft_targets": (
        partial(SoftTargets, temperature=0.2, label_smoothing=0.1),
        partial(assigned.soft_targets, logit_scale=5.0, smoothing=0.1),
        VIEWS,
        KEYS,
    ),
    "soft_targets-queue": (
        partial(SoftTargets, temperature=0.2, alpha=0.7),
        partial(assigned.soft_targets, logit_scale=5.0, alpha=0.7),
        VIEWS,
        {**KEYS, "queues": (QUEUE, -QUEUE)},
    ),
    "soft_targets-ids": (
        partial(SoftTargets, temperature=0.2, alpha=0.7),
        partial(assigned.soft_targets, logit_scale=5.0, alpha=0.7),
        VIEWS,
        {
            **KEYS,
            "queues": (QUEUE, -QUEUE),
            "ids": torch.arange(24) % 9,
            "queue_ids": (torch.arange(len(QUEUE)) % 10, torch.arange(len(QUEUE)) % 3),
        },
    ),
    "sog_clr": (
        partial(SogCLR, num_samples=24, temperature=0.2, rho=0.3),
        partial(global_loss.sog_clr, temperature=0.2, rho=0.3),
        VIEWS,
        IDS,
    ),
    "fast_clip": (
        partial(FastCLIP, num_samples=24, temperature=0.2, rho=0.3),
        partial(global_loss.fast_clip, temperature=0.2, rho=0.3),
        VIEWS,
        IDS,
    ),
}
each = pytest.mark.parametrize(("make", "twin", "views", "given"), BLENDED.values(), ids=BLENDED)


def _lists(value):
    return tuple(map(_lists, value)) if isinstance(value, tuple) else value.tolist()


@pytest.mark.whole
@each
def test_a_blended_loss_is_the_slow_twins(make: Callable[..., Objective], twin, views, given):
    expected = twin(*map(_lists, views), logit=LOGIT, **{name: _lists(value) for name, value in given.items()})
    for backend in ("dense", Tiled(size=7)):
        with use_backend(backend):
            outcome = make(blend=HALF).detail(*views, **given)
        assert outcome.per_anchor.tolist() == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert {"lambda", "exponent"} <= set(outcome.stats)


@each
def test_a_blend_without_lambda_is_no_blend(make: Callable[..., Objective], twin, views, given):
    nothing = Blend(gate=ConstantGate(0.0))
    gradients = []
    for objective in (make(blend=nothing), make()):
        leaves = [view.clone().requires_grad_() for view in views]
        loss = objective(*leaves, **given)
        gradients.append([loss, *torch.autograd.grad(loss, leaves)])
    for blended, plain in zip(*gradients, strict=True):
        torch.testing.assert_close(blended, plain, rtol=1e-11, atol=1e-12)


# The weights of ADNCE and the denominators of the global losses have no gradient; the contract's surrogates hold that.
@pytest.mark.parametrize("name", [name for name in BLENDED if name not in ("adnce", "sog_clr", "fast_clip")])
def test_the_gradient_of_a_blended_loss_is_its_derivative(name: str):
    make, _, views, given = BLENDED[name]
    samples = slice(0, 6)
    few = {
        name: tuple(row[samples] for row in value)
        if name == "keys"
        else value
        if name.startswith("queue")
        else value[samples]
        for name, value in given.items()
    }
    leaves = [view[samples].clone().requires_grad_() for view in views]
    assert torch.autograd.gradcheck(lambda *rows: make(blend=HALF)(*rows, **few), leaves, fast_mode=True)


@pytest.mark.parametrize("gate", ["likelihood", "published"])
def test_info_nce_with_a_blend_is_weince(gate: str):
    views = batches.clustered()
    blended = InfoNCE(temperature=0.2, blend=Blend(gate=gate, exponent="anchor")).detail(*views)
    weince = WEINCE(temperature=0.2, gate=gate, exponent="anchor").detail(*views)
    assert torch.equal(blended.per_anchor, weince.per_anchor)
    assert set(blended.stats) == set(weince.stats)


def test_the_gradient_of_sog_clr_with_a_blend_is_that_of_its_first_visit():
    # At a first visit u is the batch's own mean, so the gradient is that of tau (log mean exp(logit) - logit_positive).
    views = [view.clone().requires_grad_() for view in VIEWS]
    loss = SogCLR(num_samples=24, temperature=0.2, blend=HALF)(*views, **IDS)
    rows = torch.nn.functional.normalize(torch.cat(views))
    scores, samples = rows @ rows.T, torch.arange(48) % 24
    logits = 0.5 * scores / 0.2 - 1.5 * (1.0 - scores).clamp_min(1e-6).log()
    negatives = logits.masked_fill(samples == samples.unsqueeze(1), -torch.inf).logsumexp(dim=1)
    plain = 0.2 * (negatives - logits[torch.arange(48), (torch.arange(48) + 24) % 48]).mean()
    torch.testing.assert_close(torch.autograd.grad(loss, views), torch.autograd.grad(plain, views))
