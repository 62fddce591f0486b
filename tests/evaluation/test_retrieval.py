import math

import pytest
import torch

from anchorwise.evaluation.retrieval import ranks_of, retrieval_values
from anchorwise.evaluation.sts import spearman, sts_correlations


def test_ranks_are_those_of_a_case_by_hand():
    queries = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
    keys = torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.5, 0.5]])
    # Query 0: its key 1.0, another 1.0 counts against it. Query 1: 0.1 after 1.0 and 0.5. Query 2: 0.8 is the highest.
    assert ranks_of(queries, keys).tolist() == [2, 3, 1]
    values = retrieval_values(torch.tensor([2, 3, 1, 11]))
    assert values["recall_at_1"].tolist() == [0.0, 0.0, 100.0, 0.0]
    assert float(values["recall_at_5"].mean()) == 75.0
    assert float(values["mrr"].mean()) == pytest.approx((1 / 2 + 1 / 3 + 1 + 1 / 11) / 4)
    assert values["ndcg"].tolist() == pytest.approx([1 / math.log2(3), 0.5, 1.0, 0.0])


def test_a_collapsed_encoder_finds_nothing():
    rows = torch.ones(40, 3)
    assert ranks_of(rows, rows).tolist() == [40] * 40


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
