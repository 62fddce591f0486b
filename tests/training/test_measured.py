import pytest
import torch

from anchorwise import InfoNCE
from anchorwise.methods import METHODS
from anchorwise.training.measured import measured
from tests.contracts import batches


def test_a_sum_of_losses_is_not_compared_with_what_one_of_them_is_by_chance():
    rows = batches.ordinary()
    outcome = InfoNCE().detail(*rows)
    alone = measured(InfoNCE(), outcome, *rows)["above_chance"]
    assert alone == pytest.approx(outcome.loss.item() - torch.tensor(2.0 * len(rows[0]) - 1).log().item())
    assert "above_chance" not in measured(InfoNCE(), outcome, *rows, adds_losses=True)
    assert [METHODS[name].adds_losses for name in ("simclr", "a_info_nce", "local_blocks")] == [False, True, True]
