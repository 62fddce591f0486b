"""Side by side with lightly. Its losses are means over the 2n outputs, as ours are but for BYOL's: no factor."""

import copy
import math

import pytest
import torch

from anchorwise import (
    DCL,
    DCLW,
    DINO,
    WEINCE,
    BarlowTwins,
    CrossViewInfoNCE,
    InfoNCE,
    KoLeo,
    MoCo,
    Prediction,
    SwAV,
    VICReg,
)
from anchorwise.adapters.lightly import NTXentLoss
from anchorwise.models.centre import Centre
from anchorwise.models.queue import Queue
from tests.parity.peers import assert_same, marks, peer, rows, two_views, value_and_gradients

loss, models = peer("lightly", "loss"), peer("lightly", "models.modules")
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


def test_barlow_twins():
    assert_same(BarlowTwins(off_diagonal_weight=0.005), loss.BarlowTwinsLoss(), two_views(), tolerance=1e-9)


def test_vicreg():
    assert_same(VICReg(), loss.VICRegLoss(), two_views(), tolerance=1e-9)


def _dino_inputs() -> tuple[list[torch.Tensor], list[torch.Tensor], torch.Tensor]:
    students = [*two_views(), rows(12, seed=6)]
    return students, [rows(12, seed=seed) for seed in (7, 8)], rows(1, seed=9)[0]


def test_dino_of_two_crops_and_a_small_one():
    students, teachers, centre = _dino_inputs()
    criterion = loss.DINOLoss(output_dim=8, teacher_temp=0.04).double()
    criterion.center = centre.reshape(1, 1, -1)
    ours = DINO()
    assert_same(
        lambda *views: ours(*views, keys=teachers, centre=centre),
        # Theirs moves its own centre after every loss.
        lambda *views: copy.deepcopy(criterion)(teachers, list(views)),
        students,
        tolerance=1e-6,  # Theirs rounds its teacher's temperature to float32.
    )


def test_dinos_centre_follows_the_same_mean():
    students, teachers, _ = _dino_inputs()
    criterion, centre = loss.DINOLoss(output_dim=8, center_momentum=0.9).double(), Centre(8, 0.9).double()
    for _ in range(3):
        criterion(teachers, students)
        centre.follow(teachers)
    torch.testing.assert_close(centre.value, criterion.center.flatten())


def test_byol_is_four_times_theirs_which_is_a_mean_without_its_constant():
    predictions, targets = two_views(), (rows(12, seed=7), rows(12, seed=8))
    cosine = loss.NegativeCosineSimilarity()

    def theirs(view0: torch.Tensor, view1: torch.Tensor) -> torch.Tensor:
        return 0.5 * (cosine(view0, targets[1]) + cosine(view1, targets[0]))

    assert_same(lambda *views: Prediction()(*views, keys=targets) / 4 - 1, theirs, predictions, tolerance=1e-9)


def test_simsiam():
    predictions, targets = two_views(), (rows(12, seed=7), rows(12, seed=8))
    cosine = loss.NegativeCosineSimilarity()

    def theirs(view0: torch.Tensor, view1: torch.Tensor) -> torch.Tensor:
        return 0.5 * (cosine(view0, targets[1]) + cosine(view1, targets[0]))

    ours = Prediction(form="simsiam")
    assert_same(lambda *views: ours(*views, keys=targets), theirs, predictions, tolerance=1e-9)


def test_nnclr_takes_all_rows_there_and_one_direction_here():
    """Theirs is NT-Xent between neighbours and predictions: 2n - 1 candidates, where solo-learn and we have n."""
    neighbours, predictions = two_views()
    theirs = loss.NTXentLoss(temperature=0.1)
    assert_same(lambda view: InfoNCE(temperature=0.1)(neighbours, view), lambda v: theirs(neighbours, v), [predictions])
    ours = CrossViewInfoNCE(temperature=0.1, both_directions=False)
    assert ours(neighbours, predictions) < theirs(neighbours, predictions)


def test_the_neighbour_in_the_queue_is_theirs():
    bank = models.NNMemoryBankModule(size=(20, 8))
    queue, earlier, views = Queue(20, 8), rows(20, seed=3, unit=True).float(), two_views()[0].float()
    queue.push(earlier, torch.arange(20))
    bank.bank = earlier
    bank.bank_ptr = torch.zeros(1, dtype=torch.long)
    torch.testing.assert_close(queue.nearest(views), bank(views, update=False))


def test_swav_of_crops_has_their_value_and_gradient():
    centres, crops = rows(5, seed=4, unit=True), [*two_views(unit=True), rows(12, seed=6, unit=True)]

    def theirs(*views: torch.Tensor) -> torch.Tensor:
        units = [torch.nn.functional.normalize(view) for view in views]
        return loss.SwaVLoss()([unit @ centres.T for unit in units[:2]], [unit @ centres.T for unit in units[2:]])

    assert_same(lambda *views: SwAV()(*views, prototypes=centres), theirs, crops, tolerance=1e-9)
