"""Views of interactions: who chose what, and what she did not."""

from pathlib import Path

import pytest
import torch

from anchorwise.modalities.interactions.pairs import sorted_pairs
from anchorwise.modalities.interactions.views import InteractionViews, Unchosen
from anchorwise.modalities.views import ViewPlan
from tests.modalities.interactions.tables import read, two_circles


def test_every_unchosen_item_is_drawn_and_as_often_as_any_other():
    graph = sorted_pairs(torch.tensor([0, 0, 0, 1, 2, 2]), torch.tensor([0, 3, 6, 2, 5, 6]), 3, 7)
    unchosen = Unchosen(graph)
    for user, left in ((0, [1, 2, 4, 5]), (1, [0, 1, 3, 4, 5, 6]), (2, [0, 1, 2, 3, 4])):
        drawn = (torch.arange(60) + 0.5) / 60
        found = unchosen(torch.full((60,), user), drawn)
        assert torch.bincount(found, minlength=7).tolist() == [
            60 // len(left) if item in left else 0 for item in range(7)
        ]
        # The highest number that draws have.
        assert unchosen(torch.tensor([user]), torch.tensor([1.0 - 2.0**-24])).item() == left[-1]


def test_views_are_a_user_an_item_of_hers_another_and_the_distinct_ones(tmp_path: Path):
    samples = read(two_circles(tmp_path)).pretrain
    views = InteractionViews(ViewPlan(num_negatives=2, distinct=True), samples)
    ids = torch.tensor([3, 0, 7, 40, 4])
    users, items, first, second, all_users, all_items = views(views.collect(samples, ids, seed=5), seed=5)
    chosen = set(zip(samples.graph.users.tolist(), samples.graph.items.tolist(), strict=True))
    for nodes, is_chosen in ((items, True), (first, False), (second, False)):
        assert all(
            ((user, item - 24) in chosen) is is_chosen
            for user, item in zip(users.tolist(), nodes.tolist(), strict=True)
        )
    assert all_users.tolist() == sorted({*users.tolist()})
    assert all_items.tolist() == sorted({*items.tolist()})
    again = views(views.collect(samples, ids.flip(0), seed=5), seed=5)
    assert again[2].equal(first.flip(0))
    others = torch.arange(len(samples))
    drawn = [views(views.collect(samples, others, seed=seed), seed=seed)[2] for seed in (5, 6)]
    assert not drawn[0].equal(drawn[1])


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (ViewPlan(num_small=2), "needs small views, which interactions do not have"),
        (ViewPlan(num_views=3), "takes 3 views, and an interaction has two, its user and its item"),
    ],
)
def test_what_interactions_do_not_have_is_refused(tmp_path: Path, plan: ViewPlan, words: str):
    with pytest.raises(ValueError, match=words):
        InteractionViews(plan, read(two_circles(tmp_path)).pretrain)
