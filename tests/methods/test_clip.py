"""CLIP: what its objective is given, and the scale that it learns."""

import math

import pytest
import torch

from anchorwise import CLIP, DCL, SigLIP, Weibit
from anchorwise.methods import METHODS
from anchorwise.modalities.encoder import Encoder
from anchorwise.modalities.samples import Batch
from anchorwise.objectives import build
from tests.methods.test_sentences import CLOCK, Scaled, batch, rows
from tests.methods.training import method_of, optimizer_of, train


def clip_of(objective=None, **settings):
    make = METHODS["clip"]
    objective = objective or build(dict(make.own_objective))
    return make(Encoder(Scaled(), num_features=3), objective, make.Config(**settings)).double()


def test_clip_has_the_value_of_its_formula():
    loss = clip_of()([rows(4, 0), rows(4, 0.3)], batch()).outcome.loss
    assert loss.item() == pytest.approx(0.0362571588, abs=1e-8)  # The logarithm of the scale is rounded.
    assert clip_of(learn_scale=False)([rows(4, 0), rows(4, 0.3)], batch()).outcome.loss.item() == pytest.approx(
        0.0362571588, abs=1e-10
    )


@pytest.mark.parametrize("objective", [CLIP(temperature=0.1), DCL(), SigLIP(scale=8.0, bias=-3.0)])
def test_the_scale_starts_where_the_objective_has_its_own_and_changes_nothing_there(objective):
    views = [rows(4, 0), rows(4, 0.3)]
    learnt = clip_of(objective)(views, batch()).outcome.loss
    assert learnt.item() == pytest.approx(objective(*views).item(), rel=1e-6)
    assert clip_of(objective, learn_scale=False).scale is None


def test_an_objective_without_a_scale_leaves_none_to_be_learnt():
    assert clip_of(Weibit()).scale is None


def test_the_scale_learns_and_stays_below_its_end():
    method = method_of("clip")
    start = method.scale().item()
    assert start == pytest.approx(1 / 0.07, rel=1e-6)
    train(method, optimizer_of(method), range(3))
    assert method.scale().item() != start
    with torch.no_grad():
        method.scale.log_scale.fill_(9.0)
    method.after_step(CLOCK)
    assert method.scale.log_scale.item() == pytest.approx(math.log(100.0))


def test_siglips_bias_is_learnt_too():
    method = method_of("clip", SigLIP())
    train(method, optimizer_of(method), range(3))
    assert method.scale.bias.item() != -10.0


def test_a_batch_of_fewer_samples_than_parts_is_as_many_parts():
    make = METHODS["msd"]
    encoder = Encoder(torch.nn.Linear(4, 6), num_features=6)
    method = make(encoder, build(dict(make.own_objective)), make.Config(num_parts=8))
    views = [torch.randn(3, 4), torch.randn(3, 4)]
    assert method(views, Batch(views[0], torch.arange(3))).outcome.loss.isfinite()
