"""Matryoshka widths."""

import pytest
import torch

from anchorwise import (
    DINO,
    WEINCE,
    AdaMEOW,
    CrossViewInfoNCE,
    ListwiseRanking,
    Nested,
    PairwiseViews,
    PixelConsistency,
    SimCTG,
    SogCLR,
    VICReg,
)
from anchorwise.objectives import build
from anchorwise.objectives.nested import _cut
from tests.contracts import batches

VIEWS = batches.ordinary()


@pytest.mark.parametrize("objective", [CrossViewInfoNCE(), WEINCE()])
def test_the_rows_own_width_is_the_objective_itself(objective):
    assert torch.equal(Nested(objective=objective, widths=[6])(*VIEWS), objective(*VIEWS))


def test_all_rows_of_a_call_are_cut_and_brought_to_length_1_again():
    hard, queue = batches.ordinary(seed=5)
    objective = CrossViewInfoNCE(temperature=0.1)
    outcome = Nested(objective=objective, widths=[6, 2]).detail(*VIEWS, hard_negatives=[hard], queue=queue[:7])
    short = [torch.nn.functional.normalize(rows[:, :2]) for rows in (*VIEWS, hard, queue[:7])]
    cut = objective(*short[:2], hard_negatives=[short[2]], queue=short[3])
    whole = objective(*VIEWS, hard_negatives=[hard], queue=queue[:7])
    torch.testing.assert_close(outcome.loss, whole + cut)
    torch.testing.assert_close([outcome.stats["loss_6"], outcome.stats["loss_2"]], [whole, cut])


def test_widths_may_have_different_numbers_of_anchors():
    outcome = Nested(objective=VICReg(), widths=[6, 4]).detail(*VIEWS)
    torch.testing.assert_close(outcome.loss, VICReg()(*VIEWS) + VICReg()(*(view[:, :4] for view in VIEWS)))
    torch.testing.assert_close(outcome.per_anchor.mean(), outcome.loss)


@pytest.mark.parametrize(
    "objective", [SimCTG(), PixelConsistency(), ListwiseRanking(), PairwiseViews(objective=DINO())]
)
def test_objectives_whose_rows_cannot_be_cut_are_refused(objective):
    with pytest.raises(ValueError, match=f"rows are embeddings, got {type(objective).__name__}"):
        Nested(objective=objective)


def test_a_network_of_the_callers_has_one_width():
    with pytest.raises(ValueError, match=r"objective must be one without a network, got AdaMEOW: .* add the losses up"):
        Nested(objective=AdaMEOW())


def test_every_width_has_a_state_of_its_own():
    nested = Nested(objective=SogCLR(num_samples=24), widths=[6, 3])
    nested(*VIEWS, ids=torch.arange(24))
    first, second = (next(part.buffers()) for part in nested.objectives)
    assert not torch.equal(first, second)


def test_a_configuration_has_it_with_the_objective_as_a_table():
    nested = build({"name": "nested", "widths": [4, 2], "objective": {"name": "clip", "temperature": 0.2}})
    assert nested.objectives[0].temperature == 0.2
    assert nested.widths == (4, 2)


def test_widths_that_rows_do_not_have_are_refused():
    with pytest.raises(ValueError, match=r"widths must be at most that of the views' rows, 6, got 7"):
        Nested(widths=[7, 2])(*VIEWS)
    with pytest.raises(ValueError, match=r"widths must be different numbers, at least one"):
        Nested(widths=[4, 4])
    with pytest.raises(ValueError, match=r"weights must have one number for each of the 2 widths"):
        Nested(widths=[4, 2], weights=[1.0])


@pytest.mark.parametrize("name", ["projections", "gates", "teachers"])
def test_rows_of_every_kind_are_cut(name: str):
    rows = batches.ordinary(seed=5)
    cut = _cut({name: rows, "labels": torch.arange(3)}, 2)
    assert [each.shape[1] for each in cut[name]] == [2, 2]
    assert len(cut["labels"]) == 3


def test_no_weights_are_not_weights_of_1():
    with pytest.raises(ValueError, match=r"weights must have one number for each of the 2 widths, got \(\)"):
        Nested(widths=[4, 2], weights=())
