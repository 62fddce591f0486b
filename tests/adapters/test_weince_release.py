"""The release's policies give the numbers that the authors' own code gave (tests/golden)."""

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from anchorwise import WEINCE, InfoNCE, Weibit
from anchorwise.adapters import weince_release

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "weince_golden.npz", allow_pickle=False)
CASES: list[dict[str, Any]] = json.loads(str(GOLDEN["cases"]))


def _objective(policy: str, **arguments: Any):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"policy .* does not use")
        return weince_release.objective(policy, **arguments)


def _of(cases: list[dict[str, Any]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases, ids=lambda case: f"{case['case']}-{case['kind']}-{case['policy']}")


def _views(case: dict[str, Any]) -> list[torch.Tensor]:
    return [torch.from_numpy(GOLDEN[f"{case['case']}.view{i}"]).double().requires_grad_() for i in (0, 1)]


@_of(CASES)
def test_loss_and_gradients_equal_the_authors_code(case: dict[str, Any]):
    views = _views(case)
    loss = _objective(case["policy"], **case["arguments"])(*views)
    loss.backward()
    assert loss.item() == pytest.approx(case["loss"], rel=1e-9)
    for i, view in enumerate(views):
        expected = torch.from_numpy(GOLDEN[f"{case['case']}.grad{i}"])
        assert view.grad is not None
        assert (view.grad - expected).norm() <= 1e-9 * expected.norm()


@_of([case for case in CASES if case["mean_lambda"] is not None])
def test_lambda_and_evidence_are_those_that_the_authors_code_tells(case: dict[str, Any]):
    stats = _objective(case["policy"], **case["arguments"]).detail(*_views(case)).stats
    assert stats["lambda"].mean().item() == pytest.approx(case["mean_lambda"], rel=1e-9)
    assert stats["evidence"].mean().item() == pytest.approx(case["mean_daic"], rel=1e-9)


def test_all_policies_have_golden_cases():
    assert {case["policy"] for case in CASES} == set(weince_release._POLICIES)


def test_an_unknown_policy_is_refused_with_the_nearest():
    with pytest.raises(ValueError, match="did you mean 'hard_select'"):
        weince_release.objective("hard_selet")


def test_an_unknown_argument_is_refused_with_the_nearest():
    with pytest.raises(ValueError, match="did you mean 'temperature'"):
        weince_release.objective("pl", temprature=0.5)


def test_another_floor_is_refused():
    with pytest.raises(ValueError, match="eps must be 1e-06"):
        weince_release.objective("pl", eps=1e-4)


@pytest.mark.parametrize(
    ("policy", "arguments", "unused"),
    [
        ("weibit", {"temperature": 0.1}, "temperature"),
        ("gate", {"gate_rho0": 0.1, "temperature": 0.5}, "gate_rho0"),
        ("pl", {"weib_lambda": 0.5, "weib_top_m": 4}, "weib_lambda, weib_top_m"),
        ("tlambda_rho", {"select_aic_margin": 6.0}, "select_aic_margin"),
        ("pl", {"batch_size": 256}, "batch_size"),
    ],
)
def test_an_argument_that_does_nothing_in_the_release_warns(policy: str, arguments: dict[str, Any], unused: str):
    with pytest.warns(UserWarning, match=f"{policy!r} does not use {unused}, here as in the release"):
        weince_release.objective(policy, **arguments)


def test_arguments_that_matter_do_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        built = weince_release.objective("gate", auto_weib_beta=True, r2_min=0.5, gate_rho0=0.2, temperature=0.1)
    assert isinstance(built, WEINCE)


def test_the_gate_without_a_batch_fit_is_info_nce():
    assert isinstance(_objective("gate"), InfoNCE)


def test_the_gate_shuts_where_the_batch_fit_explains_too_little():
    views = [torch.randn(24, 6, generator=torch.Generator().manual_seed(seed)).double() for seed in (0, 1)]
    given = {"auto_weib_beta": True, "min_tail_points": 64, "r2_min": 0.0}
    open_gate = _objective("gate", **given).detail(*views)
    shut_gate = _objective("gate", **given, gate_r2_min=1.0).detail(*views)
    assert (open_gate.stats["lambda"] > 0).all()
    assert (shut_gate.stats["lambda"] == 0).all()
    torch.testing.assert_close(shut_gate.loss, InfoNCE()(*views))


def test_the_batch_exponent_is_a_running_average_that_is_saved():
    views = [torch.randn(24, 6, generator=torch.Generator().manual_seed(seed)).double() for seed in (0, 1)]
    objective = _objective("weibit", auto_weib_beta=True, min_tail_points=64, r2_min=0.5)
    assert isinstance(objective, Weibit)
    first, second = (objective.detail(*views).stats["exponent"][0].item() for _ in range(2))
    # The average moves a tenth of the way from 4 to this batch's slope, then a tenth of what is left.
    slope = 4 + (first - 4) / 0.1
    assert second == pytest.approx(first + 0.1 * (slope - first), rel=1e-6)
    assert objective.state_dict()["exponent.average"].item() == pytest.approx(second, rel=1e-6)
