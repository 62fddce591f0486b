import math

import pytest
import torch
from torch import nn

from anchorwise.modalities.encoder import Encoder
from anchorwise.modalities.places import cell_centres, cell_diagonals
from anchorwise.modalities.views import Masking, ViewPlan

WHOLE = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])
# The right half of the upper half, mirrored.
MIRRORED = torch.tensor([[[-0.5, 0.0, 1.0], [0.0, 0.5, 0.0]]])


def test_cells_of_the_whole_image_have_their_centres_in_its_middle_row_by_row():
    centres = cell_centres(WHOLE, (2, 4))
    assert centres.shape == (1, 8, 2)
    assert centres[0, 0].tolist() == [0.125, 0.25]
    assert centres[0, 1].tolist() == [0.375, 0.25]
    assert centres[0, 4].tolist() == [0.125, 0.75]


def test_cells_of_a_mirrored_crop_run_the_other_way_and_are_smaller():
    centres = cell_centres(MIRRORED, (1, 2))
    assert centres[0].tolist() == [[0.875, 0.25], [0.625, 0.25]]
    assert cell_diagonals(MIRRORED, (1, 2)).item() == pytest.approx(math.hypot(0.25, 0.5))


def test_an_encoder_takes_the_pixels_out_of_a_view_that_carries_its_place():
    encoder = Encoder(nn.Flatten(), num_features=3)
    pixels = torch.rand(2, 3, 1, 1)
    assert torch.equal(encoder({"pixels": pixels, "places": WHOLE.expand(2, 2, 3)}), pixels.flatten(1))


@pytest.mark.parametrize(("ratio", "patch_px"), [((0.7, 0.2), 4), ((0.1, 1.1), 4), ((0.1, 0.2), 0)])
def test_a_masking_out_of_range_is_refused(ratio, patch_px):
    with pytest.raises(ValueError, match=r"(ratio|patch_px) must be"):
        Masking(patch_px, ratio)


def test_a_plan_asks_for_plain_pairs_unless_told():
    assert ViewPlan() == ViewPlan(2, 0, with_places=False, masking=None)
