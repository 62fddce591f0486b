"""What an objective is called with: every argument is refused in the library's words where it does not fit."""

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import anchorwise
from anchorwise.objectives import OBJECTIVES
from tests.contracts import batches, wrong
from tests.contracts.cases import CASES, Call, Case

LIBRARY = Path(anchorwise.__file__).parent


# What an objective may be called with besides, where no case does so.
STOCK: dict[str, Callable[[torch.Tensor], Any]] = {
    "ids": lambda view: torch.arange(len(view)),
    "log_weights": lambda view: view.new_zeros(len(view), len(view)),
    "logit_scale": lambda view: view.new_tensor(5.0),
    "alpha_factor": lambda view: view.new_tensor(0.5),
    "generator": lambda view: torch.Generator(view.device),
    "hard_negatives": lambda view: (-view, view.roll(1, dims=0)),
}
# Settings under which they are taken.
TAKING = {"sup_re_mix": {"mixing": (2.0, 8.0)}}


def _left_out(case: Case) -> set[str]:
    inputs = case.objective().inputs
    given = {name for other in CASES if other.make is case.make for name in other.call(*batches.ordinary()).given}
    return {*inputs.needs, *inputs.takes} - given


def _with(case: Case, names: set[str]) -> Case:
    def call(view0: torch.Tensor, view1: torch.Tensor) -> Call:
        plain = case.call(view0, view1)
        return replace(plain, shared={**plain.shared, **{name: STOCK[name](view0) for name in names}})

    return replace(case, name=f"{case.name}+", given={**case.given, **TAKING.get(case.name, {})}, call=call)


UNDER_CONTRACT = [
    *CASES,
    *(_with(case, names) for case in CASES if case.name in OBJECTIVES and (names := _left_out(case))),
]
every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def test_every_argument_of_every_objective_is_under_contract():
    declared, given = set(), set()
    for case in UNDER_CONTRACT:
        objective, call = case.objective(), case.call(*batches.ordinary())
        declared |= {(case.make.__name__, name) for name in (*objective.inputs.needs, *objective.inputs.takes)}
        given |= {(case.make.__name__, name) for name in call.given}
    assert declared == given


@pytest.mark.usefixtures("as_users_call")
@pytest.mark.parametrize("case", UNDER_CONTRACT, ids=lambda case: case.name)
def test_what_does_not_fit_is_refused_in_the_words_of_the_library(case: Case):
    objective = case.objective()
    right = case.call(*(view.float() for view in batches.ordinary(num_samples=5)))
    for name, what, call in wrong.calls(right, type(objective).__name__):
        with pytest.raises((ValueError, TypeError)) as caught:
            call.loss(objective)
        assert re.search(rf"\b{name}\b", str(caught.value)), (name, what)
        assert caught.traceback[-1].path.is_relative_to(LIBRARY), (name, what, str(caught.value))
        if what in ("list", "array"):
            assert caught.type is TypeError
            assert "torch.as_tensor" in str(caught.value)
    assert right.loss(objective).isfinite()


@pytest.mark.usefixtures("as_users_call")
def test_another_number_of_views_is_refused_with_the_number_that_an_objective_takes():
    for case in (case for case in CASES if case.name in OBJECTIVES):
        call, objective = case.call(*batches.ordinary(num_samples=5)), case.objective()
        takes, views = objective.inputs, call.views
        others = [views[: takes.min_views - 1], *([] if takes.max_views is None else [(*views, views[0])])]
        for wrong_views in others:
            for called in (objective, objective.detail):
                number = rf"(takes|needs at least) {takes.min_views} view.*, got {len(wrong_views)}: .*objective"
                with pytest.raises(ValueError, match=number):
                    called(*wrong_views, **call.given)
        with pytest.raises((ValueError, TypeError), match="one by one"):
            objective([*views], **call.given)


WHOLE = [torch.uint8, torch.int8, torch.int16, torch.int32, torch.uint16, torch.uint32, torch.uint64]


def _is_whole(value: object) -> bool:
    return isinstance(value, torch.Tensor) and not value.is_floating_point()


NUMBERED = [case for case in CASES if any(map(_is_whole, case.call(*batches.ordinary()).given.values()))]


@pytest.mark.whole
@pytest.mark.usefixtures("as_users_call")
@pytest.mark.parametrize("case", NUMBERED, ids=lambda case: case.name)
def test_whole_numbers_are_the_same_numbers_in_any_integer_dtype(case: Case):
    right = case.call(*batches.ordinary(num_samples=6))
    # Small enough for the narrowest of them.
    whole = {name: value.remainder(97) for name, value in right.given.items() if _is_whole(value)}
    for dtype in WHOLE:
        expected, narrow = case.objective(), case.objective()
        for _ in range(2):  # What is kept about samples is read at the second visit.
            loss = right.given_as(**{**right.given, **whole}).loss(expected)
            given = {**right.given, **{name: value.to(dtype) for name, value in whole.items()}}
            assert right.given_as(**given).loss(narrow) == loss
        for name, kept in expected.state_dict().items():
            assert torch.equal(narrow.state_dict()[name], kept)


def _floats(values: Iterable[object]) -> list[torch.Tensor]:
    flat = [part for value in values for part in (value if isinstance(value, tuple) else (value,))]
    return [part for part in flat if isinstance(part, torch.Tensor) and part.is_floating_point()]


def _changed(call: Call, change: Callable[[torch.Tensor], torch.Tensor]) -> Call:
    def of(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(map(of, value))
        return change(value) if _floats([value]) else value

    shared = {name: of(value) for name, value in call.given.items()}
    return replace(call.given_as(**shared), views=of(call.views))


@pytest.mark.whole
@pytest.mark.usefixtures("as_users_call")
@every_case
def test_tensors_of_different_precision_are_each_widened_by_themselves(case: Case):
    right = case.call(*(view.float() for view in batches.ordinary(num_samples=6)))
    floats = [*_floats(right.views), *_floats(right.given.values())]
    rounded = [value.bfloat16().requires_grad_() for value in floats]
    for chosen in (slice(0, 1), slice(1, None)):  # A query alone, and all that stands beside it.
        narrow = {id(value): half for value, half in list(zip(floats, rounded, strict=True))[chosen]}
        mixed = _changed(right, lambda value, narrow=narrow: narrow.get(id(value), value))
        widened = _changed(mixed, lambda value: value.float())
        loss = mixed.loss(case.objective())
        assert loss == widened.loss(case.objective())
        assert loss.dtype == torch.float32
        if loss.requires_grad:
            loss.backward()
    for value in rounded:
        assert value.grad is None or (value.grad.dtype == torch.bfloat16 and value.grad.isfinite().all())
    # Not all of them are there for the gradient: keys and queues are not.
    assert any(value.grad is not None for value in rounded)
