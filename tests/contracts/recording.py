"""Hold detached statistics at the values they had in a first call, as the gradient does."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from anchorwise import Objective
from anchorwise.tails import Exponent, Gate, GateReading, Negatives


@dataclass
class _Tape:
    values: list = field(default_factory=list)
    turn: int = 0

    def play(self, make: Callable[[], object]) -> object:
        if self.turn == len(self.values):
            self.values.append(make())
        self.turn += 1
        return self.values[self.turn - 1]


class _HeldGate(Gate):
    def __init__(self, gate: Gate) -> None:
        object.__setattr__(self, "gate", gate)
        object.__setattr__(self, "tape", _Tape())

    def read(self, negatives: Negatives) -> GateReading:
        return self.tape.play(lambda: self.gate.read(negatives))  # type: ignore[attr-defined]


class _HeldExponent(Exponent):
    def __init__(self, exponent: Exponent) -> None:
        super().__init__()
        self.exponent = exponent
        self.tape = _Tape()

    def forward(self, negatives: Negatives) -> torch.Tensor:
        return self.tape.play(lambda: self.exponent(negatives))  # type: ignore[return-value]


@dataclass
class Held:
    tapes: list[_Tape]

    def rewind(self) -> None:
        for tape in self.tapes:
            tape.turn = 0


def hold_statistics(objective: Objective, call: Callable[[], object]) -> Held:
    """Hold lambda and exponents of every part at their values in `call`."""
    tapes = []
    for module in [*objective.modules()]:
        if isinstance(getattr(module, "exponent", None), Exponent) and not isinstance(module, _HeldExponent):
            module.exponent = _HeldExponent(module.exponent)  # type: ignore[arg-type]
            tapes.append(module.exponent.tape)
        if isinstance(getattr(module, "gate", None), Gate):
            module.gate = _HeldGate(module.gate)  # type: ignore[assignment, arg-type]
            tapes.append(module.gate.tape)
    call()
    return Held(tapes)
