"""Objectives by name, and objectives from plain mappings as configuration files hold them."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, get_args, get_type_hints

from anchorwise import _checks, _extras, _own_code, tails
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

    A class of one's own is named by where it is imported from, `margin:MarginInfoNCE` for one in margin.py of the
    current folder; its hyperparameters are the typed keyword arguments of its constructor.

    Raises:
        ValueError: If a name or a hyperparameter is unknown, a class cannot be imported, or a value is refused.
    """
    return _build("objective", config, OBJECTIVES)


def _build(part: str, config: Mapping[str, Any], table: Mapping[Any, Callable[..., Any]]) -> Any:
    name = config.get("name")
    make = made_by(name, f"{part}.name") if table is OBJECTIVES else table[_checks.one_of(f"{part}.name", name, table)]
    accepted, hints = inspect.signature(make).parameters, _hints(make)
    if is_own := _own_code.is_own(name):
        _refuse_untyped(str(name), accepted, hints)
    arguments = {}
    for key, value in config.items():
        if key != "name":
            _checks.one_of(f"hyperparameter of {name}", key, accepted)
            arguments[key] = _value(f"{name}.{key}", value, hints.get(key))
            if is_own and arguments[key] is value:  # What is of this library checks its own.
                arguments[key] = _typed(f"{name}.{key}", value, hints[key])
    return from_table(part, name, {name: make}, arguments)


def made_by(name: object, part: str = "objective") -> Callable[..., Objective]:
    """Return what makes the objective of that name.

    Raises:
        ValueError: If there is none.
    """
    if _own_code.is_own(name):
        return _own_code.imported(part, str(name), Objective)
    return OBJECTIVES[_checks.one_of(part, name, (*OBJECTIVES, _own_code.FORM))]


def _refuse_untyped(name: str, accepted: Mapping[str, inspect.Parameter], hints: Mapping[str, Any]) -> None:
    for key, parameter in accepted.items():
        if key not in hints or parameter.kind not in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            raise ValueError(
                f"{name} must take its settings as typed keyword arguments, such as `def __init__(self, *, "
                f"temperature: float = 0.1)`, got {str(parameter)!r}"
            )


def _typed(key: str, value: Any, hint: Any) -> Any:
    """Return a value, as JSON has it, as what a constructor's argument is annotated as."""
    _extras.needed("pydantic")
    from pydantic import ConfigDict, TypeAdapter, ValidationError
    from pydantic_core import to_json

    words = hint.__name__ if isinstance(hint, type) else str(hint)
    try:
        kept = TypeAdapter(hint, config=ConfigDict(arbitrary_types_allowed=True))
        return kept.validate_json(to_json(value), strict=True)
    except ValidationError as error:
        problem = error.errors()[0]
        if problem["type"] == "needs_python_object":
            raise ValueError(
                f"{key} must be left out here, got {value!r}: it is a {words}, which no configuration holds; hand the "
                "objective itself to anchorwise.pretrain(objective=...)"
            ) from None
        raise ValueError(f"{key} must be {words}, got {value!r}: {problem['msg']}") from None


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
    try:
        return get_type_hints(make.__init__ if isinstance(make, type) else make)
    except NameError as error:
        raise ValueError(
            f"{make.__module__}:{make.__name__} annotates its settings with {error.name!r}, which is not there when it "
            "runs; import it in the module, not under TYPE_CHECKING"
        ) from error


def _table_of(hint: Any) -> Mapping[Any, Callable[..., Any]] | None:
    """Return the names of what fits an annotation such as `float | Exponent` or `Sequence[Objective]`."""
    for wanted in (hint, *get_args(hint)):
        for part, table in _PARTS.items():
            if isinstance(wanted, type) and issubclass(wanted, part):
                return table if wanted is part else {name: make for name, make in table.items() if make is wanted}
        inner = None if wanted is hint else _table_of(wanted)
        if inner is not None:
            return inner
    return None
