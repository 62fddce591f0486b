"""Methods by name, and the settings of any of them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from anchorwise import _checks, _own_code
from anchorwise._config import chosen_by_name_or_own
from anchorwise.methods import registry
from anchorwise.methods.base import Method, MethodConfig

METHODS: Mapping[str, type[Method]] = {
    make.__module__.rpartition(".")[2]: make for make in vars(registry).values() if isinstance(make, type)
}

if TYPE_CHECKING:
    AnyMethodConfig = MethodConfig
else:
    AnyMethodConfig = chosen_by_name_or_own(method.Config for method in METHODS.values())


def method_class(name: str, part: str = "method") -> type[Method]:
    """Return the method of that name, one of the registry or, named `module:Class`, of one's own.

    Raises:
        ValueError: If there is none.
    """
    if _own_code.is_own(name):
        return _own_code.imported(part, name, Method)
    return METHODS[_checks.one_of(part, name, (*METHODS, _own_code.FORM))]
