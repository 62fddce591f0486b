"""Gates, exponents and tails by name: what a word means in Python is what it means in a configuration."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

from anchorwise import _checks
from anchorwise.tails.estimators import HillTail, RegressionTail, TailEstimator
from anchorwise.tails.exponents import (
    AnchorExponent,
    BatchExponent,
    Exponent,
    FixedExponent,
    LaggedExponent,
    PooledExponent,
)
from anchorwise.tails.gates import CapGate, ConstantGate, Gate, HardGate, LikelihoodGate, PublishedGate

GateName = Literal["likelihood", "published", "hard", "cap", "constant"]
ExponentName = Literal["unit", "batch", "anchor", "lagged", "pooled"]
TailName = Literal["hill", "regression"]


def unit_exponent() -> FixedExponent:
    """Return exponent 1, that of the release's training code."""
    return FixedExponent(1.0)


GATES: Mapping[GateName, Callable[..., Gate]] = {
    "likelihood": LikelihoodGate,
    "published": PublishedGate,
    "hard": HardGate,
    "cap": CapGate,
    "constant": ConstantGate,
}
EXPONENTS: Mapping[ExponentName, Callable[..., Exponent]] = {
    "unit": unit_exponent,
    "batch": BatchExponent,
    "anchor": AnchorExponent,
    "lagged": LaggedExponent,
    "pooled": PooledExponent,
}
TAILS: Mapping[TailName, Callable[..., TailEstimator]] = {"hill": HillTail, "regression": RegressionTail}


def as_gate(value: GateName | Gate) -> Gate:
    """Return the gate that `value` names, with its defaults, or itself.

    Raises:
        ValueError: If `value` is neither, or names a gate that has no defaults.
    """
    return value if isinstance(value, Gate) else from_table("gate", value, GATES)


def as_exponent(value: float | ExponentName | Exponent, tail: TailEstimator) -> Exponent:
    """Return the exponent that `value` names, a number's, or itself.

    Args:
        value: A name, a number above 0, or an exponent.
        tail: How tails are read where the exponent does not say.

    Raises:
        ValueError: If `value` is none of these.
    """
    if not isinstance(value, str | Exponent):
        return FixedExponent(value)
    exponent: Exponent = value if isinstance(value, Exponent) else from_table("exponent", value, EXPONENTS)
    return exponent.beside(tail)


def from_table(
    part: str, name: object, table: Mapping[Any, Callable[..., Any]], arguments: Mapping[str, Any] | None = None
) -> Any:
    """Return what `name` stands for in a table, made with these arguments.

    Raises:
        ValueError: If the table has no such name, or the arguments do not fit it.
    """
    make = table[_checks.one_of(part, name, table)]
    try:
        return make(**(arguments or {}))
    except TypeError as error:
        given = "its name alone" if not arguments else repr(dict(arguments))
        raise ValueError(f"{part} {name!r} cannot be built from {given}: {error}") from error
