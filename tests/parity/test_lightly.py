"""Side by side with lightly. Its losses are means over the 2n outputs, as ours are: no factor between them."""

import math

import pytest
import torch

from anchorwise import DCL, DCLW, WEINCE, CrossViewInfoNCE, InfoNCE, KoLeo, MoCo, SwAV
from anchorwise.adapters.lightly import NTXentLoss
from tests.parity.peers import assert_same, marks, peer, rows, two_views, value_and_gradients

loss = peer("lightly", "loss")
pytestmark = marks


@pytest.mark.parametrize("temperature", [0.05, 0.5])
def test_nt_xent_is_info_nce(temperature: float):
    assert_same(InfoNCE(temperature=temperature), loss.NTXentLoss(temperature=temperature), two_views())


def test_the_adapter_is_a_drop_in():
    assert_same(NTXentLoss(), loss.NTXentLoss(), two_views())
    assert_same(NTXentLoss(0.1, 0, False), loss.NTXentLoss(0.1, 0, False), two_views())
    assert_same(NTXentLoss(memory_bank_size=(0, 128)), loss.NTXentLoss(memory_bank_size=(0, 128)), two_views())


def test_the_adapter_stands_in_for_the_other_losses_of_two_views():
    assert_same(NTXentLoss(objective=DCL(temperature=0.1)), loss.DCLLoss(temperature=0.1), two_views())


def test_one_sample_has_loss_zero_in_both():
    views = [view[:1] for view in two_views()]
    assert InfoNCE()(*views) == 0.0 == loss.NTXentLoss()(*views)


@pytest.mark.parametrize("temperature", [0.07, 0.5])
def test_dcl(temperature: float):
    assert_same(DCL(temperature=temperature), loss.DCLLoss(temperature=temperature), two_views())


def test_dclw_without_the_gradient_of_its_weights():
    ours = DCLW(temperature=0.1, sigma=0.4, detach_weights=True)
    assert_same(ours, loss.DCLWLoss(temperature=0.1, sigma=0.4), two_views())


def test_dclw_with_the_gradient_of_its_weights_has_the_same_value():
    value, gradients = value_and_gradients(DCLW(temperature=0.1, sigma=0.5), two_views())
    their_value, their_gradients = value_and_gradients(loss.DCLWLoss(temperature=0.1, sigma=0.5), two_views())
    torch.testing.assert_close(value, their_value)
    assert (gradients[0] - their_gradients[0]).norm() > 0.01 * their_gradients[0].norm()


def test_dcl_of_one_sample_is_minus_infinity_there_and_an_error_here():
    views = [view[:1] for view in two_views()]
    assert loss.DCLLoss()(*views) == -math.inf
    with pytest.raises(ValueError, match="at least 2 samples"):
        DCL()(*views)


def test_the_memory_bank_is_moco():
    bank = loss.NTXentLoss(temperature=0.1, memory_bank_size=(20, 8)).double()
    bank.memory_bank.bank = rows(20, seed=3, unit=True)
    bank.memory_bank.bank_ptr = torch.zeros(1, dtype=torch.long)
    queue = rows(20, seed=3, unit=True)
    queries, keys = two_views()
    assert_same(lambda view: MoCo(temperature=0.1)(view, keys, queue=queue), lambda view: bank(view, keys), [queries])


def test_the_adapter_holds_the_memory_bank_that_theirs_holds():
    losses = []
    for make in (NTXentLoss, loss.NTXentLoss):
        torch.manual_seed(0)
        criterion, generator = make(0.1, (30, 8)), torch.Generator().manual_seed(1)
        for update in (True, True, True, False, True):  # Twelve keys at a time: the ring is full at the third batch.
            queries, keys = (torch.randn(12, 8, generator=generator) for _ in range(2))
            losses.append(criterion(queries.requires_grad_(update), keys))
    torch.testing.assert_close(torch.stack(losses[:5]), torch.stack(losses[5:]), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("criterion", [NTXentLoss, loss.NTXentLoss])
def test_gathering_is_refused_where_torch_has_no_distributed_package(criterion: type, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.distributed, "is_available", lambda: False)
    with pytest.raises(ValueError, match="gather_distributed"):
        criterion(gather_distributed=True)


@pytest.mark.parametrize("criterion", [NTXentLoss, loss.NTXentLoss])
@pytest.mark.parametrize("size", [-1, (-1, 8), (1, 2, 3)])
def test_a_memory_bank_that_is_none_is_refused(criterion: type, size: int | tuple[int, ...]):
    with pytest.raises(ValueError, match=r"(?i)memory.bank"):
        criterion(memory_bank_size=size)


def test_cross_view_info_nce_is_another_loss():
    value, _ = value_and_gradients(CrossViewInfoNCE(temperature=0.5), two_views())
    assert value < 0.95 * loss.NTXentLoss(temperature=0.5)(*two_views())


def test_swav_of_two_crops():
    features, prototypes = two_views(unit=True), rows(5, seed=4, unit=True)

    def theirs(view0: torch.Tensor, view1: torch.Tensor, centres: torch.Tensor) -> torch.Tensor:
        return loss.SwaVLoss()([view0 @ centres.T, view1 @ centres.T], []).sum()

    ours = lambda view0, view1, centres: SwAV()(view0, view1, prototypes=centres)  # noqa: E731
    value, _ = value_and_gradients(ours, [*features, prototypes])
    torch.testing.assert_close(value, theirs(*features, prototypes), rtol=1e-9, atol=0.0)


def test_swav_overflows_there_where_sinkhorn_is_not_in_log_space():
    features, prototypes = two_views(unit=True), rows(5, seed=4, unit=True)
    theirs = loss.SwaVLoss(sinkhorn_epsilon=0.001)([view @ prototypes.T for view in features], [])
    assert theirs.isnan().all()
    assert SwAV(epsilon=0.001)(*features, prototypes=prototypes).isfinite()


def test_ko_leo():
    # Theirs adds 1e-8 to distances.
    assert_same(KoLeo(), loss.KoLeoLoss(), [rows(12, seed=5)], tolerance=1e-6)


def test_weince_drops_in_where_nt_xent_was():
    criterion = NTXentLoss(objective=WEINCE(temperature=0.2))
    assert_same(criterion, WEINCE(temperature=0.2), two_views())
