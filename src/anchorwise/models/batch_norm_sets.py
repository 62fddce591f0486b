"""Several sets of batch normalisation in one network, for inputs that are distributed differently.

Source: Xie et al. 2019, "Adversarial Examples Improve Image Recognition", Section 4, auxiliary batch normalisation,
https://arxiv.org/abs/1911.09665.
"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm  # pyright: ignore[reportPrivateUsage]

Network = TypeVar("Network", bound=nn.Module)


def with_another_set(network: Network) -> Network:
    """Return a network of the same parameters, but for those of its batch normalisation, which begin as equal ones.

    What either learns the other one has too; scales, shifts and running statistics of batch normalisation are its own,
    and with other buffers all that its state dictionary holds.
    """
    own = {id(weight) for part in network.modules() if isinstance(part, _BatchNorm) for weight in part.parameters()}
    shared = {id(weight): weight for weight in network.parameters() if id(weight) not in own}
    another = copy.deepcopy(network, shared)
    names = [name for name, weight in another.named_parameters() if id(weight) in shared]

    def leave_out(part: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
        for name in names:
            del state[prefix + name]

    def put_in(part: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
        state.update({prefix + name: part.get_parameter(name).data for name in names})

    another.register_state_dict_post_hook(leave_out)
    another.register_load_state_dict_pre_hook(put_in)
    return another


@contextmanager
def buffers_restored(network: nn.Module) -> Iterator[None]:
    """Give all buffers, such as running statistics, the values that they had before."""
    before = [buffer.clone() for buffer in network.buffers()]
    try:
        yield
    finally:
        for buffer, value in zip(network.buffers(), before, strict=True):
            buffer.copy_(value)
