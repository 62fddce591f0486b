"""What the adapters share: which objectives can stand in for a loss of two batches of embeddings."""

from collections.abc import Callable

from anchorwise import _checks
from anchorwise.objectives import Objective


def two_view_objective(objective: object, *, instead: str = "call the objective itself") -> Objective:
    """Return an objective that is called with two views and nothing else.

    Args:
        objective: What is to stand in for the caller's loss.
        instead: The way out, for the message.

    Raises:
        TypeError: If it is no objective of this library.
        ValueError: If it needs more arguments than two views, or another number of views.
    """
    objective = _checks.instance("objective", objective, Objective)
    inputs, name = objective.inputs, type(objective).__name__
    if inputs.needs:
        raise ValueError(f"objective must need two views only, got {name}, which needs {inputs.needs}: {instead}")
    if inputs.min_views > 2 or (inputs.max_views is not None and inputs.max_views < 2):
        raise ValueError(f"objective must take two views, got {name}, which takes {_range(objective)}: {instead}")
    return objective


def objective_or(
    make: Callable[..., Objective], objective: object, temperature: float | None, *, default: float
) -> object:
    """Return the objective, or what `make` makes at the temperature; the two exclude each other.

    Raises:
        ValueError: If both are given.
    """
    if objective is None:
        return make(temperature=default if temperature is None else temperature)
    if temperature is not None:
        raise ValueError(
            f"temperature must be left out beside an objective, got {temperature!r}: it belongs to the objective, "
            f"as in objective={type(objective).__name__}(temperature={temperature!r})"
        )
    return objective


def _range(objective: Objective) -> str:
    inputs = objective.inputs
    most = "or more" if inputs.max_views is None else f"to {inputs.max_views}"
    return f"{inputs.min_views} {most} views"
