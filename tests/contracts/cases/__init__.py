"""The objectives under contract: what every file of this folder has in `CASES`, and worked out by hand in `BY_HAND`."""

from importlib import import_module
from pkgutil import iter_modules

from tests.contracts.cases.case import Call, Case

_FILES = [import_module(f"{__name__}.{file.name}") for file in iter_modules(__path__)]

CASES: list[Case] = [case for file in _FILES for case in getattr(file, "CASES", ())]
# Losses of twins, and what they must be.
BY_HAND: list[tuple[list[float], list[float]]] = [pair for file in _FILES for pair in getattr(file, "BY_HAND", ())]

__all__ = ["BY_HAND", "CASES", "Call", "Case"]
