"""How many operations a small batch takes: on a GPU each is a launch, and a small loss is nothing but launches."""

import re
from collections.abc import Callable

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from anchorwise import WEINCE, InfoNCE, Weibit
from anchorwise.engine import use_backend

# They say anew what is where, and compute nothing.
DESCRIBING = re.compile(
    "_reshape_alias|_unsafe_view|alias|as_strided|detach|diagonal|expand|permute|select|slice|split|split_with_sizes|"
    "squeeze|t|transpose|unbind|unsqueeze|view"
)


class Operations(TorchDispatchMode):
    """The names of what is computed, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func._schema.name.partition("::")[2]
        if not DESCRIBING.fullmatch(name):
            self.names.append(name)
        return func(*args, **(kwargs or {}))


def operations(loss: Callable[..., torch.Tensor]) -> list[str]:
    """Return the operations of a loss of 512 rows, forward and backward."""
    generator = torch.Generator().manual_seed(0)
    views = [torch.randn(256, 128, generator=generator).requires_grad_() for _ in range(2)]
    with use_backend("dense"), Operations() as found:
        loss(*views).backward()
    return found.names


def plain_formula(view0: torch.Tensor, view1: torch.Tensor) -> torch.Tensor:
    units = torch.nn.functional.normalize(torch.cat([view0, view1]), dim=1)
    logits = (units @ units.T / 0.5).fill_diagonal_(-torch.inf)
    return torch.nn.functional.cross_entropy(logits, torch.arange(512).roll(256))


@pytest.mark.usefixtures("as_users_call")
@pytest.mark.parametrize(
    ("loss", "most"),
    [(plain_formula, 40), (InfoNCE(), 52), (WEINCE(), 128), (Weibit(), 100)],
    ids=lambda given: type(given).__name__,
)
def test_a_small_batch_takes_few_operations(loss, most: int):
    found = operations(loss)
    assert len(found) <= most, f"{len(found)} operations: {' '.join(found)}"
