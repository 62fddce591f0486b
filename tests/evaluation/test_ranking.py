"""The judge of recommendation beside a slow twin, and the rankings that nothing is trained for."""

import math

import pytest
import torch

from anchorwise.embeddings import Embeddings
from anchorwise.evaluation.item_baselines import item_cosine, popularity
from anchorwise.evaluation.ranking import Ranking, ranking_values
from anchorwise.modalities.interactions import ranked as ranked_items
from anchorwise.modalities.interactions.pairs import Pairs, sorted_pairs

NUM_USERS, NUM_ITEMS, K = 9, 14, 4


def _drawn(seed: int, share: float) -> Pairs:
    users, items = (torch.rand(NUM_USERS, NUM_ITEMS, generator=torch.Generator().manual_seed(seed)) < share).nonzero().T
    return sorted_pairs(users, items, NUM_USERS, NUM_ITEMS)


def _sets(pairs: Pairs) -> list[set[int]]:
    found = [set[int]() for _ in range(NUM_USERS)]
    for user, item in zip(pairs.users.tolist(), pairs.items.tolist(), strict=True):
        found[user].add(item)
    return found


def _slow(scores: list[list[float]], asked: list[set[int]], known: list[set[int]], k: int) -> list[tuple[float, float]]:
    values = []
    for of_user, wanted, has in zip(scores, asked, known, strict=True):
        if not wanted:
            continue
        order = sorted((item for item in range(NUM_ITEMS) if item not in has), key=lambda item: (-of_user[item], item))
        gains = [1.0 / math.log2(2 + place) for place, item in enumerate(order[:k]) if item in wanted]
        best = math.fsum(1.0 / math.log2(2 + place) for place in range(min(k, len(wanted))))
        values.append((len(gains) / len(wanted), math.fsum(gains) / best))
    return values


@pytest.mark.parametrize("k", [1, K, 40])
def test_recall_and_ndcg_are_those_of_a_slow_twin_with_ties(k: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ranked_items, "BLOCK", 2)
    known = _drawn(0, 0.3)
    asked = _drawn(1, 0.3)
    is_new = ~torch.isin(asked.users * NUM_ITEMS + asked.items, known.users * NUM_ITEMS + known.items)
    asked = asked.chosen(is_new & (asked.users != 3))
    # Few different scores, so that many are equal.
    scores = torch.randint(0, 4, (NUM_USERS, NUM_ITEMS), generator=torch.Generator().manual_seed(2)).double()
    found = ranking_values(lambda users: scores[users], asked, known, k=k)
    expected = torch.tensor(_slow(scores.tolist(), _sets(asked), _sets(known), k), dtype=torch.float64)
    torch.testing.assert_close(torch.stack([found["recall"], found["ndcg"]], dim=1), expected)


def test_equal_scores_are_cut_by_the_lowest_number():
    users = torch.tensor([0])
    (found,) = ranked_items.ranked(lambda _: torch.tensor([[1.0, 2.0, 1.0, 1.0, 2.0]]), users, k=4, known=None)
    assert found.items.tolist() == [[1, 4, 0, 2]]


def test_a_user_with_fewer_items_left_than_places_has_no_others():
    known = sorted_pairs(torch.tensor([0, 0]), torch.tensor([0, 2]), 1, 4)
    (found,) = ranked_items.ranked(lambda _: torch.ones(1, 4), torch.tensor([0]), k=3, known=known)
    assert found.items[0, :2].tolist() == [1, 3]
    assert found.scores[0].tolist() == [1.0, 1.0, -math.inf]


def test_popularity_is_the_same_for_all_and_the_cosine_between_items_is_that_of_the_dense_matrix():
    graph = _drawn(4, 0.4)
    dense = torch.zeros(NUM_USERS, NUM_ITEMS)
    dense[graph.users, graph.items] = 1.0
    users = torch.tensor([5, 0])
    torch.testing.assert_close(popularity(graph)(users), dense.sum(dim=0).expand(2, -1))
    unit = dense / dense.norm(dim=0).clamp_min(1e-9)
    torch.testing.assert_close(item_cosine(graph)(users), dense[users] @ (unit.T @ unit))


def test_rows_alone_cannot_be_ranked():
    judge = Ranking(Ranking.Config(k=5))
    assert [metric.name for metric in judge.metrics][:4] == [
        "recall_at_5",
        "ndcg_at_5",
        "popularity_recall_at_5",
        "popularity_ndcg_at_5",
    ]
    with pytest.raises(ValueError, match="judge 'ranking' needs the encoder and its samples, got rows of features"):
        judge.choose(Embeddings((torch.ones(3, 2).numpy(),)))
