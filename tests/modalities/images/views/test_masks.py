import pytest
import torch
from torch import Tensor

from anchorwise.modalities.images.views.masks import Masks
from anchorwise.modalities.views import Masking

IDS = torch.arange(500)


def masks(masking: Masking, view_px: tuple[int, int] = (64, 48)) -> Tensor:
    return Masks(masking, [0, 1], view_px)(IDS, 3)


def test_patches_one_by_one_are_exactly_as_many_as_asked_for_and_any_of_them():
    hidden = masks(Masking(4, (0.75, 0.75)))
    assert hidden.shape == (1000, 16, 12)
    assert (hidden.sum((1, 2)) == 144).all()
    # The share of a patch over 1,000 views has a standard error of 0.014.
    assert (hidden.float().mean(0) - 0.75).abs().max() < 0.06
    assert len(torch.unique(hidden.flatten(1), dim=0)) == 1000


def test_the_share_is_drawn_evenly_in_its_range():
    shares = masks(Masking(4, (0.2, 0.6))).float().mean((1, 2))
    assert 0.19 < shares.min() < 0.22
    assert 0.58 < shares.max() < 0.61
    assert float(shares.mean()) == pytest.approx(0.4, abs=0.015)  # Standard error 0.004.


def test_blocks_hide_at_most_the_share_in_few_rectangles():
    hidden = masks(Masking(4, (0.3, 0.3), in_blocks=True))
    counts = hidden.sum((1, 2))
    assert counts.max() <= 0.3 * 16 * 12 + 0.5
    assert counts.float().mean() > 0.7 * 0.3 * 16 * 12
    # Neighbours of hidden patches are mostly hidden: not so where patches are hidden one by one.
    both = (hidden[:, :, 1:] & hidden[:, :, :-1]).sum() / hidden[:, :, :-1].sum()
    alone = masks(Masking(4, (0.3, 0.3)))
    assert both > 0.6
    assert (alone[:, :, 1:] & alone[:, :, :-1]).sum() / alone[:, :, :-1].sum() < 0.35


@pytest.mark.parametrize("in_blocks", [False, True])
def test_nothing_and_everything_can_be_hidden_one_by_one_and_nothing_in_blocks(in_blocks: bool):
    assert not masks(Masking(8, (0.0, 0.0), in_blocks=in_blocks)).any()
    if not in_blocks:
        assert masks(Masking(8, (1.0, 1.0))).all()


def test_patches_that_do_not_tile_the_view_or_are_too_many_are_refused():
    with pytest.raises(ValueError, match=r"patches of 5 px do not tile views of 64 x 48 px; take a size"):
        masks(Masking(5))
    with pytest.raises(ValueError, match=r"have 4,096 patches of 1 px; up to 3,0\d\d are hidden one by one"):
        masks(Masking(1), (64, 64))
