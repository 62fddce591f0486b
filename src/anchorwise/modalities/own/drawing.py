"""Random numbers that a caller's own code draws, seeded for every sample."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def own_draws() -> Iterator[Callable[[int], None]]:
    """Yield what seeds the global generators of torch on the CPU, numpy and Python; all are put back at the end.

    A generator that somebody's code keeps to itself is not reached.
    """
    python, legacy = random.getstate(), np.random.get_state()  # noqa: NPY002  # What transforms draw from.
    with torch.random.fork_rng(devices=[]):
        try:
            yield _seed
        finally:
            random.setstate(python)
            np.random.set_state(legacy)  # noqa: NPY002


def _seed(seed: int) -> None:
    torch.default_generator.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002
