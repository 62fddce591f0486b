"""A word means the same in Python, in a configuration's table, and after --set."""

from typing import get_args

import pytest
import torch

from anchorwise import WEINCE, Blend, Selection, Weibit, tails
from anchorwise.objectives import build
from anchorwise.training.overrides import apply_overrides
from anchorwise.training.recipes import RECIPES


def views(seed=0):
    return torch.randn(2, 24, 6, generator=torch.Generator().manual_seed(seed)).unbind()


def built(objective, **hyperparameters):
    return build({"name": objective, **hyperparameters})


@pytest.mark.parametrize(
    ("names", "table"),
    [(tails.GateName, tails.GATES), (tails.ExponentName, tails.EXPONENTS), (tails.TailName, tails.TAILS)],
)
def test_the_words_that_types_know_are_those_that_tables_know(names, table):
    assert set(get_args(names)) == set(table)


@pytest.mark.whole
@pytest.mark.parametrize("exponent", ["unit", "batch", "anchor", "pooled"])
@pytest.mark.parametrize("gate", ["likelihood", "published", "hard", "cap"])
@pytest.mark.parametrize(("objective", "make"), [("weince", WEINCE), ("selection", Selection)])
def test_a_name_its_table_and_its_object_give_the_same_loss(objective, make, gate, exponent):
    by_name = make(gate=gate, exponent=exponent)(*views())
    tables = built(objective, gate={"name": gate}, exponent={"name": exponent})
    objects = make(gate=tails.GATES[gate](), exponent=tails.EXPONENTS[exponent]())
    assert torch.equal(tables(*views()), by_name)
    assert torch.equal(objects(*views()), by_name)


@pytest.mark.parametrize("exponent", ["unit", "batch", "anchor", "pooled", "lagged"])
def test_weibit_reads_names_and_tables_alike(exponent):
    expected = Weibit(exponent=exponent)(*views())
    assert torch.equal(built("weibit", exponent={"name": exponent})(*views()), expected)


def test_an_exponent_without_a_tail_reads_its_gates_and_one_with_a_tail_its_own():
    gate, own = tails.PublishedGate(tail_fraction=0.5), tails.HillTail(0.3)
    towards = tails.AnchorExponent(towards=tails.BatchExponent())
    blend = Blend(gate=gate, exponent=towards)
    assert blend.exponent.tail == blend.exponent.towards.tail == gate.tail
    assert towards.tail is None  # It may stand beside another gate as well.
    assert Blend(gate=gate, exponent=tails.BatchExponent(own)).exponent.tail is own
    assert built("weince", gate="cap", exponent={"name": "batch", "tail": "regression"}).blend.exponent.tail == (
        tails.RegressionTail()
    )


@pytest.mark.parametrize("setting", ["objective.gate=cap", "objective.gate.name=cap", "objective.gate={name='cap'}"])
def test_a_part_is_set_by_its_name_alone(setting):
    config = apply_overrides(RECIPES["digits"](), ["objective.name=weince", setting])
    assert isinstance(config.objective.build().blend.gate, tails.CapGate)


@pytest.mark.usefixtures("as_users_call")
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Blend(gate="publishd"), "gate must be one of .*'cap', 'constant', got 'publishd'; did you mean"),
        (lambda: Blend(gate="constant"), "gate 'constant' cannot be built from its name alone: .*'value'"),
        (lambda: built("weince", gate="publishd"), "weince.gate.name must be one of .*, got 'publishd'; did you mean"),
        (lambda: built("weince", gate={"name": "constant"}), "weince.gate 'constant' cannot be built from its name"),
        (
            lambda: built("weibit", exponent={"name": "lagged", "tail": "regression"}),
            "tail.name must be one of 'hill'",
        ),
    ],
)
def test_a_word_that_fits_nothing_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
