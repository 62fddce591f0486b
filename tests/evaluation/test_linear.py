import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression

from anchorwise.evaluation.linear import choose_penalty, fit_probe
from anchorwise.evaluation.splits import stratified_split


def overlapping_classes(num_rows=400, width=10, seed=0):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(num_rows) % 3
    shift = torch.randn(3, width, generator=torch.Generator().manual_seed(7))
    noise = torch.randn(num_rows, width, generator=generator)
    # Columns of very different scale, as features have.
    return (0.5 * shift[labels] + noise) * torch.logspace(-2, 2, width) + 5.0, labels


def standardised(features):
    return (features - features.mean(dim=0)) / features.std(dim=0, correction=0)


@pytest.mark.parametrize("penalty", [1.0, 1e-2, 1e-4])
def test_the_probe_is_scikit_learns_logistic_regression(penalty):
    features, labels = overlapping_classes()
    probe = fit_probe(features.double(), labels, penalty=penalty)
    twin = LogisticRegression(C=1.0 / (penalty * len(labels)), tol=1e-8, max_iter=5000)
    twin.fit(standardised(features.double()).numpy(), labels.numpy())
    # Both stop at a gradient of 1e-4 or less, and the curvature is at least the penalty's or the data's, about 0.05.
    assert np.abs(probe.weight.numpy() - twin.coef_).max() < 5e-3
    difference = probe.logits(features.double()).softmax(dim=1).numpy() - twin.predict_proba(
        standardised(features.double()).numpy()
    )
    assert np.abs(difference).max() < 2e-3


def test_the_gradient_of_the_stated_problem_vanishes_at_the_probe():
    features, labels = overlapping_classes()
    probe = fit_probe(features.double(), labels, penalty=0.01)
    weight = probe.weight.clone().requires_grad_()
    loss = F.cross_entropy(F.linear(standardised(features.double()), weight, probe.bias), labels)
    (gradient,) = torch.autograd.grad(loss + 0.005 * weight.square().sum(), weight)
    assert float(gradient.abs().max()) < 1e-4  # The stated tolerance.


def test_units_of_the_features_do_not_matter():
    features, labels = overlapping_classes()
    predicted = fit_probe(features, labels, penalty=0.01).predict(features)
    scales = torch.logspace(3, -3, features.shape[1])
    assert torch.equal(fit_probe(features * scales, labels, penalty=0.01).predict(features * scales), predicted)


def test_a_constant_feature_changes_nothing():
    features, labels = overlapping_classes()
    widened = torch.cat([features, torch.full((len(features), 1), 0.1)], dim=1)
    expected = fit_probe(features, labels, penalty=0.01).logits(features)
    assert torch.allclose(fit_probe(widened, labels, penalty=0.01).logits(widened), expected, atol=1e-3)


def test_a_start_changes_the_speed_and_not_the_result():
    features, labels = overlapping_classes()
    features = features.double()
    cold = fit_probe(features, labels, penalty=0.01)
    warm = fit_probe(features, labels, penalty=0.01, start=fit_probe(features, labels, penalty=1.0))
    # Both are within the gradient tolerance 1e-4 over the curvature, at least the penalty 0.01.
    assert torch.allclose(warm.weight, cold.weight, atol=1e-2)


def test_the_probe_works_where_gradients_are_switched_off():
    features, labels = overlapping_classes()
    with torch.no_grad():
        assert fit_probe(features, labels, penalty=0.01).accuracy(features, labels) > 0.5


def test_the_penalty_is_the_best_on_validation_and_the_stronger_of_equals():
    features, labels = overlapping_classes()
    choice = choose_penalty(features, labels, stratified_split(labels, validation_fraction=0.25, seed=0))
    assert choice.validation_accuracy == max(choice.tried.values())
    best = [penalty for penalty, accuracy in choice.tried.items() if accuracy == choice.validation_accuracy]
    assert choice.penalty == max(best)


def test_weaker_penalties_are_not_tried_once_they_stop_helping():
    features, labels = overlapping_classes(num_rows=90, width=60)
    split = stratified_split(labels, validation_fraction=0.3, seed=0)
    choice = choose_penalty(features, labels, split, penalties=[10.0**-k for k in range(9)])
    tried = list(choice.tried)
    assert len(tried) == min(9, tried.index(choice.penalty) + 3)


def test_the_choice_does_not_look_at_rows_outside_the_split():
    features, labels = overlapping_classes()
    split = stratified_split(labels[:300], validation_fraction=0.25, seed=0)
    spoiled = features.clone()
    spoiled[300:] = 1e6
    assert choose_penalty(spoiled, labels, split) == choose_penalty(features, labels, split)


def test_wrong_arguments_are_named():
    features, labels = overlapping_classes()
    with pytest.raises(ValueError, match=r"penalty must be above 0, got 0\.0"):
        fit_probe(features, labels, penalty=0.0)
    split = stratified_split(labels, validation_fraction=0.25, seed=0)
    with pytest.raises(ValueError, match="penalties must name at least one, got none"):
        choose_penalty(features, labels, split, penalties=[])


def test_class_ids_are_names_and_no_sizes():
    features, labels = overlapping_classes()
    ids = torch.tensor([5, 10**12, 2**62])
    probe, expected = fit_probe(features, ids[labels], penalty=0.01), fit_probe(features, labels, penalty=0.01)
    assert torch.equal(probe.weight, expected.weight)
    assert torch.equal(probe.predict(features), ids[expected.predict(features)])


@pytest.mark.filterwarnings("ignore:.*Profiler clears events:UserWarning")  # Of torch 2.11, at every profile.
def test_fitting_needs_no_second_matrix_of_rows_by_classes():
    features, labels = torch.randn(2000, 4, generator=torch.Generator().manual_seed(0)), torch.arange(2000) % 500
    with torch.profiler.profile(profile_memory=True) as profile:
        fit_probe(features, labels, penalty=1.0)
    largest = max(event.self_cpu_memory_usage // max(event.count, 1) for event in profile.key_averages())
    assert largest <= 2000 * 500 * 4  # One float32 matrix of log probabilities; a one-hot int64 one is twice that.
