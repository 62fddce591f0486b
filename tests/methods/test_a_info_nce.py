"""A-InfoNCE: its loss put together by hand, what the attack may do and what it leaves alone."""

import copy

import pytest
import torch
from torch import Tensor

from anchorwise import AsymmetricInfoNCE, InfoNCE
from anchorwise.methods import AInfoNCE
from anchorwise.modalities.attack import AttackConfig, attacked
from anchorwise.modalities.images.views.maker import RandomViews
from anchorwise.modalities.images.views.policies import POLICIES
from anchorwise.modalities.own.views import OwnViews
from anchorwise.modalities.pixel_range import PixelRange
from anchorwise.modalities.samples import Batch
from anchorwise.modalities.views import ViewPlan
from tests.methods.training import clock_at, method_of, optimizer_of, train, views_of_step

STILL = AttackConfig(radius=0.0)


def test_the_loss_is_that_of_clean_views_and_of_the_attacked_one_with_each():
    method = method_of("a_info_nce", attack=STILL, temperature=0.3, adversarial_weight=0.7)
    views, batch = views_of_step(method, 0)
    clean, adversarial = method.online(torch.cat(views)).chunk(2), method.adversarial(views[0])
    term = sum(AsymmetricInfoNCE()(adversarial, rows) for rows in clean) / 2
    expected = InfoNCE(temperature=0.3)(*clean) + 0.7 * term
    found = method(views, batch).outcome
    assert found.loss.item() == pytest.approx(expected.item(), rel=1e-12)
    assert found.loss.item() == pytest.approx(found.per_anchor.mean().item(), rel=1e-12)
    assert set(found.stats) == {"positive_score", "adversarial_positive_score"}


def test_hard_negatives_are_settings_of_the_objective():
    views, batch = views_of_step(method_of("a_info_nce"), 0)
    losses = [
        method_of("a_info_nce", AsymmetricInfoNCE(**hn), attack=STILL)(views, batch).outcome.loss.item()
        for hn in ({}, {"beta": 1.0, "positive_prior": 0.12})
    ]
    assert losses[0] != pytest.approx(losses[1], rel=1e-3)


@pytest.mark.parametrize("norm", ["batch", "layer"])
def test_the_networks_share_all_but_batch_normalisation(norm: str):
    method = method_of("a_info_nce", norm=norm)
    train(method, optimizer_of(method), range(3))
    one, other = (dict(network.named_parameters()) for network in (method.online, method.adversarial))
    apart = {name for name in one if one[name] is not other[name]}
    normalised = {"encoder.backbone.2.weight", "encoder.backbone.2.bias", "head.layers.1.weight", "head.layers.1.bias"}
    assert apart == (normalised if norm == "batch" else set())
    assert all(not torch.equal(one[name], other[name]) for name in apart)


def test_an_attack_moves_neither_gradients_nor_running_statistics_and_adversarial_rows_their_own_set_alone():
    method = method_of("a_info_nce")
    views, batch = views_of_step(method, 0)
    keys = method.online(views[1]).detach()
    before = copy.deepcopy(method.state_dict())
    method._attacked(views[0], keys, batch)
    assert all(torch.equal(value, before[name]) for name, value in method.state_dict().items())
    assert all(weight.grad is None for weight in method.parameters())
    method.adversarial(views[0])
    changed = {name for name, value in method.state_dict().items() if not torch.equal(value, before[name])}
    assert changed
    assert all(name.startswith("adversarial.") for name in changed)


def test_every_step_raises_the_loss_of_a_still_network_within_the_ball_and_the_range():
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(3, 4, 4, generator=generator, dtype=torch.float64)
    pixels = torch.rand(5, 3, 4, 4, generator=generator, dtype=torch.float64)
    mean, std = (
        torch.tensor([0.4, 0.5, 0.6]).view(3, 1, 1).double(),
        torch.tensor([0.1, 0.2, 0.3]).view(3, 1, 1).double(),
    )
    view, within, seen = (pixels - mean) / std, PixelRange(mean, std), list[float]()

    def loss_of(changed: Tensor) -> Tensor:
        loss = torch.tanh(0.1 * (changed * weight).sum(dim=(1, 2, 3))).sum()
        seen.append(loss.item())
        return loss

    changed = attacked(view, loss_of, AttackConfig(num_steps=8), within, start=torch.zeros_like(view))
    assert seen == sorted(seen)
    assert loss_of(changed).item() > seen[0]
    moved = changed * std + mean
    assert float((moved - pixels).abs().max()) == pytest.approx(8 / 255)
    assert moved.min() >= -1e-12
    assert moved.max() <= 1 + 1e-12


@pytest.mark.parametrize("decay", [None, 0.0, 0.5, 1.0])
def test_where_the_gradient_is_the_same_everywhere_any_decay_ends_at_the_corner_of_the_ball(decay: float | None):
    weight = torch.tensor([3.0, -0.1, 0.0, 2.0, -5.0, 1e-9]).view(1, 1, 2, 3)
    view = torch.full((2, 1, 2, 3), 0.5)
    config = AttackConfig(radius=0.1, step_size=0.02, num_steps=5, decay=decay)
    start = torch.zeros_like(view)
    changed = attacked(view, lambda changed: (changed * weight).sum(), config, PixelRange(), start=start)
    torch.testing.assert_close(changed, view + 0.1 * weight.sign())


def test_momentum_keeps_the_direction_of_steps_of_other_lengths():
    """Gradients g and -2 g in turn, each brought to sum 1: without decay the way is back, with all of it there is none.

    By hand, of one pixel: directions +1; then decay * 1 - 1, whose sign is -1, or 0 where the decay is 1.
    """
    found = dict[float | None, float]()
    for decay in (None, 0.5, 1.0):
        slopes = iter([1.0, -2.0])
        config = AttackConfig(radius=0.5, step_size=0.125, num_steps=2, decay=decay)
        view = torch.full((1, 1, 1, 1), 0.5)
        start = torch.zeros_like(view)
        changed = attacked(view, lambda x, s=slopes: next(s) * x.sum(), config, PixelRange(), start=start)
        found[decay] = changed.item()
    assert found == {None: 0.5, 0.5: 0.5, 1.0: 0.625}


def test_an_image_without_a_gradient_is_left_by_momentum_as_it_is():
    view = torch.full((2, 1, 1, 1), 0.5)
    config = AttackConfig(radius=0.1, step_size=0.1, num_steps=2, decay=1.0)
    start = torch.zeros_like(view)
    changed = attacked(view, lambda changed: changed[0].sum(), config, PixelRange(), start=start)
    torch.testing.assert_close(changed.flatten(), torch.tensor([0.6, 0.5]))


def test_at_radius_0_a_view_stays_as_it_is():
    view = torch.rand(2, 3, 4, 4)
    start = torch.ones_like(view)
    assert torch.equal(attacked(view, lambda changed: changed.sum(), STILL, PixelRange(), start=start), view)


def test_attacks_start_elsewhere_at_every_step_and_are_resumed():
    method = method_of("a_info_nce", attack=AttackConfig(num_steps=1, step_size=0.0))
    views, batch = views_of_step(method, 0)
    found = []
    for step in range(2):
        found.append(method._attacked(views[0], method.online(views[1]).detach(), batch))
        method.after_step(clock_at(step))
    assert not torch.equal(*found)
    assert int(method.state_dict()["seed"]) == 2


def test_either_set_may_be_kept():
    clean, adversarial = method_of("a_info_nce"), method_of("a_info_nce", kept="adversarial")
    assert clean.encoder is clean.online.encoder
    assert adversarial.encoder is adversarial.adversarial.encoder
    assert "backbone.1.weight" in adversarial.encoder.state_dict()


def test_recipes_views_say_where_pixels_lie_and_others_are_refused_before_the_first_step():
    method = method_of("a_info_nce")
    method.meet(RandomViews(POLICIES["cifar"](), 3, 8, mean=[0.4, 0.5, 0.6], std=[0.1, 0.2, 0.4]))
    assert method.pixel_range.low.flatten().tolist() == pytest.approx([-4.0, -2.5, -1.5])
    assert method.pixel_range.high.flatten().tolist() == pytest.approx([6.0, 2.5, 1.0])
    with pytest.raises(ValueError, match="A-InfoNCE attacks pixels, and has to know where they lie"):
        method.meet(OwnViews(lambda image: image, ViewPlan(), on_batches=False))
    unmet = AInfoNCE(method.encoder, AsymmetricInfoNCE(), AInfoNCE.Config())
    views, batch = views_of_step(method, 0)
    with pytest.raises(ValueError, match=r"method\.meet\(views\)"):
        unmet.double()(views, batch)


def test_a_sample_that_stands_twice_in_a_batch_is_no_negative_of_itself():
    method, rows = method_of("a_info_nce"), torch.randn(2, 4, 8, dtype=torch.float64)
    ids = torch.tensor([5, 5, 1, 2])
    batch = Batch(rows[0], ids, draws=torch.arange(4))
    expected = method.between_clean(*rows, ids=ids)
    assert method._between_clean(*rows, batch=batch).loss == expected
    assert expected != method.between_clean(*rows)
