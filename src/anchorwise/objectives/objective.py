"""What every objective is: a module called with views of the same samples, and an outcome with more than the loss."""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import wraps
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, ParamSpec, Protocol

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils._pytree import register_pytree_node

from anchorwise import _checks
from anchorwise._described import RENAMED, Described

# a = anchors


@dataclass(frozen=True)
class Outcome:
    """What one batch gave.

    It is a pytree of tensors. What is pickled, saved, deep-copied or gathered over ranks are its numbers, without the
    graph; `torch.load` takes it as it is.

    Attributes:
        loss: Scalar to minimise; the only part with a graph. Float32, or float64 for float64 views.
        per_anchor: Loss of every anchor, shape (anchors,), detached; their mean is the loss.
        stats: Detached tensors for logging, scalar or of shape (anchors,); read-only.
    """

    loss: Float[Tensor, ""]
    per_anchor: Float[Tensor, " a"]
    stats: Mapping[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "stats", MappingProxyType(dict(self.stats)))

    def __reduce__(self) -> tuple[Any, ...]:
        return Outcome, (self.loss.detach(), self.per_anchor, dict(self.stats))


# It holds tensors alone, so `weights_only=True`, the default of torch.load, may make one.
torch.serialization.add_safe_globals([Outcome])
register_pytree_node(
    Outcome,
    lambda outcome: ([outcome.loss, outcome.per_anchor, dict(outcome.stats)], None),
    lambda parts, _: Outcome(*parts),
    serialized_type_name="anchorwise.Outcome",
)


@dataclass(frozen=True)
class Inputs:
    """What an objective is called with.

    Attributes:
        min_views: Views at least.
        max_views: Views at most; None for any number.
        needs: Arguments by name without which there is no loss.
        takes: Arguments by name that may be left out.
    """

    min_views: int = 2
    max_views: int | None = 2
    needs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()


if TYPE_CHECKING:
    _Arguments = ParamSpec("_Arguments")

    class _Detailed(Protocol[_Arguments]):
        def detail(self, *args: _Arguments.args, **kwargs: _Arguments.kwargs) -> Outcome: ...

    class _Call(Protocol):
        """Calling an objective takes what its own `detail` takes: for type checkers and editors."""

        def __get__(self, objective: _Detailed[_Arguments], owner: type) -> Callable[_Arguments, Tensor]: ...

        # As any function that returns a loss, where one is asked for.
        def __call__(self, *views: Any, **given: Any) -> Tensor: ...


class Objective(Described, ABC):
    """A contrastive objective over views of the same samples.

    Row i of every view comes from sample i. Views are embeddings of any scale and floating dtype; half precision is
    widened to float32 before anything is computed, and so is every further tensor, each by itself: a bfloat16 view may
    stand beside a float32 queue, and gradients come back in each one's own dtype. All tensors are on one device; whole
    numbers, such as ids and labels, may have any integer dtype. Non-finite embeddings give a non-finite loss, not an
    error. Nothing on a device is read by the host: values are checked in the memory of the CPU alone, and what they
    are refused for there makes the loss not finite elsewhere, or is refused by the device where it is a place. Which
    views and further arguments an objective is called with, its `inputs` say and its `detail` names.
    """

    inputs: Inputs = Inputs()

    if TYPE_CHECKING:
        __call__: ClassVar[_Call]  # pyright: ignore[reportIncompatibleMethodOverride]

    def __init_subclass__(cls, **given: Any) -> None:
        super().__init_subclass__(**given)
        if "detail" in vars(cls):
            cls.detail = _of_so_many_views(cls.detail)

    def __init__(self) -> None:
        super().__init__()

    def forward(self, *views: Any, **given: Any) -> Float[Tensor, ""]:
        """Return the scalar loss; takes what `detail` takes.

        Raises:
            ValueError: If the views differ in shape or device, are not matrices, or are empty, or if an argument that
                the objective needs is missing or does not fit them.
            TypeError: If an argument is no tensor where one is asked for, or of a dtype that it cannot have.
        """
        return self.detail(*views, **given).loss

    def num_candidates(self, num_rows: int) -> int | None:
        """Return among how many rows the loss, a cross-entropy, looks for an anchor's positive.

        The logarithm of it is the loss of embeddings that know nothing.

        Args:
            num_rows: Rows of both views.

        Returns:
            Their number; None where the loss is no such cross-entropy, or that depends on what it is called with.
        """
        return None

    @abstractmethod
    def detail(self, *views: Any, **given: Any) -> Outcome:
        """Return the loss with the anchors' losses and statistics."""


def _of_so_many_views(detail: Callable[..., Outcome]) -> Callable[..., Outcome]:
    """Return a `detail` that says of how many views it is and what it takes, where it is called with something else."""
    parameters = [*inspect.signature(detail).parameters.values()][1:]
    named = [each for each in parameters if each.kind is each.POSITIONAL_OR_KEYWORD]
    fewest = sum(each.default is each.empty for each in named)
    most = None if any(each.kind is each.VAR_POSITIONAL for each in parameters) else len(named)
    names = ", ".join(each.name for each in named)
    by_name = [each.name for each in parameters if each.kind is each.KEYWORD_ONLY]
    accepted = {*RENAMED, *by_name, *(each.name for each in named)}
    takes_any = any(each.kind is each.VAR_KEYWORD for each in parameters)

    @wraps(detail)
    def called(self: Objective, *views: Any, **given: Any) -> Outcome:
        if not takes_any and (unknown := given.keys() - accepted):
            here = f"; here: {', '.join(by_name)}" if by_name else ""
            raise TypeError(f"{type(self).__name__} takes no argument {min(unknown)!r} beside its views{here}")
        number = len(views) + sum(each.name in given for each in named)
        if fewest <= number and (most is None or number <= most):
            return detail(self, *views, **given)
        who, lowest = type(self).__name__, fewest if most is not None else max(fewest, self.inputs.min_views)
        if number > fewest == 2:
            way_out = f"PairwiseViews(objective={who}(...)) takes more, and MVInfoNCE, PolyView, SupCon and others do"
        elif len(views) == 1 and not isinstance(views[0], Tensor):
            way_out = f"give them one by one, objective({names}), not in a {_checks.kind_of(views[0])}"
        else:
            way_out = f"call objective({names}{', ...' * (most is None)})"
        rule = f"{lowest} view{'s' * (lowest != 1)}{' or more' * (most is None)}"
        raise ValueError(f"{who} takes {rule}, got {number}: {way_out}")

    return called


def mean_outcome(per_anchor: Float[Tensor, " a"], stats: Mapping[str, Tensor]) -> Outcome:
    """Return the outcome whose loss is the mean over anchors; statistics are detached."""
    found = {name: value.detach() if value.requires_grad else value for name, value in stats.items()}
    return Outcome(per_anchor.mean(), per_anchor.detach(), found)


def concat_stats(parts: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Return the statistics of several sets of anchors as those of all of them."""
    return {name: torch.cat([part[name].reshape(-1) for part in parts]) for name in parts[0]}
