"""Argument checks and their wording: every message names the argument, the rule, the value and the way out."""

import math
from collections.abc import Iterable
from difflib import get_close_matches
from typing import TypeVar

from torch import Tensor

_Given = TypeVar("_Given")
_Word = TypeVar("_Word", bound=str)


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


def below_one(name: str, value: object) -> float:
    """Return `value` as a float in [0, 1)."""
    checked = number(name, value)
    if not 0.0 <= checked < 1.0:
        raise ValueError(f"{name} must lie in [0, 1), got {value!r}")
    return checked


def endpoint(value: object, name: str = "endpoint") -> float:
    """Return the endpoint of cosine scores, above -1 and at most 1."""
    checked = number(name, value)
    if not -1.0 < checked <= 1.0:
        raise ValueError(f"{name} must lie in (-1, 1], since scores are cosines, got {value!r}")
    return checked


def count(name: str, value: object, lowest: int = 1) -> int:
    """Return `value` as an int not below `lowest`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < lowest:
        raise ValueError(f"{name} must be a whole number of at least {lowest}, got {value!r}")
    return value


def one_of(name: str, value: object, choices: Iterable[_Word]) -> _Word:
    """Return `value` if it is one of `choices`; otherwise name them all and the nearest."""
    accepted = tuple(choices)
    if isinstance(value, str) and value in accepted:
        return accepted[accepted.index(value)]
    near = get_close_matches(str(value), accepted, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"{name} must be one of {', '.join(map(repr, accepted))}, got {value!r}{hint}")


def views(*given: Tensor) -> None:
    """Refuse views that are not floating (n, d) tensors of one shape, dtype and device with n and d at least 1."""
    for index, view in enumerate(given):
        rows(f"view{index}", view)
    for index, view in enumerate(given[1:], start=1):
        same_shape("view0", given[0], f"view{index}", view)
        alike("view0", given[0], f"view{index}", view)
    if 0 in given[0].shape:
        names = " and ".join(f"view{index}" for index in range(len(given)))
        raise ValueError(f"{names} must have at least one row and one column, got {tuple(given[0].shape)}")


def rows(name: str, given: Tensor) -> None:
    """Refuse what is not a floating (rows, width) tensor."""
    if given.ndim != 2:
        raise ValueError(
            f"{name} must have shape (images, width), got {tuple(given.shape)}; flatten or pool the other axes first"
        )
    if not given.is_floating_point():
        raise TypeError(f"{name} must have a floating dtype, got {given.dtype}; convert it with {name}.float()")


def score_rows(scores: Tensor) -> None:
    """Refuse what is not a floating matrix of scores."""
    if scores.ndim != 2:
        raise ValueError(
            f"scores must have shape (anchors, negatives), got {tuple(scores.shape)}; one row is scores.unsqueeze(0)"
        )
    if not scores.is_floating_point():
        raise TypeError(f"scores must have a floating dtype, got {scores.dtype}; convert them with scores.float()")


def level(value: object) -> float:
    """Return the level of an interval, inside (0, 1)."""
    checked = number("level", value)
    if not 0.0 < checked < 1.0:
        raise ValueError(f"level must lie between 0 and 1, got {value!r}")
    return checked


def alike(first_name: str, first: Tensor, name: str, given: Tensor) -> None:
    """Refuse two tensors that differ in width, dtype or device."""
    if given.shape[-1] != first.shape[-1]:
        raise ValueError(
            f"{first_name} and {name} must have the same width, got {tuple(first.shape)} and {tuple(given.shape)}"
        )
    if given.dtype != first.dtype or given.device != first.device:
        raise ValueError(
            f"{first_name} and {name} must share dtype and device, got {first.dtype} on {first.device} and "
            f"{given.dtype} on {given.device}; move one with .to()"
        )


def same_shape(first_name: str, first: Tensor, name: str, given: Tensor) -> None:
    """Refuse two tensors of different shape."""
    if given.shape != first.shape:
        raise ValueError(
            f"{first_name} and {name} must have the same shape, got {tuple(first.shape)} and {tuple(given.shape)}; "
            "row i of both must come from image i"
        )


def num_views(who: object, num_views: int, lowest: int) -> None:
    """Refuse fewer views than an objective needs."""
    if num_views < lowest:
        raise ValueError(f"{_name(who)} needs at least {lowest} views, got {num_views}: objective(view0, view1, ...)")


def num_images(who: object, num_images: int, lowest: int = 2) -> None:
    """Refuse fewer images than an objective needs to have a denominator at all."""
    if num_images < lowest:
        raise ValueError(
            f"{_name(who)} needs at least {lowest} images, got {num_images}: its denominator has negatives only, and "
            "one image has none; use larger batches (drop_last=True in the loader)"
        )


def needed(who: object, name: str, value: _Given | None, what: str) -> _Given:
    """Return an argument of the call that an objective cannot do without."""
    if value is None:
        raise ValueError(f"{_name(who)} needs {name}: {what}; call objective(view0, ..., {name}={name})")
    return value


def one_per_image(name: str, value: Tensor, view: Tensor) -> Tensor:
    """Return whole numbers, one for each row of a view."""
    if value.is_floating_point() or value.is_complex():
        raise TypeError(f"{name} must be whole numbers, got {value.dtype}; convert them with {name}.long()")
    return _one_each(name, value, view)


def real_per_image(name: str, value: Tensor, view: Tensor) -> Tensor:
    """Return real numbers, one for each row of a view."""
    if value.is_complex():
        raise TypeError(f"{name} must be real numbers, got {value.dtype}; convert them with {name}.real")
    return _one_each(name, value, view)


def _one_each(name: str, value: Tensor, view: Tensor) -> Tensor:
    if value.shape != view.shape[:1]:
        raise ValueError(
            f"{name} must have one number for each of the {len(view)} images, shape ({len(view)},), "
            f"got {tuple(value.shape)}"
        )
    return value


def one_per_row(name: str, ids: Tensor, rows_name: str, rows_given: Tensor) -> None:
    """Refuse ids that are not one for each row."""
    if ids.shape != rows_given.shape[:1]:
        raise ValueError(
            f"{name} must have one id for each of the {len(rows_given)} {rows_name}, shape ({len(rows_given)},), "
            f"got {tuple(ids.shape)}"
        )


def one_block_each(name: str, value: Tensor, what: str, length: int) -> Tensor:
    """Return whole numbers, the block of each row or column of scores."""
    if value.is_floating_point() or value.shape != (length,):
        raise ValueError(
            f"{name} must be {length} whole numbers, one for each {what} of scores, got {value.dtype} of shape "
            f"{tuple(value.shape)}"
        )
    return value


def scalar(name: str, value: Tensor) -> Tensor:
    """Return a floating tensor of one number, such as a learnable scale."""
    if value.numel() != 1 or not value.is_floating_point():
        raise ValueError(f"{name} must be one floating number as a tensor, got shape {tuple(value.shape)}")
    return value.reshape(())


def _name(who: object) -> str:
    return who if isinstance(who, str) else type(who).__name__


def ordered(low_name: str, low: object, high_name: str, high: object) -> tuple[float, float]:
    """Return two numbers above 0, the first not above the second."""
    lowest, highest = positive(low_name, low), positive(high_name, high)
    if lowest > highest:
        raise ValueError(f"{low_name} must not be above {high_name}, got {low!r} and {high!r}")
    return lowest, highest


def share(name: str, value: object) -> float:
    """Return `value` as a float in (0, 1]."""
    checked = number(name, value)
    if not 0.0 < checked <= 1.0:
        raise ValueError(f"{name} must lie in (0, 1], got {value!r}")
    return checked
