"""Few-shot episodes: how they are drawn, and both classifiers against slow twins."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestCentroid

from anchorwise.embeddings import Embeddings
from anchorwise.evaluation.evaluate import evaluate
from anchorwise.evaluation.few_shot import FewShot, logistic_predictions

TRAIN = Embeddings((np.zeros((2, 6), np.float32),))


def rows(num: int, num_classes: int, spread: float, seed: int = 0, groups: np.ndarray | None = None) -> Embeddings:
    rng = np.random.default_rng(seed)
    labels = np.arange(num) % num_classes
    centres = np.random.default_rng(7).standard_normal((num_classes, 6))
    features = centres[labels] + spread * rng.standard_normal((num, 6))
    return Embeddings((features.astype(np.float32),), labels, groups=groups)


def judged(test: Embeddings, **settings: object):
    judge = FewShot(FewShot.Config(**{"num_queries": 4, "num_episodes": 40, **settings}))
    return judge, judge.judge(TRAIN, test, judge.choose(TRAIN))


@pytest.mark.parametrize("inverse_penalty", [0.1, 1.0, 100.0])
def test_logistic_regression_of_all_episodes_at_once_is_scikit_learns(inverse_penalty: float):
    generator = torch.Generator().manual_seed(0)
    support = torch.nn.functional.normalize(torch.randn(5, 3, 4, 6, generator=generator), dim=3)
    query = torch.nn.functional.normalize(torch.randn(5, 3, 7, 6, generator=generator), dim=3)
    found = logistic_predictions(support, query, inverse_penalty=inverse_penalty)
    for one in range(5):
        slow = LogisticRegression(C=inverse_penalty, tol=1e-10, max_iter=10_000)
        slow.fit(support[one].reshape(12, 6).numpy(), np.arange(3).repeat(4))
        assert found[one].flatten().tolist() == slow.predict(query[one].reshape(21, 6).numpy()).tolist()


def test_an_episode_is_as_a_slow_twin_has_it():
    test = rows(60, 6, spread=0.8)
    judge, judgement = judged(test, num_ways=3, num_shots=(2,), num_episodes=5)
    picked = judge._picked(torch.from_numpy(test.labels), None, 2, 6)
    units = test.views[0] / np.linalg.norm(test.views[0], axis=1, keepdims=True)
    accuracies = {"centroid": [], "logistic": []}
    for episode in picked.numpy():
        support, queries = units[episode[:, :2].ravel()], units[episode[:, 2:].ravel()]
        for name, slow in (("centroid", NearestCentroid()), ("logistic", LogisticRegression(tol=1e-8))):
            slow.fit(support, np.arange(3).repeat(2))
            accuracies[name].append(np.mean(slow.predict(queries) == np.arange(3).repeat(4)))
    for name, values in accuracies.items():
        assert judgement.numbers[f"{name}@2"][0] == pytest.approx(np.mean(values))
        assert judgement.errors[f"{name}@2"] == pytest.approx(np.std(values, ddof=1) / np.sqrt(5))


def test_classes_differ_no_row_stands_twice_and_all_are_of_their_class():
    test = rows(120, 8, spread=1.0)
    judge, _ = judged(test, num_ways=4, num_shots=(3,), num_episodes=50)
    picked = judge._picked(torch.from_numpy(test.labels), None, 3, 8)
    labels = torch.from_numpy(test.labels)[picked]
    assert picked.shape == (50, 4, 7)
    assert bool((labels == labels[:, :, :1]).all())
    assert all(len(set(episode.flatten().tolist())) == 28 for episode in picked)
    assert all(len(set(classes.tolist())) == 4 for classes in labels[:, :, 0])
    assert len(labels.unique()) == 8  # Over many episodes every class is drawn.


def test_of_a_group_at_most_one_row_is_in_an_episode():
    groups = np.arange(240) // 24 * 8 + np.arange(240) % 8  # Three rows of one class in each.
    test = rows(240, 8, spread=1.0, groups=groups)
    judge, _ = judged(test, num_ways=3, num_shots=(1,))
    picked = judge._picked(torch.from_numpy(test.labels), torch.from_numpy(groups), 1, 8)
    assert all(len(set(groups[episode.flatten().numpy()])) == 15 for episode in picked)
    labels = torch.from_numpy(test.labels)[picked]
    assert bool((labels == labels[:, :, :1]).all())


def test_the_interval_is_over_episodes_and_the_table_has_a_column_for_each_number_of_shots():
    test = rows(200, 8, spread=0.6)
    result = evaluate(TRAIN, test, {"name": "few_shot", "num_episodes": 100, "num_queries": 5, "num_ways": 4})
    interval = result.over_test_rows["centroid@5"]
    assert interval.num_rows == 100
    assert interval.low < interval.value < interval.high
    (table,) = result.tables()
    assert (table.places, table.columns) == ("4-way, shots", ("1", "5"))
    assert [row[0] for row in table.rows] == ["nearest centroid %", "logistic regression %"]
    assert result.numbers["centroid@5"] > result.numbers["centroid@1"] > 0.3
    episodes = "95 % interval over episodes, drawn from the same test rows."
    assert result.what_intervals_cover().splitlines()[:-1] == [f"[ ]: {episodes}"]
    beside = evaluate(TRAIN, test, [{"name": "few_shot", "num_episodes": 10, "num_queries": 5}, "geometry"])
    assert beside.what_intervals_cover().splitlines()[:-1] == [
        "[ ]: 95 % interval over test rows: what 200 other ones might give.",
        f"[ ] of nearest centroid, logistic regression: {episodes}",
    ]


def test_the_same_seed_draws_the_same_episodes_and_another_others():
    test = rows(200, 8, spread=1.0)
    first, again, other = (judged(test, seed=seed)[1].numbers for seed in (0, 0, 1))
    assert first == again != other


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"num_shots": (50,)}, r"5 classes must have 54 test rows each \(50 shots and 4 queries\), got 0 of 6"),
        ({"num_ways": 7}, "7 classes must have 5 test rows each .*, got 6 of 6 classes; lower judges.few_shot"),
    ],
)
def test_too_few_rows_or_classes_are_refused(settings: dict[str, object], words: str):
    with pytest.raises(ValueError, match=words):
        judged(rows(60, 6, spread=1.0), **settings)


def test_rows_without_labels_are_refused():
    with pytest.raises(ValueError, match="must have labels to be judged"):
        judged(Embeddings(rows(60, 6, spread=1.0).views))
