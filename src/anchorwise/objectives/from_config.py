"""Objectives by name, and objectives from plain mappings as configuration files hold them."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, get_args, get_type_hints

from anchorwise import _checks, tails
from anchorwise.objectives import registry
from anchorwise.objectives.objective import Objective
from anchorwise.tails.names import from_table


def _by_file() -> dict[str, Any]:
    return {make.__module__.rpartition(".")[2]: make for make in vars(registry).values() if callable(make)}


OBJECTIVES: Mapping[str, Callable[..., Objective]] = _by_file()
BLENDS: dict[str, Callable[..., tails.Blend]] = {"weince": tails.Blend}

# Hyperparameters that are objects themselves, by what they are, and where their names are looked up.
_PARTS: Mapping[type, Mapping[Any, Callable[..., Any]]] = {
    Objective: OBJECTIVES,
    tails.Blend: BLENDS,
    tails.Gate: tails.GATES,
    tails.Exponent: tails.EXPONENTS,
    tails.TailEstimator: tails.TAILS,
}


def build(config: Mapping[str, Any]) -> Objective:
    """Return the objective that a mapping describes: its registered `name` beside its hyperparameters.

    A hyperparameter that is an object, such as a gate, is a mapping of the same form, or its name alone:

        {"name": "weince", "exponent": "anchor", "gate": {"name": "published", "margin": 6.0}}

    Raises:
        ValueError: If a name or a hyperparameter is unknown, or a value is refused.
    """
    return _build("objective", config, OBJECTIVES)


def _build(part: str, config: Mapping[str, Any], table: Mapping[Any, Callable[..., Any]]) -> Any:
    name = _checks.one_of(f"{part}.name", config.get("name"), table)
    accepted, hints = inspect.signature(table[name]).parameters, _hints(table[name])
    arguments = {}
    for key, value in config.items():
        if key != "name":
            _checks.one_of(f"hyperparameter of {name}", key, accepted)
            arguments[key] = _value(f"{name}.{key}", value, hints.get(key))
    return from_table(part, name, table, arguments)


def _value(key: str, value: Any, hint: Any) -> Any:
    if hint is bool and not isinstance(value, bool):
        # Any text would count as true, "no" as well.
        raise ValueError(f"{key} must be true or false, got {value!r}")
    table = _table_of(hint)
    if table is None:
        if isinstance(value, Mapping):
            raise ValueError(f"{key} takes no table, got {dict(value)!r}; give the value itself")
        return value
    if isinstance(value, str):
        value = {"name": value}
    if isinstance(value, Mapping):
        return _build(key, value, table)
    return [_value(key, item, hint) for item in value] if isinstance(value, list) else value


def _hints(make: Callable[..., Any]) -> dict[str, Any]:
    """Return what hyperparameters are annotated as."""
    return get_type_hints(make.__init__ if isinstance(make, type) else make)


def _table_of(hint: Any) -> Mapping[Any, Callable[..., Any]] | None:
    """Return the names of what fits an annotation such as `float | Exponent` or `Sequence[Objective]`."""
    for wanted in (hint, *get_args(hint)):
        for part, table in _PARTS.items():
            if isinstance(wanted, type) and issubclass(wanted, part):
                return {name: make for name, make in table.items() if wanted is part or make is wanted}
        inner = None if wanted is hint else _table_of(wanted)
        if inner is not None:
            return inner
    return None
