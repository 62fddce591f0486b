"""Side by side with another library: its import, and the comparison of losses and gradients."""

import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

import pytest
import torch
from torch import Tensor

# Both sides sum some hundred float64 terms of order 1 in different orders: about 1e2 * 2^-53, with room.
ROUNDING = 1e-12

marks = [pytest.mark.parity, pytest.mark.filterwarnings("ignore")]  # Peers warn of their own and torch's deprecations.


def peer(name: str, submodule: str = "") -> Any:
    """Import a peer, or skip the whole module and say which distribution is missing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip(name, reason=f"{name} is not installed; make parity installs it", exc_type=ImportError)
        return import_module(f"{name}.{submodule}" if submodule else name)


def rows(num_rows: int, width: int = 8, *, seed: int, unit: bool = False) -> Tensor:
    drawn = torch.randn(num_rows, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return torch.nn.functional.normalize(drawn) if unit else drawn


def two_views(num_samples: int = 12, *, unit: bool = False) -> list[Tensor]:
    """Views that have something in common, so that positives are neither 1 nor like negatives."""
    sample = rows(num_samples, seed=0)
    views = [sample + rows(num_samples, seed=seed) for seed in (1, 2)]
    return [torch.nn.functional.normalize(view) for view in views] if unit else views


def value_and_gradients(loss: Callable[..., Tensor], inputs: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
    leaves = [given.clone().requires_grad_() for given in inputs]
    value = loss(*leaves)
    found = torch.autograd.grad(value, leaves, allow_unused=True)
    none = [torch.zeros_like(leaf) for leaf in leaves]
    return value.detach(), [zero if gradient is None else gradient for gradient, zero in zip(found, none, strict=True)]


def assert_same(
    ours: Callable[..., Tensor],
    theirs: Callable[..., Tensor],
    inputs: Sequence[Tensor],
    *,
    scale: float = 1.0,
    tolerance: float = ROUNDING,
) -> None:
    """Hold that `scale` times our loss is theirs, and so are the gradients."""
    value, gradients = value_and_gradients(ours, inputs)
    their_value, their_gradients = value_and_gradients(theirs, inputs)
    torch.testing.assert_close(scale * value, their_value.reshape(()), rtol=tolerance, atol=tolerance)
    assert_same_gradients(gradients, their_gradients, scale=scale, tolerance=tolerance)


def assert_same_gradients(
    ours: Sequence[Tensor], theirs: Sequence[Tensor], *, scale: float = 1.0, tolerance: float = ROUNDING
) -> None:
    for our, their in zip(ours, theirs, strict=True):
        assert (scale * our - their).norm() <= tolerance * max(1.0, float(their.norm()))
        assert their.norm() > 0
