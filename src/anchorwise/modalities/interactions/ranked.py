"""Items ranked for users, block by block: no more scores are there at a time than those of a few hundred users."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from anchorwise.modalities.interactions.pairs import Pairs

# u = users, i = items, b = users of a block, k = items of each, d = width

BLOCK = 256  # Users at a time.
Scores = Callable[[Int64[Tensor, " b"]], Float[Tensor, "b i"]]


@dataclass(frozen=True)
class Ranked:
    """The items that stand highest for some users.

    Attributes:
        users: Who.
        items: Theirs, best first; of equal ones the one with the lowest number.
        scores: What they come to; minus infinity where a user has no more items.
    """

    users: Int64[Tensor, " b"]
    items: Int64[Tensor, "b k"]
    scores: Float[Tensor, "b k"]


def best(
    of_users: Float[Tensor, "u d"],
    of_items: Float[Tensor, "i d"],
    users: Int64[Tensor, " _"],
    *,
    k: int,
    known: Pairs | None,
) -> Iterator[Ranked]:
    """Yield the items with the highest products of rows, for some users.

    Args:
        of_users: Rows of all users.
        of_items: Rows of all items.
        users: Who is asked for.
        k: How many items of each.
        known: Items that are not ranked; None ranks all.
    """
    yield from ranked(lambda block: of_users[block.to(of_users.device)] @ of_items.T, users, k=k, known=known)


def ranked(scores_of: Scores, users: Int64[Tensor, " _"], *, k: int, known: Pairs | None) -> Iterator[Ranked]:
    """Yield the items with the highest scores, for some users.

    Args:
        scores_of: Returns the scores of all items for a block of users.
        users: Who is asked for.
        k: How many items of each.
        known: Items that are not ranked; None ranks all.
    """
    for block in users.split(BLOCK):
        scores = scores_of(block).clone()
        if known is not None:
            places, items = known.of(block)
            scores[places.to(scores.device), items.to(scores.device)] = -torch.inf
        yield Ranked(block, *_highest(scores, min(k, scores.shape[1])))


def _highest(scores: Float[Tensor, "b i"], k: int) -> tuple[Int64[Tensor, "b k"], Float[Tensor, "b k"]]:
    """Return the places of the k highest of every row, ties by the lower place, and what they are.

    `topk` alone picks any of equal ones. All above the k-th stand; of those equal to it the first fill up.
    """
    last = scores.topk(k, dim=1).values[:, -1:]
    above, level = scores > last, scores == last
    fits = level & (level.cumsum(dim=1) <= k - above.sum(dim=1, keepdim=True))
    items = (above | fits).nonzero()[:, 1].reshape(len(scores), k)
    found = scores.gather(1, items)
    order = found.argsort(dim=1, descending=True, stable=True)
    return items.gather(1, order).cpu(), found.gather(1, order).cpu()
