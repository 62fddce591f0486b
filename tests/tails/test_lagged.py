import pytest
import torch

from anchorwise import WEINCE, Weibit, engine
from anchorwise.engine import Tiled, use_backend
from anchorwise.engine.tiled.space import Space
from anchorwise.tails import LaggedExponent
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


def test_the_loss_is_one_pass_over_the_scores(monkeypatch):
    tiles, products = [], Space.products
    monkeypatch.setattr(Space, "products", lambda *given: (tiles.append(None), products(*given))[1])
    counts, views = {}, batches.ordinary()
    for exponent in ("batch", "lagged", 3.0):
        objective = Weibit(exponent=exponent)
        with use_backend(Tiled(size=16)), torch.no_grad():
            objective(*views)
            tiles.clear()
            objective(*views)
        counts[exponent] = len(tiles)
    assert counts["lagged"] == counts[3.0] == counts["batch"] / 2


def test_the_hardest_negatives_alone_are_no_statistics():
    lagged, batch = Weibit(exponent="lagged", num_hardest=3), Weibit(exponent="batch", num_hardest=3)
    for seed in (0, 1):
        lagged(*batches.ordinary(seed=seed))
    expected = batch.detail(*batches.ordinary(seed=1)).stats["exponent"][0]
    assert lagged.detail(*batches.ordinary(seed=2)).stats["exponent"][0] == pytest.approx(expected.item())


def test_a_gate_that_reads_the_batch_refuses_a_lag():
    for exponent in ("lagged", LaggedExponent()):
        with pytest.raises(ValueError, match=r"exponent must not lag here.*Weibit\(exponent='lagged'\)"):
            WEINCE(exponent=exponent)
    assert engine.Watch(torch.zeros(2), 1.0).sums is None
