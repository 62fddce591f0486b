"""Checks of settings and their wording: every message names the argument, the rule, the value and the way out."""

import math
import sys
from collections.abc import Iterable
from dataclasses import fields
from difflib import get_close_matches
from numbers import Integral, Real
from typing import TypeVar

# Of normal float32 numbers, in which embeddings usually come.
_SMALLEST, _LARGEST = 2.0**-126, (2.0 - 2.0**-23) * 2.0**127

_Given = TypeVar("_Given")
_Word = TypeVar("_Word", bound=str)


def number(name: str, value: object) -> float:
    """Return `value` as a float; refuse what is not a finite real number, in float32 too."""
    checked = _as_float(_held(value))
    if not math.isfinite(checked):
        raise ValueError(f"{name} must be a finite number, got {_shown(value)}")
    if checked and not _SMALLEST <= abs(checked) <= _LARGEST:
        raise ValueError(f"{name} must be 0 or between 1.2e-38 and 3.4e+38 in size, as float32 is, got {_shown(value)}")
    return checked


def _as_float(value: object) -> float:
    if not isinstance(value, Real) or isinstance(value, bool):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _held(value: object) -> object:
    """Return the Python number that a numpy scalar, an array or a tensor without axes holds; all else as it is.

    A tensor that learns is not turned into a number that does not.
    """
    learns = getattr(value, "requires_grad", False)
    return value.item() if getattr(value, "ndim", None) == 0 and not learns else value  # pyright: ignore[reportAttributeAccessIssue]


def plain_numbers(frozen: object) -> None:
    """Put the Python numbers that a frozen dataclass holds in the places of numpy's and of tensors, as it is made."""
    for item in fields(frozen):  # pyright: ignore[reportArgumentType]
        object.__setattr__(frozen, item.name, _held(getattr(frozen, item.name)))


def _shown(value: object) -> str:
    try:
        return repr(value)
    except ValueError:  # Python does not write out whole numbers of thousands of digits.
        return f"a number of more than {sys.get_int_max_str_digits()} digits"


def positive(name: str, value: object) -> float:
    """Return `value` as a float above 0."""
    checked = number(name, value)
    if checked <= 0.0:
        raise ValueError(f"{name} must be above 0, got {value!r}")
    return checked


def at_least(name: str, value: object, lowest: float) -> float:
    """Return `value` as a float not below `lowest`."""
    checked = number(name, value)
    if checked < lowest:
        raise ValueError(f"{name} must be at least {lowest:g}, got {value!r}")
    return checked


def fraction(name: str, value: object) -> float:
    """Return `value` as a float in [0, 1]."""
    checked = number(name, value)
    if not 0.0 <= checked <= 1.0:
        raise ValueError(f"{name} must lie in [0, 1], got {value!r}")
    return checked


def below_one(name: str, value: object) -> float:
    """Return `value` as a float in [0, 1)."""
    checked = number(name, value)
    if not 0.0 <= checked < 1.0:
        raise ValueError(f"{name} must lie in [0, 1), got {value!r}")
    return checked


def share(name: str, value: object) -> float:
    """Return `value` as a float in (0, 1]."""
    checked = number(name, value)
    if not 0.0 < checked <= 1.0:
        raise ValueError(f"{name} must lie in (0, 1], got {value!r}")
    return checked


def level(value: object) -> float:
    """Return the level of an interval, inside (0, 1)."""
    checked = number("level", value)
    if not 0.0 < checked < 1.0:
        raise ValueError(f"level must lie between 0 and 1, got {value!r}")
    return checked


def endpoint(value: object, name: str = "endpoint") -> float:
    """Return the endpoint of cosine scores, above -1 and at most 1."""
    checked = number(name, value)
    if not -1.0 < checked <= 1.0:
        raise ValueError(f"{name} must lie in (-1, 1], since scores are cosines, got {value!r}")
    return checked


def ordered(low_name: str, low: object, high_name: str, high: object) -> tuple[float, float]:
    """Return two numbers above 0, the first not above the second."""
    lowest, highest = positive(low_name, low), positive(high_name, high)
    if lowest > highest:
        raise ValueError(f"{low_name} must not be above {high_name}, got {low!r} and {high!r}")
    return lowest, highest


def pair(name: str, value: object) -> tuple[object, object]:
    """Return the two items of a sequence, of whichever kind."""
    items = list(value) if isinstance(value, Iterable) and not isinstance(value, str) else []
    if len(items) != 2:
        raise ValueError(f"{name} must be two numbers, got {value!r}")
    return items[0], items[1]


def count(name: str, value: object, lowest: int = 1) -> int:
    """Return `value` as an int not below `lowest`."""
    plain = _held(value)
    if not isinstance(plain, Integral) or isinstance(plain, bool) or int(plain) < lowest:
        raise ValueError(f"{name} must be a whole number of at least {lowest}, got {_shown(value)}")
    return int(plain)


def one_of(name: str, value: object, choices: Iterable[_Word]) -> _Word:
    """Return `value` if it is one of `choices`; otherwise name them all and the nearest."""
    accepted = tuple(choices)
    if isinstance(value, str) and value in accepted:
        return accepted[accepted.index(value)]
    raise ValueError(f"{name} must be one of {', '.join(map(repr, accepted))}, got {value!r}{hint(value, accepted)}")


def hint(value: object, accepted: Iterable[str]) -> str:
    """Return the end of a message, with the accepted word that is nearest, whatever its capitals; empty if none is."""
    folded = {word.casefold(): word for word in accepted}
    near = get_close_matches(str(value).casefold(), folded, n=1)
    return f"; did you mean {folded[near[0]]!r}?" if near else ""


def instance(name: str, value: object, kind: type[_Given]) -> _Given:
    """Return `value` if it is one of this library's own kinds of object."""
    if isinstance(value, kind):
        return value
    if isinstance(value, type):
        raise TypeError(f"{name} must be an anchorwise.{kind.__name__}, got a class; call it: {value.__name__}()")
    raise TypeError(f"{name} must be an anchorwise.{kind.__name__}, got {kind_of(value)}")


def kind_of(value: object) -> str:
    """Return what a message calls the type of a value."""
    kind = type(value)
    if kind.__module__ == "builtins":
        return "None" if value is None else kind.__name__
    return f"{kind.__module__}.{kind.__qualname__}"
