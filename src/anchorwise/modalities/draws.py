"""Random numbers by what they are for: a seed, a sample, a view of it and a purpose.

The number of a purpose depends on these four alone. So samples may come in any order, in batches of any size and on any
number of ranks, and the bits are the same on every device. All of it is integer arithmetic on tensors, without a
generator whose state would have to be kept, and the seed may lie on the device.

Source: SplitMix64, Steele, Lea and Flood 2014, Fig. 15, https://doi.org/10.1145/2660193.2660195. Its n-th output is a
function of n, so any of them can be had without those before it.
"""

import math
from collections.abc import Sequence
from typing import final

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

# p = purposes, v = views, n = samples

_PURPOSE_BITS, _VIEW_BITS = 12, 7
_GAMMA, _FIRST, _SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
MAX_PURPOSES, MAX_VIEWS = 1 << _PURPOSE_BITS, 1 << _VIEW_BITS


@final
class Draws(nn.Module):
    """Uniform numbers in [0, 1), multiples of 2^-24, for every purpose, view and sample.

    Args:
        views: Numbers of the views, below 128.
        purposes: Numbers of the purposes, below 4096.
    """

    offsets: Tensor

    def __init__(self, views: Sequence[int], purposes: Sequence[int]) -> None:
        super().__init__()
        steps = [[[_signed((view << _PURPOSE_BITS | purpose) * _GAMMA)] for view in views] for purpose in purposes]
        self.register_buffer(
            "offsets", torch.tensor(steps, dtype=torch.int64).reshape(len(purposes), len(views), 1), persistent=False
        )

    def forward(self, ids: Int64[Tensor, " n"], seed: int | Int64[Tensor, ""]) -> Float[Tensor, "p v n"]:
        """Return the numbers of samples.

        Args:
            ids: The samples' numbers, below 2^45.
            seed: A whole number of 64 bits, on the host or on the device of `ids`.
        """
        start = seed if isinstance(seed, Tensor) else _signed(seed)
        first = ids * _signed(_GAMMA << (_PURPOSE_BITS + _VIEW_BITS)) + start
        return _fractions(_mixed(self.offsets + first))


@final
class HostDraws:
    """Draws that stay on the host where the maker of views goes to a device: for what it collects there.

    Args:
        views: As `Draws` takes them.
        purposes: Likewise.
    """

    def __init__(self, views: Sequence[int], purposes: Sequence[int]) -> None:
        self._draws = Draws(views, purposes)

    def __call__(self, ids: Int64[Tensor, " n"], seed: int) -> Float[Tensor, "p v n"]:
        """Return the numbers of samples."""
        return self._draws(ids, seed)


def noise(ids: Int64[Tensor, " n"], seed: int | Int64[Tensor, ""], shape: Sequence[int]) -> Float[Tensor, "n ..."]:
    """Return uniform numbers in [0, 1), many for every sample: outputs of a generator of its own.

    Args:
        ids: The samples' numbers.
        seed: A whole number of 64 bits, on the host or on the device of `ids`.
        shape: Of what a sample gets.
    """
    start = seed if isinstance(seed, Tensor) else _signed(seed)
    first = _mixed(ids * _signed(_GAMMA) + start)
    steps = torch.arange(math.prod(shape), device=ids.device) * _signed(_GAMMA)
    return _fractions(_mixed(first[:, None] + steps)).unflatten(1, tuple(shape))


def _fractions(bits: Tensor) -> Tensor:
    return ((bits >> 40) & 0xFFFFFF).float().mul_(2.0**-24)


def _mixed(state: Tensor) -> Tensor:
    """Finish SplitMix64 in place; shifts are made logical, and products wrap, as those of 64-bit integers do."""
    state.bitwise_xor_((state >> 30) & ((1 << 34) - 1)).mul_(_signed(_FIRST))
    state.bitwise_xor_((state >> 27) & ((1 << 37) - 1)).mul_(_signed(_SECOND))
    return state.bitwise_xor_((state >> 31) & ((1 << 33) - 1))


def _signed(number: int) -> int:
    """Return the 64-bit integer of torch that has the lowest 64 bits of a number."""
    return (number + (1 << 63)) % (1 << 64) - (1 << 63)
