"""G2L's contrast: CLIP with the weights of a graph of the first view's rows."""

import pytest
import torch

from anchorwise import CLIP, InfoNCE
from anchorwise.methods.base import check_objective
from anchorwise.models.geodesic import geodesic_weights
from tests.methods.training import method_of, views_of_step


def test_its_loss_is_clips_with_weights_of_the_first_views_rows():
    method = method_of("g2l", num_neighbours=2)
    views, batch = views_of_step(method, 0)
    first, second = method.online(torch.cat(views)).chunk(2)
    expected = CLIP()(first, second, log_weights=geodesic_weights(first, 2))
    found = method(views, batch).outcome.loss
    assert found.item() == pytest.approx(expected.item(), rel=1e-6)
    assert found < CLIP()(first, second)


def test_an_objective_that_would_ignore_the_weights_is_refused():
    with pytest.raises(ValueError, match=r"G2L can train.*, got InfoNCE, which does not take log_weights"):
        check_objective(method_of("g2l", InfoNCE()), has_labels=False)
