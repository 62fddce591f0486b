"""Seeds made of several numbers, and random states that are left as they were."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def seeded(device: torch.device, seed: int) -> Iterator[None]:
    """Draw from torch's generators of the CPU and of a device by a seed, and put them back as they were."""
    cuda = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda):
        # torch.manual_seed would also reseed the devices that are not restored afterwards.
        torch.default_generator.manual_seed(seed)
        for one in cuda:
            torch.cuda.default_generators[one.index].manual_seed(seed)
        yield


def mixed_seed(*parts: int) -> int:
    """Mix whole numbers into one 63-bit seed; neighbouring inputs give unrelated seeds.

    Source: the finaliser of SplitMix64, Steele, Lea and Flood 2014, Fig. 15, https://doi.org/10.1145/2660193.2660195.
    """
    mask = (1 << 64) - 1
    mixed = 0
    for part in parts:
        mixed = (mixed + part + 0x9E3779B97F4A7C15) & mask
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & mask
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & mask
        mixed ^= mixed >> 31
    return mixed >> 1
