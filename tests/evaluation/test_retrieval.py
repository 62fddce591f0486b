import math

import pytest
import torch

from anchorwise.evaluation.pair_classification import pair_classification
from anchorwise.evaluation.partners import Pairs
from anchorwise.evaluation.retrieval import Search, ranks_of, retrieval_values
from anchorwise.evaluation.sts import spearman, sts_correlations


def test_ranks_are_those_of_a_case_by_hand():
    queries = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
    keys = torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.5, 0.5]])
    # Query 0: its key 1.0, another 1.0 counts against it. Query 1: 0.1 after 1.0 and 0.5. Query 2: 0.8 is the highest.
    assert ranks_of(queries, keys)[:, 0].tolist() == [2, 3, 1]
    values = retrieval_values(torch.tensor([[2], [3], [1], [11]]))
    assert values["recall_at_1"].tolist() == [0.0, 0.0, 100.0, 0.0]
    assert float(values["recall_at_5"].mean()) == 75.0
    assert float(values["mrr"].mean()) == pytest.approx((1 / 2 + 1 / 3 + 1 + 1 / 11) / 4)
    assert values["ndcg"].tolist() == pytest.approx([1 / math.log2(3), 0.5, 1.0, 0.0])


def test_a_collapsed_encoder_finds_nothing():
    rows = torch.ones(40, 3)
    assert ranks_of(rows, rows)[:, 0].tolist() == [40] * 40


def test_of_several_keys_that_answer_the_best_counts_and_all_gain():
    queries = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    keys = torch.tensor([[0.9, 0.0], [0.5, 0.7], [0.7, 0.2], [0.6, 0.7], [0.7, 0.9]])
    answers = torch.tensor([[0, 1, 2], [3, 4, -1]])
    # Query 0: 0.9 first; 0.7 after the tie with key 4; 0.5 last. Query 1: 0.9 first, 0.7 ties with key 1 and is lost.
    found = ranks_of(queries, keys, answers)
    assert found.tolist() == [[1, 3, 5], [1, 3, 0]]
    values = retrieval_values(found)
    gains = [1 / math.log2(1 + place) for place in range(1, 6)]
    assert values["ndcg"].tolist() == pytest.approx(
        [(gains[0] + gains[2] + gains[4]) / sum(gains[:3]), (gains[0] + gains[2]) / sum(gains[:2])]
    )
    assert values["mrr"].tolist() == [1.0, 1.0]
    with pytest.raises(ValueError, match="must name a key for every query"):
        ranks_of(queries, keys, torch.tensor([[0], [-1]]))


def test_equal_texts_are_one_from_both_sides():
    # Who asks: a, b, a once more, c. What belongs to them: x, y, z, y once more.
    rows = torch.eye(3)
    first, second = (
        rows[[0, 1, 0, 2]],
        torch.tensor([[0.9, 0.1, 0.0], [0.0, 0.9, 0.5], [0.5, 0.6, 0.0], [0.0, 0.9, 0.5]]),
    )
    alike = {"first_as": torch.tensor([0, 1, 0, 3]), "second_as": torch.tensor([0, 1, 2, 1])}
    search = Search.of(Pairs(first, second, torch.arange(4), **alike))
    assert search.query_numbers.tolist() == [0, 1, 3]
    assert search.key_numbers.tolist() == [0, 1, 2]
    assert search.answers.tolist() == [[0, 2], [1, -1], [1, -1]]
    assert search.ranks().tolist() == [[1, 2], [1, 0], [1, 0]]
    assert search.back.answers.tolist() == [[0, -1], [1, 2], [0, -1]]
    assert search.back.ranks().tolist() == [[1, 0], [1, 2], [2, 0]]
    # As four that differ, nobody but b finds its own: the other y stands before.
    each = Search.of(Pairs(first, second, torch.arange(4)))
    assert each.ranks().tolist() == [[1], [2], [2], [2]]
    assert each.back.ranks().tolist() == [[2], [1], [3], [2]]


def test_several_belong_to_one_and_one_to_several():
    pairs = Pairs(
        torch.eye(2), torch.eye(2)[[0, 0, 1, 1]], torch.tensor([0, 0, 1, 1]), None, torch.tensor([0, 1, 2, 1])
    )
    search = Search.of(pairs)
    assert search.answers.tolist() == [[0, 1], [1, 2]]
    assert search.back.answers.tolist() == [[0, -1], [0, 1], [1, -1]]


def test_ranks_are_those_of_sorting_all_keys_one_by_one():
    generator = torch.Generator().manual_seed(0)
    queries, keys = (torch.randint(-2, 3, (number, 3), generator=generator).float() for number in (9, 20))
    answers = torch.stack([torch.randperm(20, generator=generator)[:3] for _ in range(9)])
    for query, own, places in zip(queries, answers.tolist(), ranks_of(queries, keys, answers).tolist(), strict=True):
        # Of equal scores those that do not answer come first.
        order = sorted(range(20), key=lambda key: (-float(query @ keys[key]), key in own))
        assert [order.index(key) + 1 for key in order if key in own] == places


def test_pairs_are_told_apart_as_in_a_case_by_hand():
    scores = torch.tensor([0.9, 0.8, 0.8, 0.3, 0.1])
    is_alike = torch.tensor([True, True, False, True, False])
    found = pair_classification(scores, is_alike)
    # From 0.9 on: 1 of 1. From 0.8: 2 of 3. From 0.3: 3 of 4. From 0.1: 3 of 5.
    assert found["pair_ap"] == pytest.approx((1 + 2 / 3 + 3 / 4) / 3)
    assert found["pair_accuracy"] == pytest.approx(4 / 5)
    assert found["pair_f1"] == pytest.approx(6 / 7)
    equal = pair_classification(torch.ones(4), torch.tensor([True, False, False, False]))
    assert equal == {"pair_ap": 0.25, "pair_accuracy": 0.75, "pair_f1": pytest.approx(0.4)}
    with pytest.raises(ValueError, match=r"both kinds, alike and not, got 0 of 5 alike; change judges.pair_class"):
        pair_classification(scores, torch.zeros(5, dtype=torch.bool))


def test_pair_classification_is_scikit_learns():
    from sklearn.metrics import average_precision_score, precision_recall_curve

    generator = torch.Generator().manual_seed(1)
    is_alike = torch.rand(200, generator=generator) < 0.3
    scores = (torch.rand(200, generator=generator) + 0.3 * is_alike).mul(20).round() / 20
    found = pair_classification(scores, is_alike)
    assert found["pair_ap"] == pytest.approx(average_precision_score(is_alike, scores))
    precision, recall, _ = precision_recall_curve(is_alike, scores)
    assert found["pair_f1"] == pytest.approx((2 * precision * recall / (precision + recall).clip(1e-9)).max())
    best = max(((scores >= cut) == is_alike).double().mean().item() for cut in [*scores.unique().tolist(), 9.0])
    assert found["pair_accuracy"] == pytest.approx(best)


def test_all_and_mean_differ_where_parts_have_other_means():
    gold, tasks = torch.tensor([0.0, 1, 2, 0, 1, 2]), torch.tensor([0, 0, 0, 1, 1, 1])
    scores = torch.tensor([0.1, 0.2, 0.3, 0.7, 0.8, 0.9])
    found = sts_correlations(scores, gold, tasks)
    assert found["sts_spearman_mean"] == pytest.approx(1.0)
    assert found["sts_spearman_all"] == pytest.approx(0.4780914437, abs=1e-9)
    alone = sts_correlations(scores, gold)
    assert alone["sts_spearman_all"] == alone["sts_spearman_mean"]


def test_equal_scores_correlate_with_nothing():
    assert spearman(torch.ones(4), torch.arange(4.0)) == 0.0
