"""Side by side with LibAUC's global losses: gradients and state, since its values are surrogates.

GCLoss_v1 adds the two directions, so its gradients are twice ours, which are those of the mean over 2n anchors.
"""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from anchorwise import DCL, FastCLIP, ISogCLR, SogCLR
from tests.parity.peers import assert_same_gradients, marks, peer, two_views, value_and_gradients

contrastive = peer("libauc", "losses.contrastive")
pytestmark = marks

IDS = torch.arange(12)
# Both sides keep their tables in float32 where the test does not widen them.
FLOAT32 = 1e-5


def _theirs(**arguments: Any) -> Any:
    loss = contrastive.GCLoss_v1(N=30, device=torch.device("cpu"), **arguments)
    for name in ("u", "learnable_tau", "grad_tau"):
        if hasattr(loss, name):
            setattr(loss, name, getattr(loss, name).double())
    return loss


def _gradients(loss: Any, views: list[Tensor]) -> list[Tensor]:
    return value_and_gradients(loss, views)[1]


def test_sog_clr_has_half_their_gradients_and_the_same_table():
    ours, theirs = SogCLR(num_samples=30, temperature=0.2, gamma=0.6), _theirs(tau=0.2, gamma=0.6)
    first = two_views()
    # The second visit meets moved samples: the table matters.
    for views in (first, [view.flip(1) for view in first], first):
        assert_same_gradients(
            _gradients(lambda *pair: ours(*pair, ids=IDS), views),
            _gradients(lambda *pair: theirs(*pair, IDS), views),
            scale=2.0,
            tolerance=FLOAT32,
        )
        table = (ours.denominators.soft_maxima[:12] / 0.2).exp()
        torch.testing.assert_close(table, theirs.u[:12, 0].float(), rtol=FLOAT32, atol=0.0)


def test_an_unseen_sample_beside_seen_ones_starts_too_low_there():
    ours, theirs = SogCLR(num_samples=30, gamma=0.6), _theirs(gamma=0.6)
    views = two_views()
    for ids in (IDS, IDS + 6):
        ours(*views, ids=ids)
        theirs(*views, ids)
    # Samples 12 to 17 are new in the second batch. Theirs multiplies their estimates by gamma, as if u had been 0.
    estimates = SogCLR(num_samples=30, gamma=1.0)
    estimates(*views, ids=IDS + 6)
    expected = (estimates.denominators.soft_maxima[12:18] / 0.1).exp()
    table = (ours.denominators.soft_maxima[12:18] / 0.1).exp()
    torch.testing.assert_close(table, expected, rtol=FLOAT32, atol=0.0)
    torch.testing.assert_close(theirs.u[12:18, 0].float(), 0.6 * expected, rtol=FLOAT32, atol=0.0)


def test_low_temperatures_overflow_there():
    views = [view.float() for view in two_views()]
    same = [views[0], views[0] + 0.01 * views[1]]
    rows = [torch.cat([view[:6], view[:6]]) for view in same]
    theirs = _gradients(lambda *pair: contrastive.GCLoss_v1(N=30, tau=0.01, device="cpu")(*pair, IDS), rows)
    assert not theirs[0].isfinite().all()
    ours = SogCLR(num_samples=30, temperature=0.01)
    assert _gradients(lambda *pair: ours(*pair, ids=IDS), rows)[0].isfinite().all()


def test_the_tables_are_saved_here_and_not_there():
    assert "denominators.soft_maxima" in SogCLR(num_samples=30).state_dict()
    assert not _theirs().state_dict()


def test_i_sog_clr_moves_temperatures_as_theirs_does():
    given = {"rho": 0.3, "eta": 0.02, "beta": 0.9}
    ours = ISogCLR(num_samples=30, temperature=0.2, gamma=0.6, **given)
    theirs = _theirs(tau=0.2, gamma=0.6, enable_isogclr=True, **given)
    views = two_views()
    assert_same_gradients(
        _gradients(lambda *pair: ours(*pair, ids=IDS), views),
        _gradients(lambda *pair: theirs(*pair, IDS), views),
        scale=2.0,
        tolerance=FLOAT32,
    )
    moved = theirs.learnable_tau[:12, 0].float()
    torch.testing.assert_close(ours.temperatures[:12], moved, rtol=FLOAT32, atol=0.0)
    assert (moved != 0.2).any()


@pytest.mark.parametrize("num_samples", [8, 16])
def test_the_loss_of_two_modalities_is_too_large_by_the_number_of_negatives_there(num_samples: int):
    ours, loss = FastCLIP(num_samples=30, temperature=0.1), contrastive.GCLoss_v2(N=30, tau=0.1)
    loss.u1, loss.u2, loss.b1, loss.b2 = (table.double() for table in (loss.u1, loss.u2, loss.b1, loss.b2))
    ids = torch.arange(num_samples)
    assert_same_gradients(
        _gradients(lambda i, t: ours(i, t, ids=ids), two_views(num_samples)),
        _gradients(lambda i, t: loss(normalize(i), normalize(t), ids)[0], two_views(num_samples)),
        scale=num_samples - 1,
        tolerance=1e-9,
    )


def test_a_global_temperature_only_ever_falls_there():
    views = two_views(unit=True)
    signs, their_signs = set(), set()
    for tau in (0.01, 0.05, 0.2, 1.0):
        temperature = torch.tensor(tau, dtype=torch.float64, requires_grad=True)
        loss = FastCLIP(num_samples=30, rho=0.3)(*views, ids=IDS, logit_scale=1 / temperature)
        signs.add(float(torch.autograd.grad(loss, temperature)[0].sign()))
        theirs = contrastive.GCLoss_v2(N=30, tau=tau, rho=0.3, temperature_scheme="global_learnable")
        value, _ = theirs(*(view.float() for view in views), IDS)
        their_signs.add(float(torch.autograd.grad(value, theirs.tau)[0].sign()))
    assert signs == {-1.0, 1.0}
    assert their_signs == {1.0}


def test_sog_clr_at_gamma_one_is_dcl_times_the_temperature():
    ours = SogCLR(num_samples=30, temperature=0.3, gamma=1.0)
    assert_same_gradients(
        _gradients(DCL(temperature=0.3), two_views()),
        _gradients(lambda *pair: ours(*pair, ids=IDS), two_views()),
        scale=0.3,
    )
