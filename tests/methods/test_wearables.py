"""The wearables' method: its loss beside MoCo v3's and KoLeo's, who meets whom, and what gets a gradient."""

import pytest
import torch
from torch import Tensor

from anchorwise import CrossViewInfoNCE, InfoNCE, KoLeo, Mixture, MoCoV3
from anchorwise.modalities.samples import Batch
from tests.methods.training import clock_at, method_of, optimizer_of, train, views_of_step


def _begun(**settings):
    """Return a method whose copy is not what it follows any more, and views; no layer looks at the batch."""
    method = method_of("wearables", norm="layer", **settings)
    train(method, optimizer_of(method), range(3))
    return method, *views_of_step(method, 3)


def _rows(method, views) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    return tuple(map(method.online, views)), tuple(map(method.twin, views))


def _gradient(method, loss: Tensor) -> Tensor:
    weights = list(method.online.parameters())
    return torch.cat([part.flatten() for part in torch.autograd.grad(loss, weights)])


def test_the_loss_is_moco_v3s_without_its_factor_and_koleo_of_the_trained_rows():
    method, views, batch = _begun()
    rows, keys = _rows(method, views)
    by_hand = MoCoV3(temperature=0.04, source_scale=False)(*rows, keys=keys) + 0.1 * KoLeo()(*rows)
    loss = method(views, batch).outcome.loss
    assert loss.item() == pytest.approx(by_hand.item(), rel=1e-12)
    torch.testing.assert_close(_gradient(method, loss), _gradient(method, by_hand), rtol=1e-9, atol=1e-12)


def test_a_view_meets_the_copys_row_of_the_other_view_and_never_of_its_own():
    method, views, batch = _begun(koleo_weight=0.0)
    rows, keys = _rows(method, views)
    swapped = MoCoV3(temperature=0.04, source_scale=False)(*rows, keys=(keys[1], keys[0]))
    assert abs(method(views, batch).outcome.loss.item() - swapped.item()) > 0.1
    # The copy's rows of view 0 are those that queries of view 1 look for.
    moved = [views[0], torch.zeros_like(views[1])]
    first = method.loss(rows[0], keys[1], batch=batch).loss
    assert method.loss(method.online(moved[0]), keys[1], batch=batch).loss.item() == pytest.approx(first.item())


def test_koleo_pushes_the_trained_rows():
    method, views, batch = _begun()
    rows, _ = _rows(method, views)
    with_koleo = _gradient(method, method(views, batch).outcome.loss)
    method.koleo_weight = 0.0
    without = _gradient(method, method(views, batch).outcome.loss)
    of_koleo = _gradient(method, 0.1 * KoLeo()(*rows))
    assert of_koleo.abs().max() > 1e-3
    torch.testing.assert_close(with_koleo - without, of_koleo, rtol=1e-7, atol=1e-10)


def test_a_copy_of_momentum_0_gives_the_value_of_the_mixture_without_a_copy_and_not_its_gradient():
    method, views, batch = _begun(momentum=0.0)
    method.before_step(clock_at(3))
    rows, _ = _rows(method, views)
    mixture = Mixture(objectives=[CrossViewInfoNCE(temperature=0.04), KoLeo()], weights=(1.0, 0.1))(*rows)
    loss = method(views, batch).outcome.loss
    assert loss.item() == pytest.approx(mixture.item(), rel=1e-12)
    assert not torch.allclose(_gradient(method, loss), _gradient(method, mixture), rtol=1e-2)


def test_infonce_in_its_place_is_the_contrast_of_the_released_code_whose_koleo_is_halved():
    method, views, batch = _begun()
    released = method_of("wearables", InfoNCE(temperature=0.04), norm="layer", koleo_weight=0.05)
    released.load_state_dict(method.state_dict())
    rows, keys = _rows(released, views)
    contrast = (InfoNCE(temperature=0.04)(rows[0], keys[1]) + InfoNCE(temperature=0.04)(rows[1], keys[0])) / 2
    apart = (KoLeo()(rows[0], keys[1]) + KoLeo()(rows[1], keys[0])) / 2
    by_hand = _gradient(released, contrast + 0.1 * apart)
    torch.testing.assert_close(_gradient(released, released(views, batch).outcome.loss), by_hand, rtol=1e-9, atol=1e-12)


def test_two_rows_of_one_participant_are_neither_negatives_nor_neighbours_where_groups_are_left_out():
    method, views, batch = _begun()
    alone = method(views, batch).outcome.loss.item()
    grouped = Batch(batch.raw, batch.ids, batch.labels, groups=torch.tensor([0, 0, 1, 2, 3, 4]))
    together = method(views, grouped).outcome
    rows, keys = _rows(method, views)
    ids = grouped.groups
    by_hand = MoCoV3(temperature=0.04, source_scale=False)(*rows, keys=keys, ids=ids) + 0.1 * KoLeo()(*rows, ids=ids)
    assert together.loss.item() == pytest.approx(by_hand.item(), rel=1e-12)
    assert together.loss.item() != alone
