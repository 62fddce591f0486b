"""SimLAP: who is paired with whom, and the gate of two classes."""

import pytest
import torch

from anchorwise import SimLAP
from anchorwise.methods.simlap import ClassPairGate
from anchorwise.models import PredictorConfig
from tests.methods.training import clock_at, method_of, outlook, views_of_step


def test_the_gate_does_not_know_which_class_came_first():
    gate = ClassPairGate(4, 6, PredictorConfig(hidden_width=5, norm="none"), width=3)
    labels, partners = torch.tensor([0, 1, 2]), torch.tensor([3, 1, 0])
    torch.testing.assert_close(gate(labels, partners), gate(partners, labels))
    assert gate(labels, partners).min() > 0.0
    assert gate(labels, partners).max() < 1.0


def test_partners_are_a_permutation_of_the_labels_another_at_every_step():
    method = method_of("simlap", num_classes=9)
    ids, labels = torch.arange(9), torch.arange(9)
    drawn = []
    for step in range(3):
        method.before_step(clock_at(step))
        drawn.append(method._partners(ids, labels).tolist())
    assert [sorted(partners) for partners in drawn] == [list(range(9))] * 3
    assert drawn[0] != drawn[1] != drawn[2]


def test_partners_go_with_the_samples_and_not_with_their_places():
    method = method_of("simlap", num_classes=9)
    ids, order = torch.arange(9), torch.randperm(9, generator=torch.Generator().manual_seed(0))
    assert torch.equal(method._partners(ids, ids)[order], method._partners(ids[order], ids[order]))


def test_the_loss_is_of_one_view_among_itself():
    method = method_of("simlap", norm="layer")
    views, batch = views_of_step(method, 0)
    assert len(views) == 1
    rows, partners = method.online(views[0]), method._partners(batch.ids, batch.labels)
    given = {"labels": batch.labels, "partners": partners, "gates": method.gate(batch.labels, partners)}
    expected = SimLAP(renormalise=True)(rows, rows, **given)
    assert method(views, batch).outcome.loss.item() == pytest.approx(expected.item(), rel=1e-12)


def test_more_classes_than_rows_for_them_are_refused_before_the_first_step():
    with pytest.raises(ValueError, match=r"method\.num_classes must be at least the 5 classes of the samples, got 2"):
        method_of("simlap").check(outlook(num_classes=5))
