"""Lists of candidates: their scores over all ranks, and losses whose weights and direction are chosen apart."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from anchorwise import _tensor_checks
from anchorwise._ranks import gather_rows

# n = lists, k = candidates of a list

Direction = Literal["yes", "difference"]
DIRECTIONS: tuple[Direction, ...] = ("yes", "difference")


def scores_of(
    yes: Float[Tensor, "n k"], no: Float[Tensor, "n k"] | None
) -> tuple[Float[Tensor, "n k"], Float[Tensor, "n k"] | None]:
    """Return the scores of the lists of all ranks, in float32 or wider."""
    _tensor_checks.views(yes)
    if yes.shape[1] < 2:
        raise ValueError(
            f"view0 must have the scores of a positive and of another candidate at least, got {tuple(yes.shape)}"
        )
    if no is not None:
        _tensor_checks.rows("no_scores", no)
        _tensor_checks.same_shape("view0", yes, "no_scores", no)
        _tensor_checks.same_device("view0", yes, "no_scores", no)
    gathered = gather_rows(_wide(yes))
    _tensor_checks.some_samples(len(gathered), yes)
    return gathered, None if no is None else gather_rows(_wide(no))


def _wide(scores: Tensor) -> Tensor:
    return scores.to(torch.promote_types(scores.dtype, torch.float32))


def along(
    losses: Float[Tensor, " n"], weights: Float[Tensor, "n k"], scores: Float[Tensor, "n k"]
) -> Float[Tensor, " n"]:
    """Return losses as they are, whose gradient is that of the weighted sum of these scores."""
    moved = (weights.detach() * scores).sum(dim=1)
    return losses.detach() + (moved - moved.detach())


def weight_stats(weights: Float[Tensor, "n k"]) -> dict[str, Tensor]:
    """Return how much the positive of every list weighs, and how much its heaviest negative, without a sign."""
    held = weights.detach().abs()
    return {"positive_weight": held[:, 0], "heaviest_negative_weight": held[:, 1:].amax(dim=1)}
