"""Modules that say in their text form how they were made, and keep the dtype of what they remember.

Names that arguments had before are refused by the new ones.
"""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from torch import Tensor, nn

# What arguments were called in earlier versions, and what to write now.
RENAMED = {
    "num_images": "num_samples",
    "temperature": "logit_scale=1 / temperature",
    "negatives": "queue",
    "negative_ids": "queue_ids",
    "config": "judges",
    "blend": "objective=NAME(blend=...)",
}

Function = TypeVar("Function", bound=Callable[..., Any])


class KeepsDigits(nn.Module):
    """A module whose buffers keep their dtype where a model around it is cast to half precision: `model.bfloat16()`.

    Of an average over many batches half precision would lose what one of them adds.
    """

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "KeepsDigits":
        kept = {name: buffer for name, buffer in self._buffers.items() if buffer is not None}
        super()._apply(fn, recurse)
        for name, buffer in kept.items():
            moved = self._buffers[name]
            if moved is not None and moved.dtype.itemsize < min(buffer.dtype.itemsize, 4):
                self._buffers[name] = buffer.to(moved.device)
        return self


class Described(KeepsDigits):
    """A module whose text form has its hyperparameters: what its constructor takes and an attribute of the name holds.

    Hyperparameters that are modules themselves stand below it, as all modules in a module do.
    """

    def __init_subclass__(cls, **given: Any) -> None:
        super().__init_subclass__(**given)
        for name in {"__init__", "detail"} & vars(cls).keys():
            setattr(cls, name, refusing_old_names(cls.__name__)(vars(cls)[name]))

    def extra_repr(self) -> str:
        """Return the hyperparameters as the constructor takes them."""
        names = inspect.signature(type(self).__init__).parameters
        held = {name: vars(self)[name] for name in names if name in vars(self)}
        return ", ".join(f"{name}={value!r}" for name, value in held.items())


def refusing_old_names(who: str) -> Callable[[Function], Function]:
    """Return a decorator of functions that are told arguments by names of before."""

    def decorated(function: Function) -> Function:
        accepted = inspect.signature(function).parameters
        old = {name: new for name, new in RENAMED.items() if name not in accepted and new.partition("=")[0] in accepted}

        @wraps(function)
        def called(*args: Any, **given: Any) -> Any:
            for name in given:
                if name in old:
                    raise TypeError(f"{who} has no argument {name}: pass {old[name]}")
            return function(*args, **given)

        return cast(Function, called) if old else function

    return decorated
