"""A cross-encoder: which scores meet, and what it asks of views, encoder and objective."""

import pytest
import torch

from anchorwise.methods import METHODS, SimCLR
from anchorwise.methods.base import check_objective
from anchorwise.modalities.encoder import Encoder
from anchorwise.modalities.samples import Batch
from anchorwise.objectives import build

MAKE = METHODS["cross_encoder"]


def method_of(objective: str = "listwise_ranking", width: int = 2):
    encoder = Encoder(torch.nn.Flatten(), num_features=width)
    return MAKE(encoder, build({"name": objective}), MAKE.Config(num_candidates=3))


def test_a_list_is_a_query_with_its_own_candidates_the_positive_first():
    # Views are candidates, rows queries, columns yes and no: the second query has the lists of the sheet's example.
    yes, no = torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.5, -0.3]]), torch.tensor([[0.0, 0.0, 0.0], [0.2, 0.1, 0.4]])
    views = [torch.stack([yes[:, place], no[:, place]], dim=1) for place in range(3)]
    batch = Batch(torch.zeros(2, 1), torch.arange(2))
    for objective, expected in (("listwise_ranking", 0.6307729571), ("pointwise_ranking", 1.6873019672)):
        step = method_of(objective)(views, batch)
        assert step.outcome.per_anchor[1].item() == pytest.approx(expected, abs=1e-6)
        assert step.rows == ()


def test_it_asks_for_pairs_of_a_query_and_every_candidate():
    plan = method_of().plan
    assert (plan.total, plan.num_views, plan.joined) == (3, 1, True)


def test_an_encoder_of_other_than_two_numbers_is_refused():
    with pytest.raises(ValueError, match=r"two numbers for every pair, .* got 5; set encoder.pooling=classifier"):
        method_of(width=5)


def test_it_trains_rankings_and_other_methods_do_not():
    check_objective(method_of("pointwise_ranking"), has_labels=False)
    with pytest.raises(ValueError, match=r"one that CrossEncoder can train, which has 1 views .* got InfoNCE"):
        check_objective(MAKE(method_of().encoder, build({"name": "info_nce"}), MAKE.Config()), has_labels=False)
    pairs = SimCLR(Encoder(torch.nn.Flatten(), num_features=2), build({"name": "pointwise_ranking"}), SimCLR.Config())
    with pytest.raises(ValueError, match="got PointwiseRanking, which needs no_scores"):
        check_objective(pairs, has_labels=False)
