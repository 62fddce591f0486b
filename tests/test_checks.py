"""The wording of refusals: the argument, the rule, the value, the way out."""

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch

from anchorwise import (
    FMICL,
    KCL,
    WEINCE,
    CapGate,
    ConstantGate,
    InfoNCE,
    LikelihoodGate,
    Mixture,
    ProtoNCE,
    PublishedGate,
    Weibit,
    _checks,
    _tensor_checks,
)
from anchorwise.objectives import build
from anchorwise.tails import AnchorExponent, BatchExponent, HillTail, PooledExponent, RegressionTail


@pytest.mark.parametrize("value", [0.0, -0.5, math.nan, math.inf, "0.5", None, True])
def test_a_temperature_must_be_a_finite_number_above_zero(value):
    with pytest.raises(ValueError, match="temperature must be"):
        _checks.positive("temperature", value)


@pytest.mark.parametrize("value", [np.float32(0.5), np.float16(0.5), np.array(0.5), torch.tensor(0.5), Fraction(1, 2)])
def test_what_holds_one_number_is_a_number(value: Any):
    assert _checks.positive("temperature", value) == 0.5
    assert type(_checks.number("temperature", value)) is float


@pytest.mark.parametrize("value", [np.int64(5), np.uint8(5), np.array(5), torch.tensor(5)])
def test_what_holds_one_whole_number_is_a_count(value: Any):
    assert _checks.count("num_hardest", value) == 5
    assert type(_checks.count("num_hardest", value)) is int
    assert _checks.number("temperature", value) == 5.0


@pytest.mark.parametrize(
    "value",
    [
        np.bool_(True),
        np.array(True),
        np.str_("0.5"),
        np.float32("nan"),
        np.ones(1),
        1j,
        10**400,
        torch.ones(1),
    ],
)
def test_what_is_no_finite_number_is_refused(value: Any):
    with pytest.raises(ValueError, match="temperature must be a finite number, got"):
        _checks.number("temperature", value)


def test_a_number_that_python_does_not_write_out_is_refused_all_the_same():
    with pytest.raises(ValueError, match="temperature must be a finite number, got a number of more than 4300 digits"):
        _checks.number("temperature", 10**5000)


@pytest.mark.parametrize("value", [np.float32(5), np.array(5.0), np.bool_(True), True, 5.0, "5", np.int64(0), None])
def test_what_is_no_count_is_refused(value: Any):
    with pytest.raises(ValueError, match="num_hardest must be a whole number of at least 1, got"):
        _checks.count("num_hardest", value)


def test_a_number_that_learns_is_no_hyperparameter():
    with pytest.raises(ValueError, match="temperature must be a finite number, got tensor"):
        _checks.number("temperature", torch.tensor(0.5, requires_grad=True))


@pytest.mark.usefixtures("as_users_call")
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: InfoNCE(temperature=-0.5), r"temperature must be above 0, got -0.5"),
        (lambda: InfoNCE(num_hardest=0), r"num_hardest must be a whole number of at least 1, got 0"),
        (lambda: WEINCE(gate="publishd"), r"gate must be one of .*, got 'publishd'; did you mean 'published'\?"),
        (lambda: WEINCE(exponent="bach"), r"exponent must be one of .*; did you mean 'batch'\?"),
        (lambda: WEINCE(endpoint=1.5), r"endpoint must lie in \(-1, 1\], since scores are cosines, got 1.5"),
        (lambda: Weibit(exponent=0.0), r"exponent must be above 0, got 0.0"),
        (lambda: PublishedGate(proximity_quantile=2.0), r"proximity_quantile must lie in \[0, 1\], got 2.0"),
        (lambda: LikelihoodGate(tail_fraction=0.9), r"tail_fraction must lie in \(0, 0.5\], got 0.9"),
        (lambda: ConstantGate(-1.0), r"value must lie in \[0, 1\], got -1.0"),
        (lambda: CapGate(distance=0.0), r"distance must be above 0, got 0.0"),
        (lambda: HillTail(prior_points=-1.0), r"prior_points must be at least 0, got -1.0"),
        (lambda: RegressionTail(lowest=2.0, highest=1.0), r"lowest must not be above highest, got 2.0 and 1.0"),
        (lambda: PooledExponent(momentum=1.5), r"momentum must lie in \[0, 1\], got 1.5"),
        (lambda: Mixture(weights=(1.0,)), r"weights must have one number for each of the 2 objectives, got \(1.0,\)"),
        (
            lambda: Mixture(objectives=(InfoNCE(), ProtoNCE())),
            "objectives must take the same views, got InfoNCE with 2, ProtoNCE with 1; add their losses up by hand",
        ),
    ],
)
def test_a_hyperparameter_out_of_range_is_refused_by_name(make, message: str):
    with pytest.raises(ValueError, match=message):
        make()


def test_an_objective_is_built_from_nested_tables():
    gate = {"name": "published", "margin": 6.0}
    weince = build({"name": "weince", "temperature": 0.2, "gate": gate, "exponent": "unit"})
    tables = [{"name": "info_nce"}, {"name": "weibit", "exponent": {"name": "anchor", "tail": {"name": "hill"}}}]
    mixture = build({"name": "mixture", "objectives": tables, "weights": [0.5, 0.5]})
    assert isinstance(weince, WEINCE)
    assert weince.blend.gate == PublishedGate(margin=6.0)
    assert isinstance(mixture, Mixture)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"name": "moco_v3", "source_scale": "no"}, "moco_v3.source_scale must be true or false, got 'no'"),
        ({"name": "cross_view", "both_directions": 0}, "cross_view.both_directions must be true or false, got 0"),
        (
            {"name": "i_sog_clr", "num_samples": 9, "temperature_range": [0.1]},
            r"temperature_range must be two numbers, got \[0.1\]",
        ),
        ({"name": "weinse"}, "objective.name must be one of .*; did you mean 'weince'"),
        ({"temperature": 0.2}, "objective.name must be one of .*, got None"),
        ({"name": "info_nce", "tau": 0.2}, "hyperparameter of info_nce must be one of 'temperature', 'num_hardest'"),
        ({"name": "weince", "gate": {"name": "open"}}, "gate.name must be one of"),
        ({"name": "info_nce", "temperature": {"name": "x"}}, "info_nce.temperature takes no table, got"),
        ({"name": "hardest_regularised"}, "cannot be built from .* missing .* required .*argument: 'objective'"),
    ],
)
def test_a_table_that_is_no_objective_is_refused(config, message: str):
    with pytest.raises(ValueError, match=message):
        build(config)


@pytest.mark.parametrize("shape", [(3, 0), (0, 3)])
def test_views_must_not_be_empty(shape):
    with pytest.raises(ValueError, match=r"at least one (row|column), got"):
        InfoNCE()(torch.ones(shape), torch.ones(shape))


def test_scores_are_a_floating_matrix():
    with pytest.raises(ValueError, match=r"scores must have shape \(anchors, negatives\), got \(3,\); one row is"):
        _tensor_checks.score_rows(torch.rand(3))
    with pytest.raises(TypeError, match=r"scores must have a floating dtype, got torch.int64; convert them"):
        _tensor_checks.score_rows(torch.ones(3, 4, dtype=torch.int64))
    with pytest.raises(TypeError, match=r"scores must be a tensor, got numpy.ndarray; convert it with torch.as_tensor"):
        _tensor_checks.score_rows(np.ones((3, 4)))


def test_every_column_has_one_block():
    with pytest.raises(ValueError, match="blocks must be 20 whole numbers, one for each column of scores, got"):
        _tensor_checks.one_block_each("blocks", torch.zeros(19, dtype=torch.long), "column", 20)
    with pytest.raises(ValueError, match="row_blocks must be 2 whole numbers"):
        _tensor_checks.one_block_each("row_blocks", torch.zeros(2), "row", 2)


@pytest.mark.usefixtures("as_users_call")
@pytest.mark.parametrize("number", [np.float32, np.array, torch.tensor])
@pytest.mark.parametrize(
    "make",
    [
        lambda number: WEINCE(temperature=number(0.25), gate=CapGate(distance=number(0.125), sharpness=number(2.0))),
        lambda number: WEINCE(
            gate=PublishedGate(margin=number(6.0), tail_fraction=number(0.125)), endpoint=number(1.0)
        ),
        lambda number: WEINCE(gate=LikelihoodGate(margin=number(2.0), tail_fraction=number(0.125))),
        lambda number: WEINCE(gate=ConstantGate(number(0.5)), exponent=number(4.0)),
        lambda number: Weibit(exponent=AnchorExponent(RegressionTail(lowest=number(0.5), highest=number(8.0)))),
        lambda number: Weibit(exponent=BatchExponent(HillTail(tail_fraction=number(0.125), prior_points=number(8.0)))),
        lambda number: Weibit(exponent=PooledExponent(tail_fraction=number(0.125), min_tail_points=4)),
        lambda number: Mixture(weights=(number(0.25), number(0.5))),
        lambda number: KCL(t=number(2.0)),
        lambda number: FMICL(t=number(2.0), height=number(0.5)),
    ],
)
def test_parts_of_objectives_take_what_holds_one_number(make: Any, number: Any):
    views = torch.randn(2, 40, 8, generator=torch.Generator().manual_seed(0)).unbind()
    assert make(number)(*views) == make(float)(*views)
