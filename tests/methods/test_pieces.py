"""A batch in pieces trains as the whole batch does, whatever the method makes of the rows."""

import pytest
import torch

from anchorwise.methods import METHODS
from anchorwise.modalities.encoder import Encoder
from tests.methods.training import (
    OF_INTERACTIONS,
    few_at_first,
    in_pieces,
    method_of,
    optimizer_of,
    train,
    views_of_step,
)

# Rows of all nodes of a graph are made at once, whatever the batch.
in_pieces_at_all = [name for name in METHODS if name not in OF_INTERACTIONS]


@pytest.mark.parametrize("name", few_at_first(in_pieces_at_all))
def test_steps_in_pieces_are_those_of_the_whole_batch(name):
    whole, pieces = method_of(name, norm="layer"), in_pieces(method_of(name, norm="layer"), 2)
    expected, found = (train(method, optimizer_of(method), range(3)) for method in (whole, pieces))
    assert found == pytest.approx(expected, rel=0, abs=1e-12)
    for (key, one), other in zip(whole.state_dict().items(), pieces.state_dict().values(), strict=True):
        assert torch.allclose(one.double(), other.double(), rtol=0, atol=1e-12), key


def test_single_precision_differs_by_rounding_alone():
    gradients = []
    for max_rows in (99, 2):
        method = in_pieces(method_of("simclr", norm="layer").float(), max_rows)
        views, batch = views_of_step(method, 0)
        method([view.float() for view in views], batch).outcome.loss.backward()
        gradients.append(
            torch.cat([weight.grad.flatten() for weight in method.parameters() if weight.grad is not None])
        )
    assert torch.allclose(*gradients, rtol=0, atol=1e-6)


def test_an_encoder_with_a_forward_of_its_own_is_refused():
    class Mine(Encoder):
        def forward(self, view):
            return view

    mine = Mine(torch.nn.Identity(), num_features=1)
    mine.in_pieces_of(None)
    with pytest.raises(ValueError, match=r"train\.micro_batch_size must be left out for Mine, .* override encode"):
        mine.in_pieces_of(2)
