"""How many operations a small batch takes: on a GPU each is a launch, and a small loss is nothing but launches.

They are counted on the meta device, whose tensors go where those of a GPU do.
"""

import re
from collections.abc import Callable

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from anchorwise import CLIP, DCL, WEINCE, InfoNCE, Weibit
from anchorwise.engine import use_backend

# They say anew what is where, or ask for memory, and compute nothing.
DESCRIBING = re.compile(
    "_reshape_alias|_unsafe_view|alias|as_strided|detach|diagonal|empty_like|expand|new_empty.*|permute|select|slice|"
    "split|split_with_sizes|squeeze|t|transpose|unbind|unsqueeze|view"
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


def plain_formula(view0: torch.Tensor, view1: torch.Tensor) -> torch.Tensor:
    units = torch.nn.functional.normalize(torch.cat([view0, view1]), dim=1)
    logits = (units @ units.T / 0.5).fill_diagonal_(-torch.inf)
    return torch.nn.functional.cross_entropy(logits, torch.arange(512, device=view0.device).roll(256))


@pytest.mark.usefixtures("as_users_call", "without_autocast")
@pytest.mark.parametrize(
    ("loss", "number"),
    [(plain_formula, 36), (InfoNCE(), 36), (DCL(), 44), (CLIP(), 60), (Weibit(), 79), (WEINCE(), 99)],
    ids=lambda given: getattr(given, "__name__", type(given).__name__),
)
def test_a_small_batch_takes_few_operations(loss: Callable[..., torch.Tensor], number: int):
    views = [torch.empty(256, 128, device="meta", requires_grad=True) for _ in range(2)]
    with use_backend("dense"), Operations() as found:
        loss(*views).backward()
    assert len(found.names) == number, " ".join(found.names)
