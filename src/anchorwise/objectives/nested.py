"""Matryoshka widths: an objective at the first numbers of every row as well as at all of them.

Source: Kusupati et al. 2022, "Matryoshka Representation Learning", Eq. 1, https://arxiv.org/abs/2205.13147, with
rows brought to length 1 again after they are cut, as sentence-transformers' MatryoshkaLoss does.
"""

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast, final

from jaxtyping import Float
from torch import Tensor, nn

from anchorwise import _checks, _tensor_checks
from anchorwise.objectives.cross_view import CrossViewInfoNCE
from anchorwise.objectives.objective import Objective, Outcome
from anchorwise.objectives.parts.weighted_sum import weighted_sum

# n = samples, d = embedding width

# Arguments of objectives that are rows of the views' width, one tensor or several.
_ROWS = frozenset(
    {"negatives", "hard_negatives", "queue", "queues", "keys", "prototypes", "projections", "gates", "teachers"}
)
# Those of objectives whose rows are no embeddings, but tokens or cells one after the other, or scores.
_OF_OTHER_ROWS = ("attention_mask", "places", "no_scores", "centre")


@final
class Nested(Objective):
    """The weighted sum of an objective at several widths of the rows, so that an embedding may be cut to any of them.

    The head or the encoder then learns to put first what tells most. Each width has an objective of its own, with a
    state of its own where it has one. A width of the rows' own is the objective itself.

    Args:
        objective: What is computed at every width, one whose rows are embeddings; by default CrossViewInfoNCE.
        widths: Numbers of a row that count, each at least 1 and at most the rows' width.
        weights: One for each width, at least 0; 1 each if left out, as in the source.

    Raises:
        ValueError: If an argument is out of range, a width comes twice, or there is not a weight for each.
    """

    def __init__(
        self,
        *,
        objective: Objective | None = None,
        widths: Sequence[int] = (128, 64, 32),
        weights: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.widths = tuple(_checks.count("widths", width) for width in widths)
        if not self.widths or len(set(self.widths)) < len(self.widths):
            raise ValueError(f"widths must be different numbers, at least one, got {widths!r}")
        self.weights = tuple(
            _checks.at_least("weights", weight, 0.0)
            for weight in ((1.0,) * len(self.widths) if weights is None else weights)
        )
        if len(self.weights) != len(self.widths):
            raise ValueError(f"weights must have one number for each of the {len(self.widths)} widths, got {weights!r}")
        part = _checks.instance("objective", CrossViewInfoNCE() if objective is None else objective, Objective)
        if "network" in part.inputs.needs:
            raise ValueError(
                f"objective must be one without a network, got {type(part).__name__}: the caller's network has one "
                "width of rows; call it for every width with a network for that, and add the losses up"
            )
        for name in (name for name in _OF_OTHER_ROWS if name in (*part.inputs.needs, *part.inputs.takes)):
            raise ValueError(
                f"objective must be one whose rows are embeddings, got {type(part).__name__}, which takes {name} with "
                "rows of another kind: the first numbers of those are no shorter ones"
            )
        self.objectives = nn.ModuleList([part, *(copy.deepcopy(part) for _ in self.widths[1:])])
        self.inputs = part.inputs

    def detail(self, *views: Float[Tensor, "n d"], **given: Any) -> Outcome:
        """Return the weighted loss, the first width's statistics, and every width's own loss.

        Where widths have different numbers of anchors, as dimensions are, their losses per anchor are repeated to a
        common number.

        Args:
            *views: As the objective takes them.
            **given: What the objective takes; of rows the same first numbers count.
        """
        _tensor_checks.views(*views)
        width = views[0].shape[1]
        if max(self.widths) > width:
            raise ValueError(f"widths must be at most that of the views' rows, {width}, got {max(self.widths)}")
        parts = cast("Iterable[Objective]", self.objectives)
        outcomes = [
            objective.detail(*(view[:, :most] for view in views), **_cut(given, most))
            for objective, most in zip(parts, self.widths, strict=True)
        ]
        names = [f"loss_{most}" for most in self.widths]
        return weighted_sum(self.weights, dict(zip(names, outcomes, strict=True)))


def _cut(given: Mapping[str, Any], width: int) -> dict[str, Any]:
    return {name: _first_of(value, width) if name in _ROWS else value for name, value in given.items()}


def _first_of(rows: Any, width: int) -> Any:
    if isinstance(rows, Tensor):
        return rows[:, :width] if rows.ndim == 2 else rows  # What is no rows the objective refuses.
    return [_first_of(each, width) for each in rows] if isinstance(rows, Sequence) else rows
