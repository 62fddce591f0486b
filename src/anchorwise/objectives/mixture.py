"""Weighted sums of objectives.

Source of the WEINCE form: released code of Erol et al. 2026, https://arxiv.org/abs/2606.00262.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast, final

from jaxtyping import Float
from torch import Tensor, nn

from anchorwise import _checks
from anchorwise.objectives.info_nce import InfoNCE
from anchorwise.objectives.objective import Inputs, Objective, Outcome
from anchorwise.objectives.parts.weighted_sum import weighted_sum
from anchorwise.objectives.weibit import Weibit


@final
class Mixture(Objective):
    """A weighted sum of objectives on the same views.

    The release's global mixture (its policy "soft") is the default; its two regularisers are `hardest_regularised`.

    Args:
        objectives: What is added up, at least one; by default InfoNCE and Weibit with exponent 4.
        weights: One for each, at least 0; by default 0.5 each.

    Raises:
        ValueError: If an argument is out of range, the two differ in length, or no number of views suits them all.
    """

    def __init__(self, *, objectives: Sequence[Objective] | None = None, weights: Sequence[float] = (0.5, 0.5)) -> None:
        super().__init__()
        parts = (InfoNCE(), Weibit(exponent=4.0)) if objectives is None else tuple(objectives)
        if not parts:
            raise ValueError("objectives must be at least one, got none")
        self.objectives = nn.ModuleList([_checks.instance("objectives", part, Objective) for part in parts])
        self.weights = tuple(_checks.at_least("weights", weight, 0.0) for weight in weights)
        if len(self.weights) != len(self.objectives):
            raise ValueError(
                f"weights must have one number for each of the {len(self.objectives)} objectives, got {weights!r}"
            )
        self.inputs = _inputs(list(cast("Iterable[Objective]", self.objectives)))

    def detail(self, *views: Float[Tensor, "n d"], **given: Any) -> Outcome:
        """Return the weighted loss; the statistics are those of the first objective, and every objective's own loss.

        Arguments by name go to the objectives that take them. Where objectives have different numbers of anchors, their
        losses per anchor are repeated to a common number.
        """
        for name in given:
            _checks.one_of("argument of a mixture", name, (*self.inputs.needs, *self.inputs.takes))
        parts = cast("Iterable[Objective]", self.objectives)
        outcomes = [objective.detail(*views, **_taken(objective, given)) for objective in parts]
        return weighted_sum(self.weights, {f"loss{index}": outcome for index, outcome in enumerate(outcomes)})


def _inputs(objectives: Sequence[Objective]) -> Inputs:
    parts = [objective.inputs for objective in objectives]
    needs = {name: None for part in parts for name in part.needs}
    takes = {name: None for part in parts for name in part.takes if name not in needs}
    fewest = max(part.min_views for part in parts)
    most = min((part.max_views for part in parts if part.max_views is not None), default=None)
    if most is not None and fewest > most:
        takers = ", ".join(f"{type(objective).__name__} {_views(objective.inputs)}" for objective in objectives)
        raise ValueError(f"objectives must take the same views, got {takers}; add their losses up by hand")
    return Inputs(fewest, most, tuple(needs), tuple(takes))


def _views(inputs: Inputs) -> str:
    return f"with {inputs.min_views}{' or more' if inputs.max_views is None else ''}"


def _taken(objective: Objective, given: Mapping[str, Any]) -> dict[str, Any]:
    accepted = (*objective.inputs.needs, *objective.inputs.takes)
    return {name: value for name, value in given.items() if name in accepted}
