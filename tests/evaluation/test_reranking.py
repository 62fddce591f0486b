"""The judge of rerankers, by hand, and who it does not judge."""

import numpy as np
import pytest
import torch

from anchorwise.embeddings import Embeddings
from anchorwise.evaluation.base import Choices
from anchorwise.evaluation.reranking import Reranking, reranked

FOUND = torch.tensor([[True, False, False], [False, False, True], [False, False, False]])


def test_an_answer_among_the_candidates_gets_the_place_of_its_score_and_another_keeps_that_of_the_search():
    scores = torch.tensor([[0.2, 0.9, 0.1], [0.1, 0.2, 0.3], [5.0, 6.0, 7.0]])
    assert reranked(scores, FOUND, torch.tensor([1, 3, 8])).tolist() == [2, 1, 8]


def test_a_tie_counts_against_the_encoder_so_that_one_that_says_the_same_of_all_finds_nothing():
    assert reranked(torch.zeros(3, 3), FOUND, torch.tensor([1, 3, 8])).tolist() == [3, 3, 8]


def test_rows_of_a_file_are_not_judged():
    rows = Embeddings((np.zeros((3, 2), dtype=np.float32),))
    with pytest.raises(ValueError, match="judge 'reranking' needs the encoder and its samples"):
        Reranking(Reranking.Config()).judge(rows, rows, Choices())


def test_the_judge_says_which_numbers_are_whose():
    names = [metric.name for metric in Reranking(Reranking.Config()).metrics]
    assert {"reranked_mrr", "tf_idf_mrr", "reranked_recall_at_1", "reranking_reach"} <= set(names)
    assert len(names) == len(set(names))
    labels = [metric.label for metric in Reranking(Reranking.Config()).metrics]
    assert "TF-IDF MRR" in labels
    assert len(labels) == len(set(labels))
