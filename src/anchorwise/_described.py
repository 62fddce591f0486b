"""Modules that say in their text form how they were made."""

import inspect

from torch import nn


class Described(nn.Module):
    """A module whose text form has its hyperparameters: what its constructor takes and an attribute of the name holds.

    Hyperparameters that are modules themselves stand below it, as all modules in a module do.
    """

    def extra_repr(self) -> str:
        """Return the hyperparameters as the constructor takes them."""
        names = inspect.signature(type(self).__init__).parameters
        held = {name: vars(self)[name] for name in names if name in vars(self)}
        return ", ".join(f"{name}={value!r}" for name, value in held.items())
