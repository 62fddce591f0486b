"""How long steps take, all that belongs to them and nothing else: reading, computing, and waiting for the device."""

import time
from collections.abc import Callable


class Pace:
    """Measures the time of steps, and how many samples a second went through since it was last asked."""

    def __init__(self) -> None:
        self._since_s = time.perf_counter()
        self._num_samples, self._spent_s = 0, 0.0

    def go_on(self) -> None:
        """Begin a step now: what lay between it and the one before was something else."""
        self._since_s = time.perf_counter()

    def step(self, num_samples: int) -> float:
        """Take note that a step of so many samples of this rank is done; return its seconds."""
        spent_s = time.perf_counter() - self._since_s
        self._num_samples, self._spent_s = self._num_samples + num_samples, self._spent_s + spent_s
        return spent_s

    def samples_per_s(self, over_ranks: Callable[[int], int]) -> float:
        """Return the rate since this was last called.

        Args:
            over_ranks: Adds up a number over the ranks.
        """
        num_samples, spent_s = over_ranks(self._num_samples), self._spent_s
        self._num_samples, self._spent_s = 0, 0.0
        return num_samples / spent_s
