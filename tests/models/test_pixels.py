"""Pixels that are drawn of masks, and queues that keep them by class."""

import pytest
import torch

from anchorwise.models.class_queues import ClassQueues
from anchorwise.models.pixel_sampler import PixelSampler

MASK = torch.tensor([[[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]]])


def drawn(sampler: PixelSampler, masks: torch.Tensor = MASK) -> torch.Tensor:
    return sampler(masks, torch.Generator().manual_seed(0))


def test_a_boundary_is_where_a_neighbour_beside_above_or_below_is_of_another_class():
    expected = torch.tensor([[0, 0, 0, 0], [0, 0, 1, 1], [0, 1, 1, 1], [0, 1, 1, 0]]).bool()
    assert torch.equal(PixelSampler(1).boundary(MASK)[0], expected)


def test_pixels_without_a_label_are_not_drawn_and_make_no_boundary():
    masks = torch.where(MASK == 1, -1, MASK)
    assert not PixelSampler(1).boundary(masks).any()
    places = drawn(PixelSampler(99), masks)
    assert sorted(places.tolist()) == [place for place in range(16) if masks.flatten()[place] == 0]


@pytest.mark.parametrize(("share", "at_boundary"), [(0.0, 0), (0.5, 2), (1.0, 4)])
def test_classes_have_equally_many_pixels_and_the_asked_share_at_the_boundary(share: float, at_boundary: int):
    sampler = PixelSampler(4, share)
    places = drawn(sampler)
    assert len(set(places.tolist())) == len(places)
    labels, edge = MASK.flatten()[places], sampler.boundary(MASK).flatten()[places]
    assert (labels == 0).sum() == (labels == 1).sum() == 4
    assert edge[labels == 0].sum() == at_boundary
    # Of the other class one pixel alone lies inside, so the rest is at the boundary whatever was asked.
    assert edge[labels == 1].sum() == max(3, min(3, at_boundary))


def test_a_class_with_fewer_pixels_gives_all_and_none_gives_none():
    assert (MASK.flatten()[drawn(PixelSampler(10))] == 1).sum() == 4
    assert len(drawn(PixelSampler(10), torch.full((1, 2, 2), -1))) == 0


@pytest.mark.parametrize(("given", "message"), [((0,), "num_per_class"), ((1, 1.5), "boundary_share")])
def test_numbers_out_of_range_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        PixelSampler(*given)


def test_a_class_keeps_its_last_rows_however_many_of_others_come():
    queues = ClassQueues(3, 2, 2)
    assert queues.labels.tolist() == [-1] * 6
    queues.push(torch.tensor([[3.0, 0.0]]), torch.tensor([2]))
    queues.push(torch.tensor([[1.0, 0.0], [0.0, 2.0], [-1.0, 0.0], [5.0, 5.0]]), torch.tensor([0, 0, 0, 7]))
    assert queues.labels.tolist() == [0, 0, -1, -1, 2, -1]
    assert sorted(queues.rows[:2].tolist()) == [[-1.0, 0.0], [0.0, 1.0]]
    assert queues.rows[4].tolist() == [1.0, 0.0]


def test_queues_stay_as_they_are_in_evaluation_mode_and_are_saved():
    queues, other = ClassQueues(1, 2, 2), ClassQueues(1, 2, 2)
    queues.push(torch.ones(1, 2), torch.zeros(1).long())
    queues.eval().push(torch.ones(1, 2), torch.zeros(1).long())
    assert queues.labels.tolist() == [0, -1]
    other.load_state_dict(queues.state_dict())
    assert torch.equal(other.rows, queues.rows)
