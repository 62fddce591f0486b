"""COCONUT: its three terms, the copy that is frozen between tasks, and the classes that are open."""

import pytest
import torch
from torch.nn import functional

from anchorwise import CLIP, NSPT
from tests.methods.training import method_of, optimizer_of, outlook, train, views_of_step

FIRST, SECOND = torch.tensor([0]), torch.tensor([1])


def _in_second_task(**settings):
    method = method_of("coconut", norm="layer", **settings)
    method.before_task(FIRST[:0], FIRST)
    method.before_task(FIRST, SECOND)
    train(method, optimizer_of(method), range(2))
    return method


def test_the_loss_is_put_together_from_its_terms():
    method = _in_second_task(contrast=0.7, words=0.3, word_temperature=0.2)
    views, batch = views_of_step(method, 2)
    features = [method.encoder(view) for view in views]
    rows, words = [method.online.head(each) for each in features], method.words(batch.labels)
    teachers = [method.twin(view) for view in views]
    held = NSPT()(*rows, labels=batch.labels, teachers=teachers, anchors=batch.labels == 0)
    named = sum(CLIP(temperature=0.2)(row, words, ids=batch.labels) for row in rows) / 2
    told = functional.cross_entropy(method.classifier(torch.cat(features)), batch.labels.repeat(2))
    outcome = method(views, batch).outcome
    assert outcome.loss.item() == pytest.approx((told + 0.7 * held + 0.3 * named).item(), rel=1e-6)
    assert outcome.per_anchor.mean().item() == pytest.approx(outcome.loss.item(), rel=1e-6)


def test_the_copy_is_the_network_at_the_end_of_the_task_before_and_stays():
    method = method_of("coconut")
    optimizer = optimizer_of(method)
    method.before_task(FIRST[:0], FIRST)
    train(method, optimizer, range(2))
    views, _ = views_of_step(method, 2)
    expected = method.eval().online(views[0])
    method.train().before_task(FIRST, SECOND)
    train(method, optimizer, range(2, 4))
    assert torch.equal(method.twin(views[0]), expected)
    assert not torch.equal(method.eval().online(views[0]), expected)


def test_only_classes_seen_so_far_are_told():
    method = method_of("coconut", num_classes=4)
    views, _ = views_of_step(method, 0)
    for earlier, new in (([], [2]), ([2], [0, 3])):
        method.before_task(torch.tensor(earlier, dtype=torch.int64), torch.tensor(new))
        assert set(method.classify(torch.cat(views)).tolist()) <= {*earlier, *new}
        assert method.is_earlier.nonzero().flatten().tolist() == earlier


def test_what_is_new_is_no_anchor():
    method = _in_second_task(words=0.0)
    views, batch = views_of_step(method, 2)
    method.before_task(FIRST[:0], torch.tensor([0, 1]))
    stats = method(views, batch).outcome.stats
    assert stats["nspt"] == 0.0
    assert stats["class_loss"] > 0.0


def test_other_classes_than_the_classifier_has_are_refused_before_the_first_step():
    with pytest.raises(ValueError, match=r"method\.num_classes must be the 5 classes of the samples, got 2"):
        method_of("coconut").check(outlook(num_classes=5))
    with pytest.raises(ValueError, match="needs labels"):
        method_of("coconut").check(outlook(num_classes=0))
