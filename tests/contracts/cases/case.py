"""What a case says of an objective: how it is made and called, its twin, and what it declares."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from torch import Tensor

from anchorwise import Objective, Outcome


@dataclass(frozen=True)
class Call:
    """The arguments of one call: views, what has an entry per sample or pair of them, what has not, what is learnt."""

    views: tuple[Tensor, ...]
    per_sample: Mapping[str, Any] = field(default_factory=dict)
    shared: Mapping[str, Any] = field(default_factory=dict)
    learned: Mapping[str, Tensor] = field(default_factory=dict)
    per_pair: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def given(self) -> dict[str, Any]:
        return {**self.per_sample, **self.per_pair, **self.shared, **self.learned}

    def of_samples(self, change: Callable[[Tensor], Tensor]) -> "Call":
        """The same call with something done to all that has an entry per sample, or one per pair of samples."""
        per_sample = {
            name: tuple(map(change, value)) if isinstance(value, tuple) else change(value)
            for name, value in self.per_sample.items()
        }
        per_pair = {name: change(change(value).T).T for name, value in self.per_pair.items()}
        return replace(self, views=tuple(map(change, self.views)), per_sample=per_sample, per_pair=per_pair)

    def given_as(self, **given: Any) -> "Call":
        """The same call with these arguments by name in place of its own."""
        return replace(self, per_sample={}, per_pair={}, shared=given, learned={})

    def loss(self, objective: Objective) -> Tensor:
        return objective(*self.views, **self.given)

    def detail(self, objective: Objective) -> Outcome:
        return objective.detail(*self.views, **self.given)

    def twin(self, twin: Callable[..., list[float]]) -> list[float]:
        lists = {name: _as_lists(value) for name, value in self.given.items()}
        return twin(*(view.tolist() for view in self.views), **lists)


def _as_lists(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return tuple(map(_as_lists, value))
    return value.tolist() if isinstance(value, Tensor) else value


def two_views(view0: Tensor, view1: Tensor) -> Call:
    return Call((view0, view1))


def three_views(view0: Tensor, view1: Tensor) -> Call:
    return Call((view0, view1, 0.7 * view0 + 0.4 * view1.roll(1, dims=1)))


def with_ids(view0: Tensor, view1: Tensor) -> Call:
    # Every fifth sample has the same name, one that a padded row might have; the others have large ones.
    samples = torch.arange(len(view0))
    return Call((view0, view1), per_sample={"ids": torch.where(samples % 5 == 0, -1, 10**12 * samples)})


def with_keys(view0: Tensor, view1: Tensor) -> Call:
    return Call((view0, view1), per_sample={"keys": (view0 + 0.3 * view1.roll(1, dims=1), view1.roll(1, dims=1))})


def with_hard_negatives(view0: Tensor, view1: Tensor) -> Call:
    hard = (0.8 * view1 + 0.5 * view0.roll(1, dims=1), view1.roll(1, dims=1) - view0)
    return Call((view0, view1), per_sample={"hard_negatives": hard})


def one_view(view0: Tensor, view1: Tensor) -> Call:
    # Made of both, so that both get a gradient.
    return Call((view0 + 0.5 * view1,))


@dataclass(frozen=True)
class Case:
    """An objective and what is promised of it.

    `others` has a value for every hyperparameter that changes the loss or its gradient. Declared besides: whether the
    order of views matters, what a single sample gives, which views get no gradient, whether the gradient outgrows half
    precision where rows nearly coincide, and, where statistics in the loss have no gradient, a plain loss with the same
    one. `cold` is what makes it as sharp as it may be asked to be; objectives without a temperature have nothing there.
    `scale_free` is whether only directions of rows count.
    """

    name: str
    make: Callable[..., Objective]
    twin: Callable[..., list[float]]
    given: dict[str, Any] = field(default_factory=dict)
    others: dict[str, Any] = field(default_factory=dict)
    call: Callable[[Tensor, Tensor], Call] = two_views
    symmetric: bool = True
    single_sample: Literal["zero", "finite", "refused"] = "zero"
    scale_free: bool = True
    without_gradient: tuple[int, ...] = ()
    singular: bool = False
    surrogate: Callable[..., Tensor] | None = None
    cold: dict[str, Any] = field(default_factory=lambda: {"temperature": 0.005})

    def objective(self, **changes: Any) -> Objective:
        return self.make(**{**self.given, **changes})

    def loss(self, view0: Tensor, view1: Tensor, **changes: Any) -> Tensor:
        return self.call(view0, view1).loss(self.objective(**changes))


def cosines(view: Tensor, other: Tensor) -> Tensor:
    """The obvious matrix of cosines, for surrogates."""
    return torch.nn.functional.normalize(view, dim=1) @ torch.nn.functional.normalize(other, dim=1).T
