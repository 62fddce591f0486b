"""Numbers in sentences."""

from collections.abc import Sequence


def counted(number: float, noun: str) -> str:
    """Return a number with its noun in the form that goes with it: `1 seed`, `2,000 seeds`, `0.5 points`."""
    shown = f"{number:,}" if isinstance(number, int) else f"{number:g}"
    return f"{shown} {noun}{'' if number == 1 else 's'}"


def listed(noun: str, items: Sequence[object]) -> str:
    """Return a noun and the items that it is about: `seed 0`, `seeds 1, 2, 3`."""
    return f"{noun}{'' if len(items) == 1 else 's'} {', '.join(map(str, items))}"
