import pytest
import torch

from anchorwise import WEINCE, Weibit
from tests.contracts import batches


def test_a_batch_has_the_median_of_the_one_before():
    lagged, batch = Weibit(exponent="lagged"), Weibit(exponent="batch")
    first, second = batches.ordinary(seed=0), batches.ordinary(seed=1)
    own = [batch.detail(*views).stats["exponent"][0].item() for views in (first, second)]
    assert own[0] != pytest.approx(own[1], rel=0.01)
    found = [lagged.detail(*views).stats["exponent"][0].item() for views in (first, second, second)]
    assert found == pytest.approx([own[0], own[0], own[1]])


def test_evaluation_leaves_the_exponent_as_it_is():
    lagged = Weibit(exponent="lagged")
    lagged(*batches.ordinary(seed=0))
    before = {name: value.clone() for name, value in lagged.state_dict().items()}
    assert before
    lagged.eval()
    lagged(*batches.ordinary(seed=1))
    assert all(torch.equal(value, before[name]) for name, value in lagged.state_dict().items())


def test_a_batch_without_a_tail_leaves_the_exponent_as_it_is():
    lagged = Weibit(exponent="lagged")
    lagged(*(view[:1] for view in batches.ordinary()))
    assert not lagged.exponent.seen
    lagged(*batches.ordinary())
    before = lagged.exponent.previous.clone()
    for empty in (batches.collapsed(), [view[:1] for view in batches.ordinary()]):
        lagged(*empty)
        assert lagged.exponent.previous == before


def test_the_hardest_negatives_alone_are_no_statistics():
    lagged, batch = Weibit(exponent="lagged", num_hardest=3), Weibit(exponent="batch", num_hardest=3)
    for seed in (0, 1):
        lagged(*batches.ordinary(seed=seed))
    expected = batch.detail(*batches.ordinary(seed=1)).stats["exponent"][0]
    assert lagged.detail(*batches.ordinary(seed=2)).stats["exponent"][0] == pytest.approx(expected.item())


def test_beside_a_gate_the_exponent_lags_as_well():
    lagged, batch = (WEINCE(exponent=name) for name in ("lagged", "batch"))
    first, second = batches.ordinary(seed=0), batches.ordinary(seed=1)
    expected = batch.detail(*first).stats["exponent"]
    lagged(*first)
    # Kept as float32.
    torch.testing.assert_close(lagged.detail(*second).stats["exponent"], expected, rtol=1e-6, atol=0.0)
