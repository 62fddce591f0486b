"""Graphs on a CPU: operations are noted while the work is done once, undone, and done again in the same memory.

As in a CUDA graph: what the host decided and every number that it had is as it was when the work was recorded; to
read a value is refused; inputs are read, and results written, where they were.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from anchorwise.training.captured_step import Graphs

Result = TypeVar("Result")
_READING = (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.nonzero.default)


class Replaying(Graphs):
    """Records work, as `anchorwise.training.captured_step.CudaGraphs`."""

    def __init__(self) -> None:
        self.num_recorded = self.num_replayed = self.num_ordinary = 0

    def ordinary(self, work: Callable[[], Result]) -> Result:
        self.num_ordinary += 1
        return work()

    def record(self, work: Callable[[], Result]) -> tuple[Result, Callable[[], None]]:
        noting = _Noting()
        try:
            with noting:
                result = work()
        finally:
            noting.undo()
        self.num_recorded += 1

        def replay() -> None:
            self.num_replayed += 1
            with torch.no_grad():
                noting.do_again()

        return result, replay


class Unread(TorchDispatchMode):
    """Refuses to read a value of a tensor, for which a host would wait."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        assert func not in _READING, func
        return func(*args, **(kwargs or {}))


class _Noting(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self._done: list[tuple[Any, ...]] = []
        self._before: dict[int, tuple[Tensor, Tensor]] = {}
        self._made: set[int] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func in _READING:
            raise RuntimeError(f"{func} is not permitted when stream is capturing")
        given = kwargs or {}
        for argument, value in _arguments(func, args, given):
            # Its schema does not say that batch normalisation moves its running statistics.
            writes = argument.alias_info is not None and argument.alias_info.is_write
            for tensor in tree_leaves(value) if writes or argument.name.startswith("running_") else ():
                if isinstance(tensor, Tensor):
                    self._keep(tensor)
        result = func(*args, **given)
        results = [each for each in tree_leaves(result) if isinstance(each, Tensor)]
        self._made |= _places(results) - _places(tree_leaves((args, given)))  # A view is nothing new.
        self._done.append((func, args, given, results))
        return result

    def _keep(self, tensor: Tensor) -> None:
        (place,) = _places([tensor])
        if place not in self._made and place not in self._before:
            self._before[place] = tensor, tensor.untyped_storage().clone()

    @torch.no_grad()
    def undo(self) -> None:
        """Put back what was there before, and spoil what is new: to record is not to do."""
        for *_, results in self._done:
            for made in results:
                if made.is_floating_point() and _places([made]) <= self._made:
                    made.fill_(torch.nan)
        for tensor, before in self._before.values():
            tensor.untyped_storage().copy_(before)

    def do_again(self) -> None:
        """Do all of it once more; autograd, which sees nothing of a graph, counts no change."""
        with torch.autograd._unsafe_preserve_version_counter(tuple(tensor for tensor, _ in self._before.values())):
            self._do_again()

    def _do_again(self) -> None:
        for func, args, given, results in self._done:
            again = [each for each in tree_leaves(func(*args, **given)) if isinstance(each, Tensor)]
            for there, value in zip(results, again, strict=True):
                if there.data_ptr() != value.data_ptr():
                    there.copy_(value)


def _places(values: list[Any]) -> set[int]:
    return {value.untyped_storage().data_ptr() for value in values if isinstance(value, Tensor)}


def _arguments(func: Any, args: tuple[Any, ...], given: dict[str, Any]) -> list[tuple[Any, Any]]:
    named = {argument.name: argument for argument in func._schema.arguments}
    by_place = list(zip(func._schema.arguments, args, strict=False))
    return [*by_place, *((named[name], value) for name, value in given.items())]
