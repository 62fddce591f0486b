"""What neighbours, prototypes, targets and places are read off keeps its digits under autocast."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from anchorwise.methods.dcd import _cosines
from anchorwise.modalities.places import cell_centres
from anchorwise.models.geodesic import geodesic_distances
from anchorwise.models.heads import PrototypeScores
from anchorwise.models.queue import Queue

ROWS = 1.0 + 0.05 * torch.randn(32, 16, generator=torch.Generator().manual_seed(0))


def _queue() -> Queue:
    queue = Queue(64, 16)
    queue.push(
        ROWS.repeat(2, 1) + 0.01 * torch.randn(64, 16, generator=torch.Generator().manual_seed(1)), torch.arange(64)
    )
    return queue


@pytest.mark.parametrize(
    "ask",
    [
        lambda: cell_centres(torch.tensor([[[0.5, 0.0, 0.3], [0.0, 0.5, 0.3]]]), (7, 7)),
        lambda: _queue().nearest(ROWS),
        lambda: PrototypeScores(8, 16)(ROWS),
        lambda: geodesic_distances(ROWS, k=3),
        lambda: _cosines((ROWS, ROWS.flip(0))),
    ],
    ids=["places", "nearest", "prototypes", "geodesic", "cosines"],
)
def test_autocast_rounds_nothing(ask: Callable[[], Tensor]):
    torch.manual_seed(0)
    expected = ask()
    torch.manual_seed(0)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(ask(), expected)
