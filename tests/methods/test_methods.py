"""Every method: its loss beside one put together by hand, and what all methods promise."""

import copy
import math
from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
from torch import nn

from anchorwise import Blend, CrossViewInfoNCE, InfoNCE, Objective, Outcome, SogCLR, SupCon, SupReMix
from anchorwise import MoCo as MoCoObjective
from anchorwise.methods import METHODS, base
from anchorwise.methods.base import check_objective
from anchorwise.modalities.samples import moved
from anchorwise.objectives import build
from anchorwise.tails import ConstantGate
from tests.methods.training import (
    ALL,
    NUM_STEPS,
    clock_at,
    every_name,
    method_of,
    optimizer_of,
    outlook,
    train,
    views_of_step,
)


@every_name
def test_all_that_a_resumed_run_needs_is_in_the_state_dictionary(name: str):
    whole = method_of(name)
    expected = train(whole, optimizer_of(whole), range(NUM_STEPS))
    first = method_of(name)
    optimizer = optimizer_of(first)
    begun = train(first, optimizer, range(4))
    second = method_of(name)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    resumed = optimizer_of(second)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    assert begun + train(second, resumed, range(4, NUM_STEPS)) == expected


def test_an_objective_of_ones_own_that_gives_something_else_is_told_what_to_give():
    class Own(Objective):
        def detail(self, view0, view1):
            return self.given

    method = method_of("simclr")
    method.objective = Own()
    method.objective.given = torch.tensor(0.0)
    with pytest.raises(TypeError, match=r"Own.detail must return an anchorwise.Outcome, got torch.Tensor"):
        train(method, optimizer_of(method), range(1))
    method.objective.given = Outcome(torch.tensor(0.0), torch.zeros(2))
    object.__setattr__(method.objective.given, "stats", {"share": 0.5})
    with pytest.raises(TypeError, match=r"got float for 'share'; torch.as_tensor makes one"):
        train(method, optimizer_of(method), range(1))


@every_name
def test_gradients_reach_every_trainable_parameter_and_no_copy(name: str):
    method = method_of(name)
    optimizer = optimizer_of(method)
    train(method, optimizer, range(3))
    for parameter_name, weight in method.named_parameters():
        assert weight.requires_grad == ("twin." not in parameter_name), parameter_name
        if weight.requires_grad:
            assert weight.grad is not None, parameter_name
            assert weight.grad.abs().max() > 0, parameter_name
        else:
            assert weight.grad is None


@every_name
def test_a_step_looks_at_no_value(name: str, monkeypatch: pytest.MonkeyPatch):
    """On the meta device there is none, so whatever would make a GPU wait fails."""
    monkeypatch.setattr(torch, "autocast", lambda *given, **named: nullcontext())  # The device knows no autocast.
    method = method_of(name)
    method.before_epoch(clock_at(4), ALL)
    views, batch = moved(tuple(views_of_step(method, 0)[0]), "meta"), views_of_step(method, 0)[1]
    method.to("meta").before_step(clock_at(4))
    method(views, batch.to(torch.device("meta"))).outcome.loss.backward()
    method.after_backward()


@pytest.mark.parametrize("name", METHODS)
def test_a_parameter_is_saved_once(name: str):
    method = method_of(name)
    places = [tensor.data_ptr() for tensor in method.state_dict().values() if tensor.numel() > 1]
    assert len(places) == len(set(places))


@pytest.mark.parametrize("name", METHODS)
def test_what_the_default_objective_needs_is_given(name: str):
    assert set(build(METHODS[name].own_objective).inputs.needs) <= METHODS[name].gives


@pytest.mark.parametrize("name", METHODS)
def test_the_loss_of_a_method_is_the_mean_over_its_anchors(name: str):
    method = method_of(name)
    train(method, optimizer_of(method), range(2))
    outcome = method(*views_of_step(method, 2)).outcome
    assert outcome.loss.item() == pytest.approx(outcome.per_anchor.mean().item())


@pytest.mark.parametrize(
    ("objective", "has_labels", "needs"),
    [(MoCoObjective(), True, "MoCo, which needs queue"), (SupCon(), False, "SupCon, which needs labels")],
)
def test_an_objective_that_needs_what_is_not_given_is_refused(objective, has_labels: bool, needs: str):
    with pytest.raises(ValueError, match=f"one that SimCLR can train, which has 2 views and ids.*, got {needs}"):
        check_objective(method_of("simclr", objective), has_labels=has_labels)


def test_an_objective_of_two_views_is_refused_where_a_method_hands_it_three():
    with pytest.raises(ValueError, match=r"has 3 views .* got InfoNCE, which takes 2 views"):
        check_objective(method_of("simclr", InfoNCE(), num_views=3), has_labels=False)


def test_an_objective_that_would_ignore_the_queue_is_refused():
    with pytest.raises(ValueError, match=r"MoCo can train.*, got InfoNCE, which does not take queue; MoCo's own is"):
        check_objective(method_of("moco", InfoNCE()), has_labels=False)


@pytest.mark.parametrize(("name", "says"), [("moco", "2 of the full size"), ("dino", r"2 of the full size, \d small")])
def test_views_too_many_or_too_few_are_refused(name: str, says: str):
    method = method_of(name)
    views, batch = views_of_step(method, 0)
    for given in (views[:1], [*views, views[0]]):
        with pytest.raises(ValueError, match=rf"views must be {len(views)} for .* \({says}\), got {len(given)}; see"):
            method(given, batch)


def test_simclr_hands_labels_to_an_objective_that_needs_them_and_takes_more_views():
    method = method_of("simclr", SupCon())
    views, batch = views_of_step(method, 0)
    rows = method.online(torch.cat(views)).chunk(2)
    assert method(views, batch).outcome.loss.item() == pytest.approx(SupCon()(*rows, labels=batch.labels).item())


def test_values_stand_in_the_place_of_labels():
    method = method_of("simclr", SupReMix(mixing=0.2))
    views, batch = views_of_step(method, 0)
    valued = replace(batch, values=torch.linspace(0.0, 9.0, 6))
    rows = method.online(torch.cat(views)).chunk(2)
    expected = SupReMix(mixing=0.2)(*rows, labels=valued.values)
    assert method(views, valued).outcome.loss.item() == pytest.approx(expected.item())


def test_an_objective_that_draws_takes_the_generator_that_is_seeded_for_every_step():
    method = method_of("simclr", SupReMix())
    views, batch = views_of_step(method, 0)
    losses = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        losses.append(method(views, batch).outcome.loss.item())
    assert losses[0] == losses[1] != losses[2]


def test_moco_compares_with_the_queue_as_it_was_before_the_step():
    method = method_of("moco")
    optimizer = optimizer_of(method)
    train(method, optimizer, range(3))
    queue, ids = method.queue.rows.clone(), method.queue.ids.clone()
    views, batch = views_of_step(method, 3)
    query, key = method.online(views[0]), method.twin(views[1])
    loss = MoCoObjective(temperature=0.2)(query, key, queue=queue, queue_ids=ids, ids=batch.ids)
    outcome = method(views, batch).outcome
    assert outcome.loss.item() == pytest.approx(loss.item(), rel=1e-12)
    assert set(batch.ids.tolist()) <= set(method.queue.ids.tolist())


def test_moco_with_an_objective_of_the_batch_has_both_the_batch_and_the_queue_as_negatives():
    method = method_of("moco", CrossViewInfoNCE(both_directions=False))
    train(method, optimizer_of(method), range(3))
    queue, ids = method.queue.rows.clone(), method.queue.ids.clone()
    views, batch = views_of_step(method, 3)
    query, key = method.online(views[0]), method.twin(views[1])
    alike = CrossViewInfoNCE(both_directions=False)(query, key, queue=queue, queue_ids=ids, ids=batch.ids)
    assert method(views, batch).outcome.loss.item() == pytest.approx(alike.item(), rel=1e-12)


def test_moco_that_never_follows_is_a_loop_over_stored_keys():
    method = method_of("moco", momentum=1.0, num_queued=18, random_queue=False)
    optimizer, stored, losses = optimizer_of(method), [], []
    for step in range(3):
        views, _ = views_of_step(method, step)
        with torch.no_grad():
            query, key = method.online(views[0]).tolist(), method.twin(views[1]).tolist()
        losses.append(_slow_moco(query, key, stored))
        assert train(method, optimizer, range(step, step + 1)) == pytest.approx([losses[-1]], rel=1e-6)
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
    method = method_of("moco", symmetric=True, num_queued=12)
    queue, ids = method.queue.rows.clone(), method.queue.ids.clone()
    views, batch = views_of_step(method, 0)
    loss = 0.0
    for query, key in ((0, 1), (1, 0)):
        rows = method.online(views[query]), method.twin(views[key])
        loss += MoCoObjective(temperature=0.2)(*rows, queue=queue, queue_ids=ids, ids=batch.ids).item()
    assert method(views, batch).outcome.loss.item() == pytest.approx(loss, rel=1e-12)
    assert sorted(method.queue.ids.tolist()) == sorted(batch.ids.tolist() * 2)


def test_moco_v3_without_predictor_and_momentum_is_the_cross_view_loss_in_both_directions():
    method = method_of("moco_v3", momentum=0.0)
    method.predictor = nn.Identity()
    method.before_step(clock_at(0))
    views, batch = views_of_step(method, 0)
    rows = [method.online(view) for view in views]
    one_way = CrossViewInfoNCE(temperature=0.2, both_directions=False)
    expected = 2 * 0.2 * sum(one_way(rows[view], rows[1 - view].detach()).item() for view in (0, 1))
    assert method(views, batch).outcome.loss.item() == pytest.approx(expected, rel=1e-12)


def test_swav_holds_its_prototypes_still_at_first_and_then_at_length_one():
    method = method_of("swav", freeze_epochs=1, num_queued=0)
    method.before_step(clock_at(0))
    start, optimizer = method.prototypes.detach().clone(), optimizer_of(method)
    train(method, optimizer, range(2))
    torch.testing.assert_close(method.prototypes.detach(), start, rtol=0, atol=1e-15)
    assert method.prototypes not in optimizer.state
    train(method, optimizer, range(2, 3))
    assert not torch.allclose(method.prototypes.detach(), start)
    method.before_step(clock_at(3))
    torch.testing.assert_close(method.prototypes.detach().norm(dim=1), torch.ones(5, dtype=torch.float64))


def test_swav_hands_its_queues_over_from_their_epoch_on_and_fills_them():
    seen = []
    method = method_of("swav", num_queued=12, num_small=0, queue_from_epoch=1)
    detail = method.objective.detail
    method.objective.detail = lambda *rows, queues=None, **given: (
        seen.append(None if queues is None else int(queues[0].any(dim=1).sum())),
        detail(*rows, queues=queues, **given),
    )[1]
    train(method, optimizer_of(method), range(5))
    assert seen == [None, None, 0, 6, 12]


def test_what_a_method_does_in_its_forward_pass_follows_from_its_plain_attributes():
    method = method_of("swav", num_queued=12, queue_from_epoch=2, freeze_epochs=1)
    phases = []
    for step in range(6):
        method.before_step(clock_at(step))
        phases.append(method.phase())
    assert [phases.index(phase) for phase in phases] == [0, 0, 2, 2, 4, 4]


def test_nnclr_with_a_queue_of_the_same_rows_is_its_own_neighbour():
    method = method_of("nnclr")
    views, batch = views_of_step(method, 0)
    rows = [method.online(view) for view in views]
    predictions = [method.predictor(row) for row in rows]
    loss = CrossViewInfoNCE(temperature=0.1, both_directions=False)
    empty = (loss(rows[0].detach(), predictions[1]) + loss(rows[1].detach(), predictions[0])) / 2
    assert method(views, batch).outcome.loss.item() == pytest.approx(empty.item(), rel=1e-12)
    assert method.queue.ids.tolist()[:6] == batch.ids.tolist()


@pytest.mark.parametrize(("name", "given"), [("nnclr", {}), ("moco", {"symmetric": True})])
def test_both_directions_of_a_batch_meet_what_an_objective_kept_before_it(name: str, given: dict[str, bool]):
    losses = []
    for exponent in ("lagged", "batch"):
        objective = CrossViewInfoNCE(blend=Blend(gate=ConstantGate(0.5), exponent=exponent))
        torch.manual_seed(0)
        method = method_of(name, objective, **given)
        views, batch = views_of_step(method, 0)
        losses.append(method(views, batch).outcome.loss)
    assert losses[0] == losses[1]  # A first batch has its own exponent, in either direction.


def test_byol_follows_after_the_update_and_moco_before_the_keys():
    byol, moco = method_of("byol", momentum=0.0), method_of("moco", momentum=0.0)
    train(byol, optimizer_of(byol), range(1))
    train(moco, optimizer_of(moco), range(1))
    same = [torch.equal(*pair) for pair in zip(byol.twin.network.parameters(), byol.online.parameters(), strict=True)]
    assert all(same)
    assert not all(
        torch.equal(*pair) for pair in zip(moco.twin.network.parameters(), moco.online.parameters(), strict=True)
    )


def test_the_rate_of_simsiams_predictor_is_to_stay():
    method = method_of("simsiam")
    assert {id(weight) for weight in method.constant_rate()} == {id(weight) for weight in method.predictor.parameters()}
    assert not method_of("simsiam", constant_predictor_rate=False).constant_rate()


def test_the_views_of_simclr_share_the_statistics_of_batch_normalisation():
    method = method_of("simclr", InfoNCE())
    views, batch = views_of_step(method, 0)
    together = method.online(torch.cat(views)).chunk(2)
    apart = [method.online(view) for view in views]
    assert method(views, batch).outcome.loss.item() == pytest.approx(InfoNCE()(*together).item())
    assert method(views, batch).outcome.loss.item() != pytest.approx(InfoNCE()(*apart).item())


def test_samples_of_one_group_are_no_negatives_of_each_other():
    method = method_of("simclr", CrossViewInfoNCE())
    views, batch = views_of_step(method, 0)
    rows, groups = method.online(torch.cat(views)).chunk(2), batch.ids // 2 + 100
    expected = CrossViewInfoNCE()(*rows, ids=groups).item()
    assert expected != pytest.approx(CrossViewInfoNCE()(*rows).item())
    assert method(views, replace(batch, groups=groups)).outcome.loss.item() == pytest.approx(expected)


def test_mocos_queue_knows_the_groups_of_its_keys():
    method = method_of("moco")
    views, batch = views_of_step(method, 0)
    grouped = replace(batch, groups=batch.ids // 2 + 100)
    method(views, grouped)
    assert set(grouped.groups.tolist()) <= set(method.queue.ids.tolist())
    query, key = method.online(views[0]), method.twin(views[1])
    queue, ids = method.queue.rows.clone(), method.queue.ids.clone()
    expected = MoCoObjective(temperature=0.2)(query, key, queue=queue, queue_ids=ids, ids=grouped.groups)
    assert method(views, grouped).outcome.loss.item() == pytest.approx(expected.item(), rel=1e-12)


def test_groups_are_refused_where_the_objective_cannot_leave_them_out():
    with pytest.raises(ValueError, match=r"got SogCLR, which cannot leave out negatives of the anchor's group"):
        check_objective(method_of("simclr", SogCLR(num_samples=100)), has_labels=False, excludes_groups=True)


@pytest.mark.parametrize("name", METHODS)
def test_a_method_is_called_in_configurations_as_its_file_is(name: str):
    assert METHODS[name].Config().model_dump()["name"] == name


@pytest.mark.parametrize("name", ["moco", "nnclr", "pcl", "swav", "esimcse", "albef", "astrea"])
def test_a_queue_shorter_than_a_batch_is_refused_before_the_first_step(name: str):
    method_of(name).check(outlook())
    with pytest.raises(ValueError, match=r"method\.num_queued must be at least the 17 samples of a batch, got 1[26]: "):
        method_of(name).check(outlook(batch_size=17))


def test_a_memory_shorter_than_both_views_of_a_batch_is_refused_before_the_first_step():
    with pytest.raises(ValueError, match=r"num_queued must be at least the 42 rows of both views of a batch, got 40"):
        method_of("beclr").check(outlook(batch_size=21))


def test_queues_that_would_never_fill_are_refused_before_the_first_step():
    method_of("swav", num_queued=0, queue_from_epoch=4).check(outlook())
    with pytest.raises(ValueError, match=r"queue_from_epoch must be below the 4 epochs of the training, got 4: the q"):
        method_of("swav", queue_from_epoch=4).check(outlook())


@pytest.mark.parametrize("name", ["simlap", "sepclr"])
def test_a_method_of_classes_refuses_samples_without_labels_before_the_first_step(name: str):
    with pytest.raises(ValueError, match="needs labels"):
        method_of(name).check(outlook(num_classes=0))


def test_ranks_draw_the_same_numbers_for_a_loss_of_all_rows(monkeypatch):
    monkeypatch.setattr(base, "sharing_ranks", object)
    monkeypatch.setattr(base, "gather_rows", lambda own: torch.tensor([7, int(own[0])]))
    assert base._generator_of(torch.device("cpu")).initial_seed() == 7
    monkeypatch.undo()
    assert base._generator_of(torch.device("cpu")) is torch.default_generator
