"""Wrong values made of right ones: what a caller may pass by mistake in the place of an argument."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from tests.contracts.cases import Call

# Any number of rows is right for these.
ANY_LENGTH = {"negatives", "queue", "prototypes", "queues"}
ANY_WIDTH = {"clusters"}
ANY_NUMBER = {"DINO keys", "hard_negatives"}
# Real numbers of either kind are right for these.
ANY_REAL = {"SupReMix labels", "SupCon mask", "logit_scale", "logit_bias", "temperature"} | {
    f"{who} log_weights" for who in ("CLIP", "Nested")
}


def calls(call: Call, who: str) -> Iterator[tuple[str, str, Call]]:
    """Every argument of a call, by name, with what is wrong about it and the call that has it."""
    for index, view in enumerate(call.views):
        for what, wrong in _wrong_rows(view):
            views = (*call.views[:index], wrong, *call.views[index + 1 :])
            # One view is of the width, dtype, device and number of samples that it says.
            if len(views) > 1 or what in ("axis", "dtype", "list", "array", "None", "dict"):
                yield f"view{index}", what, replace(call, views=views)
    for name, value in call.given.items():
        for what, wrong in _wrong_values(name, value, who):
            yield name, what, call.given_as(**{**call.given, name: wrong})


def _wrong_values(name: str, value: Any, who: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, tuple):
        yield "length", () if {name, f"{who} {name}"} & ANY_NUMBER else value[:-1]
        yield from [("kind", 3), ("dict", {"a": value[0], "b": value[1]})]
        of_each = _wrong_rows if value[-1].is_floating_point() else partial(_wrong_numbers, real=False, by_width=False)
        for what, wrong in of_each(value[-1]):
            if what != "rows" or name not in ANY_LENGTH:
                yield what, (*value[:-1], wrong)
    elif not isinstance(value, Tensor):
        yield from _wrong_others(value)
    elif value.ndim == 0:
        yield from [("length", value.repeat(2)), ("dtype", value.to(torch.complex64)), ("text", "0.1")]
        yield "device", value.to("meta")
    elif value.ndim == 2 and value.is_floating_point():
        for what, wrong in _wrong_rows(value):
            right = (what == "rows" and name in ANY_LENGTH) or (what == "dtype" and f"{who} {name}" in ANY_REAL)
            if not right and what != "None":
                yield what, wrong
    else:
        yield from _wrong_numbers(value, real=f"{who} {name}" in ANY_REAL, by_width=name in ANY_WIDTH)


def _wrong_rows(rows: Tensor) -> Iterator[tuple[str, Any]]:
    yield from [("rows", rows[:-1]), ("rows", rows[:1])] if len(rows) > 1 else []
    yield from [("width", rows[:, :-1]), ("axis", rows.unsqueeze(0)), ("vector", rows[0])]
    yield from [("dtype", rows.long()), ("device", rows.to("meta"))]
    yield from [("list", rows.tolist()), ("array", rows.numpy(force=True)), ("None", None), ("dict", {"rows": rows})]


def _wrong_numbers(numbers: Tensor, *, real: bool, by_width: bool) -> Iterator[tuple[str, Any]]:
    yield from [("rows", numbers[:-1]), ("rows", numbers[:1]), ("one number", numbers.flatten()[0])]
    yield "dtype", numbers.to(torch.complex64)
    if not real:
        yield "dtype", numbers.long() if numbers.is_floating_point() else numbers.double()
    yield from [("axis", numbers.unsqueeze(0)), ("device", numbers.to("meta"))]
    yield from [("list", numbers.tolist()), ("array", numbers.numpy()), ("dict", {"numbers": numbers})]
    if by_width:
        yield "no column", numbers[:, :0]


def _wrong_others(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, torch.Generator):
        yield "kind", 0
    elif isinstance(value, Callable):
        yield from [("kind", "network"), ("width", lambda rows: rows), ("dtype", lambda rows: rows[..., :1].long())]
    else:
        raise AssertionError(f"say here what is wrong in the place of {value!r}")
