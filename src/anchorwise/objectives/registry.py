"""Objectives by name, and objectives from plain mappings as configuration files hold them."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from anchorwise import _checks, tails
from anchorwise.objectives.info_nce import InfoNCE
from anchorwise.objectives.mixture import Mixture, hardest_regularised
from anchorwise.objectives.objective import Objective
from anchorwise.objectives.selection import Selection
from anchorwise.objectives.weibit import Weibit
from anchorwise.objectives.weince import WEINCE

OBJECTIVES: dict[str, Callable[..., Objective]] = {
    "info_nce": InfoNCE,
    "weince": WEINCE,
    "weibit": Weibit,
    "selection": Selection,
    "mixture": Mixture,
    "hardest_regularised": hardest_regularised,
}
GATES: dict[str, Callable[..., tails.Gate]] = {
    "likelihood": tails.LikelihoodGate,
    "published": tails.PublishedGate,
    "hard": tails.HardGate,
    "cap": tails.CapGate,
    "constant": tails.ConstantGate,
}
EXPONENTS: dict[str, Callable[..., tails.Exponent]] = {
    "batch": tails.BatchExponent,
    "anchor": tails.AnchorExponent,
    "pooled": tails.PooledExponent,
}
TAILS: dict[str, Callable[..., tails.TailEstimator]] = {"hill": tails.HillTail, "regression": tails.RegressionTail}

# Hyperparameters that are objects themselves, and where their names are looked up.
_PARTS: dict[str, Mapping[str, Callable[..., Any]]] = {
    "objective": OBJECTIVES,
    "objectives": OBJECTIVES,
    "weibit": OBJECTIVES,
    "softmax": OBJECTIVES,
    "gate": GATES,
    "exponent": EXPONENTS,
    "towards": EXPONENTS,
    "tail": TAILS,
}


def build(config: Mapping[str, Any]) -> Objective:
    """Return the objective that a mapping describes: its registered `name` beside its hyperparameters.

    A hyperparameter that is an object, such as a gate, is a mapping of the same form:

        {"name": "weince", "temperature": 0.2, "gate": {"name": "published", "margin": 6.0}}

    Raises:
        ValueError: If a name or a hyperparameter is unknown, or a value is refused.
    """
    return _build("objective", config, OBJECTIVES)


def _build(part: str, config: Mapping[str, Any], registry: Mapping[str, Callable[..., Any]]) -> Any:
    name = _checks.one_of(f"{part}.name", config.get("name"), registry)
    accepted = list(inspect.signature(registry[name]).parameters)
    arguments = {}
    for key, value in config.items():
        if key != "name":
            _checks.one_of(f"hyperparameter of {name}", key, accepted)
            arguments[key] = _value(key, value)
    try:
        return registry[name](**arguments)
    except TypeError as error:
        raise ValueError(f"{part} {name!r} cannot be built from {dict(config)!r}: {error}") from error


def _value(key: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return _build(key, value, _PARTS[_checks.one_of("a hyperparameter that takes a table", key, _PARTS)])
    if isinstance(value, list):
        return [_value(key, item) for item in value]
    return value
