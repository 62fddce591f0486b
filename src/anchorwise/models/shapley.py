"""How much two players of a game are worth together beyond what each adds alone: the Shapley interaction index.

Source: Grabisch and Roubens 1999, "An axiomatic approach to the concept of interaction among players in cooperative
games", https://doi.org/10.1007/s001820050125. G2L (Li et al. 2023, https://arxiv.org/abs/2307.14277) aligns moments of
a video with words by such an interaction; how it does so could not be read.
"""

from collections.abc import Callable
from itertools import product
from math import comb

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from anchorwise import _checks

# c = coalitions, p = players

MOST_PLAYERS = 8
Value = Callable[[Tensor], Tensor]


def shapley_interaction(
    value: Value,
    num_players: int,
    pair: tuple[int, int],
    *,
    num_samples: int | None = None,
    generator: torch.Generator | None = None,
) -> Float[Tensor, ""]:
    """Return the mean over coalitions of the others of `v(with both) - v(with one) - v(with the other) + v(without)`.

    The mean is over sizes of coalitions, evenly, and for each size over all coalitions of it. Drawn, it is an unbiased
    estimate; a gradient goes through whatever `value` returns.

    Args:
        value: Worth of coalitions: takes who is in them, bool, shape (coalitions, players), returns a number for each.
        num_players: At most 8.
        pair: Numbers of the two.
        num_samples: Coalitions that are drawn; all of them, exactly, if left out.
        generator: What they are drawn with.

    Raises:
        ValueError: If there are fewer than 2 players or more than 8, or the pair is not two of them.
    """
    if not 2 <= _checks.count("num_players", num_players) <= MOST_PLAYERS:
        raise ValueError(
            f"num_players must be 2 to {MOST_PLAYERS}, of whom all coalitions are there, got {num_players}"
        )
    if len(set(pair)) < 2 or not all(0 <= player < num_players for player in pair):
        raise ValueError(f"pair must be two different players, 0 to {num_players - 1}, got {pair}")
    others = [player for player in range(num_players) if player not in pair]
    if num_samples is None:
        chosen = torch.tensor([*product((False, True), repeat=len(others))], dtype=torch.bool)
        weights = torch.tensor(
            [1.0 / (num_players - 1) / comb(len(others), size) for size in chosen.sum(dim=1).tolist()]
        )
    else:
        chosen = _drawn(_checks.count("num_samples", num_samples), len(others), generator)
        weights = torch.full((num_samples,), 1.0 / num_samples)
    without = torch.zeros(len(chosen), num_players, dtype=torch.bool)
    without[:, others] = chosen
    worth = []
    for first, second in ((True, True), (True, False), (False, True), (False, False)):
        coalitions = without.clone()
        coalitions[:, pair[0]], coalitions[:, pair[1]] = first, second
        worth.append(value(coalitions))
    both, one, other, neither = worth
    gained = both - one - other + neither
    return (weights.to(gained) * gained).sum()


def _drawn(num_samples: int, num_others: int, generator: torch.Generator | None) -> Bool[Tensor, "c _p"]:
    """Return coalitions whose sizes are drawn evenly, and each of them evenly among those of its size."""
    sizes = torch.randint(num_others + 1, (num_samples, 1), generator=generator)
    ranks = torch.rand(num_samples, num_others, generator=generator).argsort(dim=1).argsort(dim=1)
    return ranks < sizes
