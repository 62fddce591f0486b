"""Every method: its loss beside one put together by hand, and what all methods promise."""

import copy
import math

import pytest
import torch
from torch import Tensor, nn

from anchorwise import CrossViewInfoNCE, InfoNCE, SupCon
from anchorwise import MoCo as MoCoObjective
from anchorwise.methods.base import Batch, Method, Parts
from anchorwise.methods.registry import METHODS
from anchorwise.models import Encoder, HeadConfig

NUM_STEPS = 8
SMALL = HeadConfig(hidden_width=6, output_width=4)


def _encoder() -> Encoder:
    torch.manual_seed(0)
    return Encoder(nn.Sequential(nn.Flatten(), nn.Linear(12, 8), nn.BatchNorm1d(8)), num_features=8)


def _settings(name: str) -> dict[str, object]:
    own = {
        "moco": {"num_queued": 16},
        "swav": {"num_prototypes": 5, "num_small": 1, "num_queued": 12, "queue_from_epoch": 0, "freeze_epochs": 0},
        "nnclr": {"num_queued": 16},
    }
    predictor = {"predictor": SMALL} if "predictor" in METHODS[name].Config.model_fields else {}
    return {
        "head": METHODS[name]
        .Config()
        .head.model_copy(update=SMALL.model_dump(include={"hidden_width", "output_width"})),
        **predictor,
        **own.get(name, {}),
    }


def _method(name: str, objective: object = None, **settings: object) -> Method:
    make = METHODS[name]
    parts = Parts(_encoder(), objective or make.default_objective(), num_steps=NUM_STEPS, steps_per_epoch=2)
    return make(parts, make.Config(**{**_settings(name), **settings})).double()


def _views(method: Method, step: int) -> tuple[list[Tensor], Batch]:
    generator = torch.Generator().manual_seed(step)
    views = [torch.randn(6, 3, 2, 2, dtype=torch.float64, generator=generator) for _ in range(method.plan.total)]
    return views, Batch(torch.arange(6) + 6 * (step % 3), torch.arange(6) % 2)


def _train(method: Method, optimizer: torch.optim.Optimizer, steps: range) -> list[float]:
    losses = []
    for step in steps:
        method.before_step(step)
        result = method(*_views(method, step))
        optimizer.zero_grad(set_to_none=True)
        result.outcome.loss.backward()
        method.after_backward(step)
        optimizer.step()
        method.after_step(step)
        losses.append(result.outcome.loss.item())
    return losses


def _optimizer(method: Method) -> torch.optim.Optimizer:
    return torch.optim.SGD([weight for weight in method.parameters() if weight.requires_grad], lr=0.1, momentum=0.9)


@pytest.mark.parametrize("name", METHODS)
def test_all_that_a_resumed_run_needs_is_in_the_state_dictionary(name: str):
    whole = _method(name)
    expected = _train(whole, _optimizer(whole), range(NUM_STEPS))
    first = _method(name)
    optimizer = _optimizer(first)
    begun = _train(first, optimizer, range(4))
    second = _method(name)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    resumed = _optimizer(second)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    assert begun + _train(second, resumed, range(4, NUM_STEPS)) == expected


@pytest.mark.parametrize("name", METHODS)
def test_gradients_reach_every_trainable_parameter_and_no_copy(name: str):
    method = _method(name)
    optimizer = _optimizer(method)
    _train(method, optimizer, range(3))
    for parameter_name, weight in method.named_parameters():
        assert weight.requires_grad == ("twin." not in parameter_name), parameter_name
        if weight.requires_grad:
            assert weight.grad is not None, parameter_name
            assert weight.grad.abs().max() > 0, parameter_name
        else:
            assert weight.grad is None


@pytest.mark.parametrize("name", METHODS)
def test_a_parameter_is_saved_once(name: str):
    method = _method(name)
    places = [tensor.data_ptr() for tensor in method.state_dict().values() if tensor.numel() > 1]
    assert len(places) == len(set(places))


@pytest.mark.parametrize("name", METHODS)
def test_what_the_default_objective_needs_is_given(name: str):
    assert set(METHODS[name].default_objective().inputs.needs) <= METHODS[name].gives


@pytest.mark.parametrize("name", METHODS)
def test_the_loss_of_a_method_is_the_mean_over_its_anchors(name: str):
    method = _method(name)
    _train(method, _optimizer(method), range(2))
    outcome = method(*_views(method, 2)).outcome
    assert outcome.loss.item() == pytest.approx(outcome.per_anchor.mean().item())


def test_an_objective_that_needs_what_a_method_does_not_give_is_refused():
    with pytest.raises(ValueError, match=r"SimCLR cannot train MoCo, which needs negatives; it gives ids, labels\."):
        _method("simclr", MoCoObjective())


def test_simclr_hands_labels_to_an_objective_that_needs_them_and_takes_more_views():
    method = _method("simclr", SupCon())
    views, batch = _views(method, 0)
    rows = method.online(torch.cat(views)).chunk(2)
    assert method(views, batch).outcome.loss.item() == pytest.approx(SupCon()(*rows, labels=batch.labels).item())


def test_moco_compares_with_the_queue_as_it_was_before_the_step():
    method = _method("moco")
    optimizer = _optimizer(method)
    _train(method, optimizer, range(3))
    queue, ids = method.queue.rows.clone(), method.queue.ids.clone()
    views, batch = _views(method, 3)
    query, key = method.online(views[0]), method.twin(views[1])
    loss = MoCoObjective(temperature=0.2)(query, key, negatives=queue, negative_ids=ids, ids=batch.ids)
    outcome = method(views, batch).outcome
    assert outcome.loss.item() == pytest.approx(loss.item(), rel=1e-12)
    assert set(batch.ids.tolist()) <= set(method.queue.ids.tolist())


def test_moco_that_never_follows_is_a_loop_over_stored_keys():
    method = _method("moco", momentum=1.0, num_queued=18, random_queue=False)
    optimizer, stored, losses = _optimizer(method), [], []
    for step in range(3):
        views, _ = _views(method, step)
        with torch.no_grad():
            query, key = method.online(views[0]).tolist(), method.twin(views[1]).tolist()
        losses.append(_slow_moco(query, key, stored))
        assert _train(method, optimizer, range(step, step + 1)) == pytest.approx([losses[-1]], rel=1e-6)
        stored += key
    assert losses[0] == 0.0


def _slow_moco(queries: list[list[float]], keys: list[list[float]], stored: list[list[float]]) -> float:
    def cosine(a: list[float], b: list[float]) -> float:
        return math.fsum(x * y for x, y in zip(a, b, strict=True)) / (math.hypot(*a) * math.hypot(*b))

    losses = []
    for query, key in zip(queries, keys, strict=True):
        own = math.exp(cosine(query, key) / 0.2)
        losses.append(-math.log(own / (own + math.fsum(math.exp(cosine(query, other) / 0.2) for other in stored))))
    return math.fsum(losses) / len(losses)


def test_a_symmetric_moco_adds_both_directions_and_queues_both_keys_afterwards():
    method = _method("moco", symmetric=True, num_queued=12)
    queue, ids = method.queue.rows.clone(), method.queue.ids.clone()
    views, batch = _views(method, 0)
    loss = 0.0
    for query, key in ((0, 1), (1, 0)):
        rows = method.online(views[query]), method.twin(views[key])
        loss += MoCoObjective(temperature=0.2)(*rows, negatives=queue, negative_ids=ids, ids=batch.ids).item()
    assert method(views, batch).outcome.loss.item() == pytest.approx(loss, rel=1e-12)
    assert sorted(method.queue.ids.tolist()) == sorted(batch.ids.tolist() * 2)


def test_moco_v3_without_predictor_and_momentum_is_the_cross_view_loss_in_both_directions():
    method = _method("moco_v3", momentum=0.0)
    method.predictor = nn.Identity()
    method.before_step(0)
    views, batch = _views(method, 0)
    rows = [method.online(view) for view in views]
    one_way = CrossViewInfoNCE(temperature=0.2, both_directions=False)
    expected = 2 * 0.2 * sum(one_way(rows[view], rows[1 - view].detach()).item() for view in (0, 1))
    assert method(views, batch).outcome.loss.item() == pytest.approx(expected, rel=1e-12)


def test_swav_holds_its_prototypes_still_at_first_and_then_at_length_one():
    method = _method("swav", freeze_epochs=1, num_queued=0)
    method.before_step(0)
    start, optimizer = method.prototypes.detach().clone(), _optimizer(method)
    _train(method, optimizer, range(2))
    torch.testing.assert_close(method.prototypes.detach(), start, rtol=0, atol=1e-15)
    assert method.prototypes not in optimizer.state
    _train(method, optimizer, range(2, 3))
    assert not torch.allclose(method.prototypes.detach(), start)
    method.before_step(3)
    torch.testing.assert_close(method.prototypes.detach().norm(dim=1), torch.ones(5, dtype=torch.float64))


def test_swav_uses_its_queues_once_they_are_full():
    seen = []
    method = _method("swav", num_queued=12, num_small=0)
    detail = method.objective.detail
    method.objective.detail = lambda *rows, queues=None, **given: (
        seen.append(queues),
        detail(*rows, queues=queues, **given),
    )[1]
    _train(method, _optimizer(method), range(4))
    assert [queues is not None for queues in seen] == [False, False, True, True]


def test_nnclr_with_a_queue_of_the_same_rows_is_its_own_neighbour():
    method = _method("nnclr")
    views, batch = _views(method, 0)
    rows = [method.online(view) for view in views]
    predictions = [method.predictor(row) for row in rows]
    loss = CrossViewInfoNCE(temperature=0.1, both_directions=False)
    empty = (loss(rows[0].detach(), predictions[1]) + loss(rows[1].detach(), predictions[0])) / 2
    assert method(views, batch).outcome.loss.item() == pytest.approx(empty.item(), rel=1e-12)
    assert method.queue.ids.tolist()[:6] == batch.ids.tolist()


def test_byol_follows_after_the_update_and_moco_before_the_keys():
    byol, moco = _method("byol", momentum=0.0), _method("moco", momentum=0.0)
    _train(byol, _optimizer(byol), range(1))
    _train(moco, _optimizer(moco), range(1))
    same = [torch.equal(*pair) for pair in zip(byol.twin.network.parameters(), byol.online.parameters(), strict=True)]
    assert all(same)
    assert not all(
        torch.equal(*pair) for pair in zip(moco.twin.network.parameters(), moco.online.parameters(), strict=True)
    )


def test_the_rate_of_simsiams_predictor_is_to_stay():
    method = _method("simsiam")
    assert {id(weight) for weight in method.constant_rate()} == {id(weight) for weight in method.predictor.parameters()}
    assert not _method("simsiam", constant_predictor_rate=False).constant_rate()


def test_the_views_of_simclr_share_the_statistics_of_batch_normalisation():
    method = _method("simclr", InfoNCE())
    views, batch = _views(method, 0)
    together = method.online(torch.cat(views)).chunk(2)
    apart = [method.online(view) for view in views]
    assert method(views, batch).outcome.loss.item() == pytest.approx(InfoNCE()(*together).item())
    assert method(views, batch).outcome.loss.item() != pytest.approx(InfoNCE()(*apart).item())
