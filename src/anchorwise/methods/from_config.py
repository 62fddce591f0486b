"""Methods by name, and the settings of any of them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from anchorwise._config import chosen_by_name
from anchorwise.methods import registry
from anchorwise.methods.base import Method, MethodConfig

METHODS: Mapping[str, type[Method]] = {
    make.__module__.rpartition(".")[2]: make for make in vars(registry).values() if isinstance(make, type)
}

if TYPE_CHECKING:
    AnyMethodConfig = MethodConfig
else:
    AnyMethodConfig = chosen_by_name(method.Config for method in METHODS.values())
