"""One row of the states of all tokens of a text, by name."""

from collections.abc import Callable, Mapping, Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor

# b = texts, s = tokens of the longest, f = width

States = Sequence[Float[Tensor, "b s f"]]  # Those of the embeddings, then of every layer.


def _mean(rows: Float[Tensor, "b s f"], mask: Int64[Tensor, "b s"]) -> Float[Tensor, "b f"]:
    weight = mask.unsqueeze(2).to(rows.dtype)
    return (rows * weight).sum(dim=1) / weight.sum(dim=1)


def _first(states: States, mask: Tensor) -> Tensor:
    return states[-1][torch.arange(len(mask), device=mask.device), mask.argmax(dim=1)]


def _last(states: States, mask: Tensor) -> Tensor:
    places = mask.shape[1] - 1 - mask.flip(1).argmax(dim=1)
    return states[-1][torch.arange(len(mask), device=mask.device), places]


def _max(states: States, mask: Tensor) -> Tensor:
    return states[-1].masked_fill(mask.unsqueeze(2) == 0, -torch.inf).amax(dim=1)


# "cls" is the pooler's own, which is no function of the states alone. "first" is the first layer, not the embeddings,
# as in SimCSE's code since its paper.
POOLINGS: Mapping[str, Callable[[States, Tensor], Tensor]] = {
    "mean": lambda states, mask: _mean(states[-1], mask),
    "cls_before_pooler": _first,
    "first_last_mean": lambda states, mask: _mean((states[1] + states[-1]) / 2, mask),
    "top2_mean": lambda states, mask: _mean((states[-2] + states[-1]) / 2, mask),
    "eos": _last,
    "max": _max,
}
NEED_ALL_STATES = ("first_last_mean", "top2_mean")


def pooled(name: str, states: States, mask: Int64[Tensor, "b s"]) -> Float[Tensor, "b f"]:
    """Return one row per text; tokens that stand where there is none do not count.

    Args:
        name: One of `POOLINGS`.
        states: Of all tokens.
        mask: 1 where there is a token.

    Raises:
        ValueError: If a text has no token, seen on the CPU alone.
    """
    if mask.device.type == "cpu" and not bool((mask.sum(dim=1) > 0).all()):
        raise ValueError("attention_mask must have a token in every row, got a row without any")
    return POOLINGS[name](states, mask)
