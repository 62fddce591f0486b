"""OpTA beside the released steps written out, and where it moves the means of classes to."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from anchorwise._sinkhorn import balanced_assignments
from anchorwise.evaluation.evaluate import evaluate
from anchorwise.evaluation.few_shot import FewShot
from anchorwise.evaluation.opta import standardised, transported_means
from tests.evaluation.test_few_shot import TRAIN, judged, rows


def _plan(means: np.ndarray, queries: np.ndarray, epsilon: float = 0.05) -> np.ndarray:
    """The release's dual potentials, updated in turn until they stand still."""
    costs = ((means[:, None] - queries[None]) ** 2).sum(axis=2)
    costs = costs / costs.max()
    of_means, of_queries = np.zeros(len(means)), np.zeros(len(queries))

    def shares() -> np.ndarray:
        return np.exp((of_means[:, None] + of_queries[None] - costs) / epsilon)

    for _ in range(500):
        of_means = of_means + epsilon * np.log(1 / len(means) / shares().sum(axis=1))
        of_queries = of_queries + epsilon * np.log(1 / len(queries) / shares().sum(axis=0))
    return shares()


def _slow_means(support: np.ndarray, queries: np.ndarray) -> np.ndarray:
    start = means = support.mean(axis=1)
    for _ in range(5 if support.shape[1] == 1 else 1):
        plan = _plan(means, queries)
        means = plan / plan.sum(axis=1, keepdims=True) @ queries
    return means if support.shape[1] == 1 else 0.7 * means + 0.3 * start


@pytest.mark.parametrize("shots", [1, 3])
def test_means_are_transported_as_a_slow_twin_has_it(shots: int):
    generator = torch.Generator().manual_seed(0)
    support = torch.randn(4, 3, shots, 6, dtype=torch.float64, generator=generator)
    query = torch.randn(4, 3, 5, 6, dtype=torch.float64, generator=generator)
    found = transported_means(support, query)
    for one in range(4):
        expected = _slow_means(support[one].numpy(), query[one].reshape(15, 6).numpy())
        np.testing.assert_allclose(found[one].numpy(), expected, rtol=0, atol=1e-3)


def test_a_support_row_beside_its_class_is_moved_to_the_mean_of_its_queries():
    # Two tight classes; either support row is on the way to the other class, on its own side of the middle.
    query = torch.tensor([[[[0.0, 0.0], [0.0, 0.2]], [[4.0, 0.0], [4.0, 0.2]]]], dtype=torch.float64)
    support = torch.tensor([[[[1.5, 0.0]], [[2.5, 0.0]]]], dtype=torch.float64)
    torch.testing.assert_close(transported_means(support, query), query.mean(dim=2), rtol=0, atol=1e-6)


def test_balancing_stops_once_it_is_balanced_and_not_before_all_problems_are():
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(6, 4, 9, dtype=torch.float64, generator=generator)
    given = {"epsilon": 0.5, "num_iterations": 10_000}
    shares = balanced_assignments(scores, **given, tolerance=1e-6)
    torch.testing.assert_close(shares.sum(dim=1), torch.full((6, 9), 4 / 9, dtype=torch.float64), rtol=1e-5, atol=0)
    apart = torch.stack([balanced_assignments(problem, **given, tolerance=1e-9) for problem in scores])
    torch.testing.assert_close(shares, apart, rtol=1e-4, atol=1e-9)


def test_rows_are_standardised_one_by_one_and_constant_ones_become_zero():
    found = standardised(torch.tensor([[1.0, 2.0, 3.0], [5.0, 5.0, 5.0]]))
    assert found.tolist() == [[-1.0, 0.0, 1.0], [0.0, 0.0, 0.0]]


def test_an_episode_is_as_a_slow_twin_has_it():
    test = rows(60, 6, spread=0.8)
    judge, judgement = judged(test, num_ways=3, num_shots=(1, 2), num_episodes=5, opta=True)
    units = standardised(torch.from_numpy(test.views[0])).double().numpy()
    for shots in (1, 2):
        picked = judge._picked(torch.from_numpy(test.labels), None, shots, 6).numpy()
        right = []
        for episode in picked:
            queries = units[episode[:, shots:].ravel()]
            slow = LogisticRegression(tol=1e-8).fit(_slow_means(units[episode[:, :shots]], queries), np.arange(3))
            right.append(np.mean(slow.predict(queries) == np.arange(3).repeat(4)))
        assert judgement.numbers[f"opta@{shots}"][0] == pytest.approx(np.mean(right))
        assert judgement.errors[f"opta@{shots}"] == pytest.approx(np.std(right, ddof=1) / np.sqrt(5))


def test_it_is_off_by_default_and_leaves_the_other_numbers_as_they_are():
    test = rows(120, 6, spread=0.8)
    without, with_it = judged(test)[1], judged(test, opta=True)[1]
    assert {name: with_it.numbers[name] for name in without.numbers} == without.numbers
    assert set(with_it.numbers) - set(without.numbers) == {"opta@1", "opta@5"}


def test_it_stands_in_a_table_of_its_own_that_says_what_it_looks_at():
    test = rows(200, 8, spread=0.8)
    settings = {"num_episodes": 60, "num_queries": 5, "num_ways": 4}
    plain, transductive = evaluate(TRAIN, test, {"name": "few_shot", **settings, "opta": True}).tables()
    assert plain.places == "4-way, shots"
    assert (transductive.places, transductive.columns) == ("4-way, all queries at once, shots", ("1", "5"))
    assert [row[0] for row in transductive.rows] == ["OpTA (transductive) %"]


@pytest.mark.whole
def test_it_helps_where_a_class_has_one_example_and_queries_lie_in_clusters():
    _, judgement = judged(rows(400, 8, spread=0.5), num_queries=15, num_ways=5, num_episodes=60, opta=True)
    assert judgement.numbers["opta@1"][0] > judgement.numbers["logistic@1"][0] + 0.03
    assert FewShot.primary == "centroid@1"
