"""SupCon's forms: positives inside the logarithm, anchors of one view, positives by a mask or of a teacher."""

import math

import pytest
import torch

from anchorwise import NSPT, Blend, InfoNCE, SupCon
from anchorwise.engine import Tiled, use_backend
from tests.contracts import batches

VIEWS = (*batches.ordinary(), batches.ordinary(seed=8)[0])
LABELS = torch.arange(24) % 5
ONE_EACH = torch.arange(24)


def _solo_learn(labels: torch.Tensor, *views: torch.Tensor) -> torch.Tensor:
    """The formula of solo-learn's SimCLR: -mean of log(positives / (positives + negatives)), both sums inside."""
    rows, numbers = torch.nn.functional.normalize(torch.cat(views)), labels.repeat(len(views))
    scores, same = (rows @ rows.T / 0.2).exp(), numbers == numbers.unsqueeze(1)
    positives = (scores * (same & ~torch.eye(len(rows), dtype=torch.bool))).sum(dim=1)
    return -(positives / (positives + (scores * ~same).sum(dim=1))).log().mean()


@pytest.mark.parametrize("labels", [ONE_EACH, LABELS], ids=["views", "labels"])
@pytest.mark.parametrize("num_views", [2, 3])
def test_positives_summed_inside_are_solo_learns_sim_clr(labels: torch.Tensor, num_views: int):
    views = [view.clone().requires_grad_() for view in VIEWS[:num_views]]
    ours = SupCon(temperature=0.2, average="none")(*views, labels=labels)
    theirs = _solo_learn(labels, *views)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    gradients = [torch.autograd.grad(loss, views) for loss in (ours, theirs)]
    torch.testing.assert_close(*gradients, rtol=1e-11, atol=1e-12)


def test_inside_and_none_differ_by_the_logarithm_of_the_number_of_positives():
    inside = SupCon(average="inside").detail(*VIEWS, labels=LABELS)
    summed = SupCon(average="none").detail(*VIEWS, labels=LABELS)
    expected = summed.per_anchor + summed.stats["num_positives"].log()
    torch.testing.assert_close(inside.per_anchor, expected, rtol=1e-12, atol=1e-12)


def test_averages_inside_are_never_above_those_outside():
    # Jensen's inequality, as in the source.
    outside, inside = (SupCon(average=average).detail(*VIEWS, labels=LABELS) for average in ("outside", "inside"))
    assert (inside.per_anchor < outside.per_anchor).all()


@pytest.mark.parametrize("average", ["outside", "inside", "none"])
def test_one_label_per_sample_and_two_views_are_info_nce(average: str):
    loss = SupCon(temperature=0.5, average=average)(*VIEWS[:2], labels=ONE_EACH)
    torch.testing.assert_close(loss, InfoNCE()(*VIEWS[:2]), rtol=1e-12, atol=1e-12)


@pytest.mark.whole
@pytest.mark.parametrize("backend", ["dense", Tiled(size=7)])
@pytest.mark.parametrize("average", ["outside", "inside", "none"])
@pytest.mark.parametrize("only_first_view", [False, True])
def test_a_mask_of_equal_labels_is_those_labels(average: str, only_first_view: bool, backend: str | Tiled):
    objective = SupCon(average=average, only_first_view=only_first_view)
    with use_backend(backend):
        labelled = objective.detail(*VIEWS, labels=LABELS)
        for dtype in (torch.bool, torch.uint8, torch.float32):
            masked = objective.detail(*VIEWS, mask=(LABELS.unsqueeze(1) == LABELS).to(dtype))
            torch.testing.assert_close(masked.per_anchor, labelled.per_anchor, rtol=1e-11, atol=1e-12)
            torch.testing.assert_close(masked.stats["num_positives"], labelled.stats["num_positives"])


def test_anchors_of_the_first_view_are_the_first_of_all_anchors():
    first, whole = (SupCon(only_first_view=only).detail(*VIEWS, labels=LABELS).per_anchor for only in (True, False))
    torch.testing.assert_close(first, whole[:24], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("objective", "given", "message"),
    [
        (SupCon(), {"labels": LABELS, "mask": torch.eye(24)}, "mask must be None beside labels"),
        (SupCon(), {}, "SupCon needs labels"),
        (SupCon(), {"mask": torch.eye(24), "counted": LABELS}, "mask must be None beside counted"),
        (SupCon(blend=Blend()), {"mask": torch.eye(24)}, "mask must be None with a blend"),
    ],
)
def test_a_mask_that_does_not_fit_is_refused(objective: SupCon, given: dict[str, torch.Tensor], message: str):
    with pytest.raises(ValueError, match=message):
        objective.detail(*VIEWS, **given)


@pytest.mark.parametrize("value", [-1.0, torch.nan, torch.inf])
def test_a_mask_of_no_weights_is_refused_or_gives_no_finite_loss(value: float, monkeypatch: pytest.MonkeyPatch):
    mask = (LABELS.unsqueeze(1) == LABELS).double()
    mask[3, 3] = value
    with pytest.raises(ValueError, match=rf"mask must be finite and at least 0, .*got {value:g}; .*mask > 0"):
        SupCon()(*VIEWS, mask=mask)
    monkeypatch.setattr("anchorwise._tensor_checks.are_read", lambda values: False)
    assert not any(SupCon(average=average)(*VIEWS, mask=mask).isfinite() for average in ("outside", "inside", "none"))


def test_a_teacher_that_is_the_student_makes_nspt_sup_con_of_the_rehearsed_rows():
    anchors = LABELS < 2
    whole = SupCon(temperature=0.2).detail(*VIEWS, labels=LABELS)
    taught = NSPT(temperature=0.2)
    given = {"labels": LABELS, "teachers": VIEWS}
    torch.testing.assert_close(taught(*VIEWS, **given), whole.loss, rtol=1e-12, atol=1e-12)
    expected = whole.per_anchor[anchors.repeat(3)].mean()
    torch.testing.assert_close(taught(*VIEWS, **given, anchors=anchors), expected, rtol=1e-12, atol=1e-12)


def test_without_anything_to_rehearse_nspt_is_nothing_and_teachers_get_no_gradient():
    views = [view.clone().requires_grad_() for view in VIEWS]
    given = {"labels": LABELS, "teachers": views[::-1]}
    loss = NSPT()(*views, **given, anchors=torch.zeros(24, dtype=torch.bool))
    loss.backward()
    assert loss == 0
    assert not any(view.grad.any() for view in views)
    taught = [view.clone().requires_grad_() for view in VIEWS]
    NSPT()(*VIEWS[:2], views[0], labels=LABELS, teachers=taught).backward()
    assert all(view.grad is None for view in taught)


@pytest.mark.parametrize("backend", ["dense", Tiled(size=7)])
@pytest.mark.parametrize("given", [{}, {"normalise": False}, {"average": "inside"}, {"only_first_view": True}])
def test_samples_that_do_not_count_are_not_there(given: dict[str, object], backend: str | Tiled):
    objective, counted = SupCon(**given), torch.arange(24) % 3 > 0
    some = [view[counted] for view in VIEWS]
    with use_backend(backend):
        expected = objective.detail(*some, labels=LABELS[counted])
        found = objective.detail(*VIEWS, labels=LABELS, counted=counted)
    torch.testing.assert_close(found.loss, expected.loss, rtol=1e-12, atol=1e-12)
    assert objective(*VIEWS, labels=LABELS, counted=torch.zeros(24, dtype=torch.int64)) == 0.0


def test_products_of_class_probabilities_are_those_of_co_mix():
    # The value of the authors' function.
    rows = [
        torch.tensor([[3.0 * math.sin(1 + 3 * i + 7 * j + s) for j in range(3)] for i in range(4)], dtype=torch.float64)
        for s in (0.0, 0.2, 1.0, 1.2)
    ]
    objective = SupCon(temperature=0.5, base_temperature=0.07, normalise=False)
    loss = objective(*(row.softmax(dim=1) for row in rows), labels=torch.arange(4))
    assert loss.item() == pytest.approx(18.5905561716, abs=1e-9)


def test_a_scale_of_rows_as_they_are_is_one_of_their_products():
    objective, labels = SupCon(temperature=2.0, normalise=False), LABELS
    whole = objective(*VIEWS, labels=labels)
    torch.testing.assert_close(
        SupCon(temperature=8.0, normalise=False)(*(2.0 * v for v in VIEWS), labels=labels), whole
    )
    scale = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    learnt = objective(*VIEWS, labels=labels, logit_scale=scale)
    torch.testing.assert_close(learnt, whole)
    assert torch.autograd.grad(learnt, scale)[0] != 0


def test_rows_as_they_are_have_no_tails_to_be_blended():
    with pytest.raises(ValueError, match="blend must be None with normalise=False"):
        SupCon(normalise=False, blend=Blend())
