"""Argument checks and their wording: every message names the argument, the rule, the value and the way out."""

import math
from collections.abc import Iterable
from difflib import get_close_matches

from torch import Tensor


def number(name: str, value: object) -> float:
    """Return `value` as a float; refuse what is not a finite real number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{name} must be a finite number, got {value!r}")
    return float(value)


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


def endpoint(value: object) -> float:
    """Return the endpoint of cosine scores, above -1 and at most 1."""
    checked = number("endpoint", value)
    if not -1.0 < checked <= 1.0:
        raise ValueError(f"endpoint must lie in (-1, 1], since scores are cosines, got {value!r}")
    return checked


def count(name: str, value: object, lowest: int = 1) -> int:
    """Return `value` as an int not below `lowest`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < lowest:
        raise ValueError(f"{name} must be a whole number of at least {lowest}, got {value!r}")
    return value


def one_of(name: str, value: object, choices: Iterable[str]) -> str:
    """Return `value` if it is one of `choices`; otherwise name them all and the nearest."""
    accepted = tuple(choices)
    if isinstance(value, str) and value in accepted:
        return value
    near = get_close_matches(str(value), accepted, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"{name} must be one of {', '.join(map(repr, accepted))}, got {value!r}{hint}")


def views(view0: Tensor, view1: Tensor) -> None:
    """Refuse two views that are not floating (n, d) tensors of one shape, dtype and device with n and d at least 1."""
    for name, view in (("view0", view0), ("view1", view1)):
        if view.ndim != 2:
            raise ValueError(
                f"{name} must have shape (images, width), got {tuple(view.shape)}; flatten or pool the other axes first"
            )
        if not view.is_floating_point():
            raise TypeError(f"{name} must have a floating dtype, got {view.dtype}; convert it with {name}.float()")
    if view0.shape != view1.shape:
        raise ValueError(
            f"view0 and view1 must have the same shape, got {tuple(view0.shape)} and {tuple(view1.shape)}; "
            "row i of both must come from image i"
        )
    if 0 in view0.shape:
        raise ValueError(f"view0 and view1 must have at least one row and one column, got {tuple(view0.shape)}")
    if view0.dtype != view1.dtype or view0.device != view1.device:
        raise ValueError(
            f"view0 and view1 must share dtype and device, got {view0.dtype} on {view0.device} and "
            f"{view1.dtype} on {view1.device}; move one with .to()"
        )


def ordered(low_name: str, low: object, high_name: str, high: object) -> tuple[float, float]:
    """Return two numbers above 0, the first not above the second."""
    lowest, highest = positive(low_name, low), positive(high_name, high)
    if lowest > highest:
        raise ValueError(f"{low_name} must not be above {high_name}, got {low!r} and {high!r}")
    return lowest, highest
