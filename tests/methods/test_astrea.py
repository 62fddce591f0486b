"""Astrea's two stages: CLIP on what brings the towers together, then momentum contrast across modalities."""

import pytest
import torch

from anchorwise import CLIP, MoCo
from anchorwise.methods import METHODS
from anchorwise.methods.outlook import Clock
from anchorwise.objectives import build
from tests.methods.training import method_of, optimizer_of, towers, train, views_of_step


def test_the_first_stage_is_clip_and_trains_the_projections_alone():
    make = METHODS["astrea"]
    torch.manual_seed(0)
    method = make(towers("layer"), build(dict(make.own_objective)), make.Config(num_queued=16)).double()
    views, batch = views_of_step(method_of("albef"), 0)
    method.before_step(Clock(0, 8, 2))
    outcome = method(views, batch).outcome
    rows = [method.encoder(view) for view in views]
    assert outcome.loss.item() == pytest.approx(CLIP()(*rows).item(), rel=1e-6)
    outcome.loss.backward()
    method.after_backward()
    trained = {name for name, weight in method.encoder.named_parameters() if weight.grad is not None}
    assert trained == {"backbone.image_projection.weight", "backbone.text_projection.weight"}


def test_the_second_stage_is_moco_in_both_directions_with_the_other_modalitys_queue():
    method = method_of("astrea")
    train(method, optimizer_of(method), range(2))
    method.before_step(Clock(2, 8, 2))
    views, batch = views_of_step(method, 2)
    method.eval()
    rows, keys = [method.online(view) for view in views], [method.twin(view) for view in views]
    expected = 0.0
    for side, queue in ((0, method.text_queue), (1, method.image_queue)):
        given = {"queue": queue.rows, "queue_ids": queue.ids, "ids": batch.ids, "logit_scale": method.scale()}
        expected += MoCo()(rows[side], keys[1 - side], **given).item() / 2
    assert method(views, batch).outcome.loss.item() == pytest.approx(expected, rel=1e-9)
    assert set(method.text_queue.ids.tolist()) >= set(range(12))


def test_the_first_stage_leaves_running_statistics_of_the_towers_alone():
    make = METHODS["astrea"]
    method = make(towers("batch"), build(dict(make.own_objective)), make.Config(num_queued=16)).double()
    views, batch = views_of_step(method_of("albef"), 0)
    there = {name: value.clone() for name, value in method.encoder.named_buffers()}

    def are_as_before() -> bool:
        return all(torch.equal(value, there[name]) for name, value in method.encoder.named_buffers())

    method.before_step(Clock(0, 8, 2))
    method(views, batch)
    assert there
    assert are_as_before()
    method.before_step(Clock(2, 8, 2))
    method(views, batch)
    assert not are_as_before()
