"""Hold detached statistics at the values they had in a first call, as the gradient does."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from anchorwise.tails import Exponent, Gate, Negatives


class HeldStatistics:
    """Every gate and exponent, wherever an objective keeps it, gives again what it gave before the last rewind."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._given: dict[int, list[Any]] = {}
        self._turns: Counter[int] = Counter()
        for kind, name in ((Gate, "read"), (Exponent, "forward")):
            for concrete in kind.__subclasses__():
                patch.setattr(concrete, name, self._held(getattr(concrete, name)))

    def rewind(self) -> None:
        self._turns.clear()

    def _held(self, compute: Callable[[Any, Negatives], Any]) -> Callable[[Any, Negatives], Any]:
        def held(part: Any, negatives: Negatives) -> Any:
            given, turn = self._given.setdefault(id(part), []), self._turns[id(part)]
            self._turns[id(part)] += 1
            if turn == len(given):
                given.append(compute(part, negatives))
            return given[turn]

        return held
