import numpy as np
import pytest
import torch

from anchorwise.diagnostics.anchors import _outliers, nearest_to_cap, read_anchors, same_class_share
from anchorwise.diagnostics.rows import usable_rows
from anchorwise.diagnostics.stream import stream_tails
from anchorwise.embeddings import Embeddings
from anchorwise.tails import likelihood_evidence


def sphere(n=600, d=8, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)


def look(embeddings, anchors, num_tail=50):
    rows = usable_rows(embeddings)
    tails = stream_tails(rows, np.asarray(anchors), num_tail=num_tail + 1)
    return rows, tails, read_anchors(tails, np.random.default_rng(0))


def test_readings_are_those_of_the_whole_row():
    view = sphere()
    _, _, readings = look(Embeddings((view,)), range(20))
    units = torch.nn.functional.normalize(torch.from_numpy(view).double(), dim=1)
    scores = (units[:20] @ units.T).masked_fill(torch.eye(20, 600, dtype=torch.bool), -torch.inf)
    expected = likelihood_evidence(scores, num_tail=50)
    # Float32 cosines: 1e-7 of a shortfall of some 0.1.
    assert readings.exponent == pytest.approx(expected.exponent.numpy(), rel=1e-4)
    assert readings.delta_aic == pytest.approx(expected.delta_aic.numpy(), abs=1e-3)
    assert readings.p_value == pytest.approx(expected.pvalue.numpy(), abs=1e-3)
    assert readings.hardest_score == pytest.approx(scores.amax(dim=1).numpy(), abs=1e-6)
    assert not readings.is_outlier.any()
    assert (readings.shortfall_p_value > 0.01).mean() > 0.8


def test_what_a_hard_negative_may_be_is_named():
    view0 = sphere()
    view1 = view0 + 0.5 * sphere(seed=1)
    labels = np.arange(600) % 7
    view0[100] = 2.0 * view0[3]  # The same row again.
    view0[200] = view0[4] + 1e-2 * view0[5]  # Nearly so.
    view0[57] = view0[50] + 0.5 * view0[5]  # Of one class: 50 and 57 are 1 modulo 7.
    names = [f"n{i}" for i in range(600)]
    rows, tails, readings = look(Embeddings((view0, view1), labels=labels, names=names), [3, 4, 50])
    found = {anchor.name: anchor for anchor in nearest_to_cap(rows, tails, readings)}
    duplicate, nearly = found["n3 (view 0)"].neighbors[0], found["n4 (view 0)"].neighbors[0]
    assert (duplicate.name, duplicate.kind) == ("n100 (view 0)", "exact duplicate")
    assert (nearly.name, nearly.kind) == ("n200 (view 0)", "likely duplicate")
    assert next(iter(found)) == "n3 (view 0)"  # Duplicates come first.
    same = [one for one in found["n50 (view 0)"].neighbors if one.label == "1"]
    assert {one.kind for one in same} == {"same class"}


@pytest.mark.whole
@pytest.mark.parametrize("num_tail", [20, 50])
def test_a_likely_duplicate_keeps_its_level(num_tail):
    # Independent tails of an exact power law; 1 % of runs may have any anchor called an outlier.
    rng, found = np.random.default_rng(0), 0
    for _ in range(40):
        shortfalls = np.sort(rng.uniform(size=(1000, 10 * num_tail)) ** (1 / 5), axis=1)[:, : num_tail + 2]
        found += _outliers(1.0 - 0.9 * shortfalls).any()
    assert found <= 3  # Binomial(40, 0.01) is above 3 with probability 0.0008.


def test_a_negative_nearer_than_the_own_other_view_is_named():
    view0 = sphere()
    rows, tails, readings = look(Embeddings((view0, -view0)), [7])
    (anchor,) = nearest_to_cap(rows, tails, readings)
    assert {one.kind for one in anchor.neighbors} == {"nearer than its own other view"}


def test_the_share_of_the_own_class_by_rank_matches_a_case_worked_by_hand():
    # Two tight classes: the hardest negatives are of the anchor's class until it is used up.
    view = 0.1 * sphere(300, 4) + np.repeat(np.eye(4, dtype=np.float32)[:2], 150, axis=0)
    rows, tails, _ = look(Embeddings((view,), labels=np.repeat([0, 1], 150)), range(0, 300, 10), num_tail=160)
    share = same_class_share(rows, tails)
    assert share[:149].tolist() == [1.0] * 149
    assert share[149:].tolist() == [0.0] * 12
    assert same_class_share(usable_rows(Embeddings((view,))), tails) is None


def test_an_anchor_without_a_readable_tail_is_data_and_no_error():
    view = sphere(300)
    view[:, 1:] = 0.0  # All rows are one of two directions.
    _, tails, readings = look(Embeddings((view,)), range(10))
    assert not readings.converged.any()
    assert len(tails.duplicates.scores) > 0


def test_scores_tied_with_the_threshold_make_no_outlier_of_the_next():
    assert not _outliers(np.array([[0.75, 0.583, 0.583, *[0.5] * 9, *[0.417] * 39]])).any()
