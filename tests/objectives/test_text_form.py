"""The text form of an objective says how it was made."""

from typing import Any, get_args

import pytest

from anchorwise import KCL, WEINCE, Blend, CapGate, Mixture, MoCo, Weibit
from anchorwise.adapters.pytorch_metric_learning import NTXentLoss
from anchorwise.links import DIVERGENCES, DivergenceName
from tests.contracts.cases import CASES, Case

CHANGES = [(case, name) for case in CASES for name, value in case.others.items() if value is not None]


@pytest.mark.parametrize(("case", "name"), CHANGES, ids=lambda part: getattr(part, "name", part))
def test_every_hyperparameter_can_be_read_off_the_text_form(case: Case, name: str):
    assert repr(case.objective(**{name: case.others[name]})) != repr(case.objective())


@pytest.mark.parametrize(
    ("made", "parts"),
    [
        (WEINCE(temperature=0.2, gate="published"), ["WEINCE(", "temperature=0.2", "gate=PublishedGate(margin=2.0"]),
        (Weibit(exponent=4.0, num_hardest=50), ["endpoint=1.0", "num_hardest=50", "FixedExponent(value=4.0)"]),
        (MoCo(blend=Blend(gate=CapGate(0.3))), ["temperature=0.07", "CapGate(distance=0.3", "BatchExponent(tail="]),
        (Mixture(weights=(1.0, 0.5)), ["weights=(1.0, 0.5)", "InfoNCE(temperature=0.5"]),
        (KCL(), ["KCL(kernel='gaussian', t=2.0, energy_weight=16.0)"]),
        (NTXentLoss(temperature=0.1), ["NTXentLoss(temperature=0.1, blend=None)"]),
    ],
)
def test_the_text_form_has_the_constructor_s_own_words(made: Any, parts: list[str]):
    assert all(part in repr(made) for part in parts), repr(made)


def test_the_names_that_type_checkers_know_are_those_that_are_taken():
    assert set(get_args(DivergenceName)) == set(DIVERGENCES)
