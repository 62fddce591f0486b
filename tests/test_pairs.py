"""What pairs say of themselves beside their ids."""

import pytest
import torch

from anchorwise.pairs import SameId, views_of


def _by_ids(same: SameId) -> torch.Tensor:
    return same.anchor_ids.unsqueeze(1) == same.key_ids


def _by_period(same: SameId) -> torch.Tensor:
    assert same.period is not None
    anchors = same.first_anchor + torch.arange(len(same.anchor_ids))
    return anchors.unsqueeze(1) % same.period == torch.arange(len(same.key_ids)) % same.period


@pytest.mark.parametrize("rows", [slice(None), slice(3, 11), slice(9, None)])
def test_a_period_says_what_the_ids_say(rows: slice):
    views = views_of(*torch.randn(3, 5, 4).unbind())
    for contrast in (views.pooled(), views.pooled(same_view=False), views.across(0, 2), views.within(1)):
        same = contrast.of_anchors(rows).of_anchors(slice(1, None)).exclude[0]
        assert torch.equal(_by_period(same), _by_ids(same))
    assert torch.equal(_by_period(views.same_sample()), _by_ids(views.same_sample()))


def test_ids_that_are_given_have_no_period():
    views = views_of(*torch.randn(2, 5, 4).unbind(), ids=torch.arange(5))
    assert views.pooled().exclude[0].period is None
