"""Rows that look for their own group, and values of groups explained by the mean of their rows."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from anchorwise.embeddings import Embeddings
from anchorwise.evaluation.evaluate import evaluate
from anchorwise.modalities.sequences import Sequences
from anchorwise.modalities.series.samples import SeriesSamples


def _rows(spread: float, num_groups: int = 40, seed: int = 0) -> Embeddings:
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(num_groups), 5)
    rows = rng.standard_normal((num_groups, 8))[groups] + spread * rng.standard_normal((len(groups), 8))
    return Embeddings((rows.astype(np.float32),), groups=groups)


def test_rows_find_their_group_as_often_as_counting_says():
    rows = _rows(0.8)
    result = evaluate(rows, rows, "group_retrieval")
    units = rows.views[0] / np.linalg.norm(rows.views[0], axis=1, keepdims=True)
    scores = units @ units.T - 9.0 * np.eye(len(units))
    order = np.argsort(-scores, axis=1)
    hits = rows.groups[order] == rows.groups[:, None]
    for most in (1, 5, 10):
        assert result.numbers[f"group_recall_at_{most}"] == pytest.approx(hits[:, :most].any(axis=1).mean())
    assert "by chance the nearest is of the own group in 2.0 %" in result.notes[-1]


def test_the_interval_is_as_wide_as_other_groups_differ():
    found = [evaluate(rows, rows, "group_retrieval") for rows in (_rows(1.0, seed=seed) for seed in range(40))]
    spread = np.std([result.numbers["group_recall_at_1"] for result in found])
    intervals = [result.judged["group_retrieval"].over_test_rows["group_recall_at_1"] for result in found]
    assert np.mean([each.high - each.low for each in intervals]) / (2 * 1.96) == pytest.approx(spread, rel=0.4)


def test_rows_that_are_alone_in_their_group_do_not_ask_and_are_met_by_the_others():
    rows = _rows(0.8)
    alone = replace(rows, groups=np.where(np.arange(200) < 150, rows.groups, 40 + np.arange(200)))
    result = evaluate(alone, alone, "group_retrieval")
    found, whole = result.numbers["group_recall_at_5"], evaluate(rows, rows, "group_retrieval")
    units = rows.views[0] / np.linalg.norm(rows.views[0], axis=1, keepdims=True)
    order = np.argsort(-(units @ units.T - 9.0 * np.eye(200)), axis=1)[:150, :5]
    assert found == pytest.approx((rows.groups[order] == rows.groups[:150, None]).any(axis=1).mean())
    assert "Each of 150 test rows of 30 groups asked among all others; by chance" in result.notes[-1]
    assert "50 rows that are alone in their group did not ask" in result.notes[-1]
    assert "did not ask" not in whole.notes[-1]


def test_rows_without_groups_are_refused():
    rows = Embeddings((np.ones((4, 2), np.float32),))
    with pytest.raises(ValueError, match="judge 'group_retrieval' needs test rows in groups of two or more"):
        evaluate(rows, rows, "group_retrieval")


def _samples(num_groups: int, seed: int) -> SeriesSamples:
    """Return segments of one step with two numbers each, of which they show the first but for noise."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(num_groups), 6)
    first, second = (torch.from_numpy(rng.standard_normal(num_groups)[groups]).float() for _ in range(2))
    rows = torch.randn(len(groups), 2, generator=torch.Generator().manual_seed(seed))
    rows[:, 0] += first
    places = torch.arange(len(groups))
    whose, names = torch.from_numpy(groups), tuple(map(str, groups))
    sequences = Sequences(rows, places, torch.ones_like(places))
    numbers = {"first": first, "second": second}
    return SeriesSamples(sequences, ("x", "y"), None, whose, names, groups=whose, numbers=numbers)


def _asked(**judge):
    return evaluate(_samples(800, 0), _samples(800, 1), {"name": "regression", **judge}, encoder=torch.nn.Flatten())


@pytest.mark.whole
def test_means_of_a_groups_rows_explain_what_single_rows_cannot():
    single, means = _asked(values="first"), _asked(values="first", by_group=True)
    assert single.numbers["r2"] == pytest.approx(1 / 2, abs=0.06)
    assert means.numbers["r2"] == pytest.approx(6 / 7, abs=0.05)
    over = means.judged["regression"].over_test_rows["r2"]
    assert over.low < means.numbers["r2"] < over.high


@pytest.mark.whole
def test_of_several_values_each_is_explained_by_itself_and_their_mean_stands_first():
    both, alone = _asked(values=["first", "second"], by_group=True), _asked(values="first", by_group=True)
    assert both.numbers["r2_first"] == alone.numbers["r2"]
    assert both.numbers["r2"] == pytest.approx((both.numbers["r2_first"] + both.numbers["r2_second"]) / 2)
    assert abs(both.numbers["r2_second"]) < 0.15
    assert [metric.name for metric in both.judges[0].headlines] == ["r2", "spearman"]


def test_values_and_groups_that_nobody_knows_are_refused_by_name():
    with pytest.raises(ValueError, match="needs 'third' of every sample"):
        _asked(values="third")
    alone = replace(_samples(4, 0), groups=None)
    with pytest.raises(ValueError, match=r"judges.regression.by_group needs samples in groups"):
        evaluate(alone, alone, {"name": "regression", "values": "first", "by_group": True}, encoder=torch.nn.Flatten())


def test_one_group_alone_is_refused_in_words():
    rows = replace(_rows(1.0, num_groups=4), groups=np.zeros(20, int))
    with pytest.raises(ValueError, match=r"in groups of two or more, .* got one such group; leave it out"):
        evaluate(_rows(1.0), rows, "group_retrieval")
