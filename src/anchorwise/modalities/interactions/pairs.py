"""Users and the items that belong to them, as sorted pairs of numbers."""

from dataclasses import dataclass
from functools import cached_property
from typing import final

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

# m = pairs, u = users, e = users and one more, i = items, b = some users, k = pairs of these


@final
@dataclass(frozen=True, eq=False)
class Pairs:
    """Which items belong to which users, each pair once, by user and then by item.

    Attributes:
        users: User of every pair.
        items: Its item.
        num_users: All that there are.
        num_items: Likewise.
    """

    users: Int64[Tensor, " m"]
    items: Int64[Tensor, " m"]
    num_users: int
    num_items: int

    def __len__(self) -> int:
        return len(self.users)

    @cached_property
    def starts(self) -> Int64[Tensor, " e"]:
        """Where the pairs of each user begin, and where the last ends."""
        return torch.searchsorted(self.users, torch.arange(self.num_users + 1))

    @cached_property
    def per_user(self) -> Int64[Tensor, " u"]:
        """How many items each user has."""
        return self.starts.diff()

    @cached_property
    def per_item(self) -> Int64[Tensor, " i"]:
        """How many users each item has."""
        return torch.bincount(self.items, minlength=self.num_items)

    def of(self, users: Int64[Tensor, " b"]) -> tuple[Int64[Tensor, " k"], Int64[Tensor, " k"]]:
        """Return the pairs of some users: the place of each in `users`, and its item."""
        counts = self.per_user[users]
        places = torch.arange(len(users)).repeat_interleave(counts)
        within = torch.arange(len(places)) - (counts.cumsum(0) - counts)[places]
        return places, self.items[self.starts[users][places] + within]

    def chosen(self, which: Tensor) -> "Pairs":
        """Return some of the pairs: numbers of them, ascending, or a mask."""
        return Pairs(self.users[which], self.items[which], self.num_users, self.num_items)

    def joined(self, other: "Pairs") -> "Pairs":
        """Return these and others of the same users and items."""
        users, items = torch.cat([self.users, other.users]), torch.cat([self.items, other.items])
        return sorted_pairs(users, items, self.num_users, self.num_items)


def sorted_pairs(users: Tensor, items: Tensor, num_users: int, num_items: int) -> Pairs:
    """Return pairs in their order, each once."""
    keys = torch.unique(users * num_items + items)
    return Pairs(keys // num_items, keys % num_items, num_users, num_items)


def held_out(pairs: Pairs, share: float, seed: int) -> Bool[Tensor, " m"]:
    """Return for every pair whether it is held out: so large a share of each user's, rounded, but never all.

    Args:
        pairs: Of a training.
        share: In [0, 1).
        seed: Decides which.
    """
    drawn = torch.rand(len(pairs), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    order = (pairs.users + drawn).argsort()  # By user, and within each at random.
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order))
    number = torch.minimum((share * pairs.per_user).round().long(), pairs.per_user - 1)
    return rank - pairs.starts[pairs.users] < number[pairs.users]
