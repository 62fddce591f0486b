"""What objectives keep from batch to batch moves once a call, and with nothing that stands outside of a training."""

from itertools import combinations

import pytest
import torch
from torch.utils.checkpoint import checkpoint

from anchorwise import WEINCE, Blend, ISogCLR, PairwiseViews, SogCLR, SupReMix, Weibit
from anchorwise.adapters.lightly import NTXentLoss
from anchorwise.tails import ConstantGate
from tests.contracts import batches
from tests.contracts.cases import CASES, Case

VIEWS = tuple(view.float() for view in batches.ordinary())
STATEFUL = [case for case in CASES if case.objective().state_dict()]


@pytest.mark.whole  # Torch takes seconds to have its first function done anew.
@pytest.mark.parametrize("reentrant", [False, True])
@pytest.mark.parametrize(
    ("loss", "given", "message"),
    [
        (Weibit(exponent="lagged"), {}, "LaggedExponent must be called once .* the kept median moved: .* outside of"),
        (WEINCE(exponent="pooled"), {}, "PooledExponent must be called once"),
        (SogCLR(num_samples=24), {"ids": torch.arange(24)}, "SogCLR must be called once .* its tables moved"),
        (ISogCLR(num_samples=24), {"ids": torch.arange(24)}, "ISogCLR must be called once"),
        (SupReMix(), {"labels": torch.arange(24) % 5, "generator": torch.Generator()}, "SupReMix must be called once"),
        (NTXentLoss(memory_bank_size=(8, 6)), {}, "NTXentLoss must be called once .* its memory bank moved"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, torch.nn.Module) else "",
)
def test_a_second_pass_with_state_that_has_moved_is_refused(loss, given, message: str, reentrant: bool):
    view0 = VIEWS[0].clone().requires_grad_()
    value = checkpoint(lambda view: loss(view, VIEWS[1], **given), view0, use_reentrant=reentrant)
    with pytest.raises(RuntimeError, match=message):
        value.backward()


@pytest.mark.whole
def test_state_that_stands_still_allows_a_second_pass():
    objective = Weibit(exponent="lagged")
    objective(*VIEWS)
    objective.eval()
    gradients = []
    for call in (objective, lambda *views: checkpoint(objective, *views, use_reentrant=False)):
        view0 = VIEWS[1].clone().requires_grad_()
        gradients.append(torch.autograd.grad(call(view0, VIEWS[0]), view0)[0])
    assert torch.equal(*gradients)


@pytest.mark.parametrize("case", STATEFUL, ids=lambda case: case.name)
def test_a_first_loss_in_inference_mode_leaves_what_can_be_trained(case: Case):
    objective = case.objective()
    with torch.inference_mode():
        case.call(*VIEWS).loss(objective)
    view0 = VIEWS[0].clone().requires_grad_()
    case.call(view0, VIEWS[1]).loss(objective).backward()
    assert not any(value.is_inference() for value in objective.state_dict().values())


@pytest.mark.parametrize("size", [8, (8, 6)])
def test_a_bank_that_is_made_in_inference_mode_takes_keys_afterwards(size):
    loss = NTXentLoss(memory_bank_size=size)
    with torch.inference_mode():
        loss(*VIEWS)
    loss(VIEWS[0].clone().requires_grad_(), VIEWS[1]).backward()
    assert loss.memory_bank is not None
    torch.testing.assert_close(loss.memory_bank.bank, torch.nn.functional.normalize(VIEWS[1][:8]))


def test_pairs_of_views_meet_one_exponent_which_moves_once_to_the_mean_of_theirs():
    views, others = ((*batches.ordinary(seed=seed), batches.ordinary(seed=seed + 1)[0]) for seed in (0, 2))
    batch, lagged = Weibit(exponent="batch"), PairwiseViews(objective=Weibit(exponent="lagged"))
    own = torch.cat([batch.detail(*pair).stats["exponent"] for pair in combinations(views, 2)])
    torch.testing.assert_close(lagged.detail(*views).stats["exponent"], own)
    kept = lagged.detail(*others).stats["exponent"]
    torch.testing.assert_close(kept, own.mean().expand_as(kept), rtol=1e-6, atol=0)


def test_pairs_of_views_move_the_entries_of_a_table_once():
    views, ids = (*VIEWS, VIEWS[0] - 0.5 * VIEWS[1]), 2 * torch.arange(24)
    paired = PairwiseViews(objective=SogCLR(num_samples=48))
    for _ in range(2):
        held, tables = paired.objective.state_dict(), []
        for pair in combinations(views, 2):
            alone = SogCLR(num_samples=48)
            alone.load_state_dict(held)
            alone(*pair, ids=ids)
            tables.append(alone.denominators.soft_maxima)
        view0 = views[0].clone().requires_grad_()
        paired(view0, *views[1:], ids=ids).backward()
        table = next(paired.buffers())
        torch.testing.assert_close(table, torch.stack(tables).mean(dim=0))
        assert (table != 0).nonzero().flatten().tolist() == ids.tolist()


@pytest.mark.parametrize("name", ["clip", "moco_v3", "fast_clip", "dhel", "mv_dhel", "averaged_views", "soft_targets"])
def test_all_directions_of_a_first_batch_have_their_own_exponent(name: str):
    case = next(case for case in CASES if case.name == name)
    losses = [
        case.loss(*VIEWS, blend=Blend(gate=ConstantGate(0.5), exponent=exponent)) for exponent in ("lagged", "batch")
    ]
    assert losses[0] == losses[1]
