"""Interactions, or users, as the samples of a training."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import final

import torch
from jaxtyping import Int64
from torch import Tensor

from anchorwise.modalities.interactions.pairs import Pairs
from anchorwise.modalities.interactions.sources import Parts
from anchorwise.modalities.samples import Samples, Skipped, Splits

# n = samples, b = samples of a batch, m = chosen samples


@final
@dataclass(frozen=True, eq=False)
class InteractionSamples(Samples):
    """A user with an item of hers each: one sample for every interaction, or for every user.

    An encoder takes numbers of nodes, users first and items behind them, and is judged on the users.

    Attributes:
        graph: The training's interactions.
        users: User of every sample.
        items: An item of hers.
        are_users: Whether every sample is a user, of whose items one stands for all.
        known: Interactions that are not asked for: those of the training and, of a test, of the validation.
        asked: Those that are; None where nothing is.
        user_names: What the users are called.
        item_names: Likewise.
        skipped: As `Samples`.
    """

    graph: Pairs
    users: Int64[Tensor, " n"]
    items: Int64[Tensor, " n"]
    are_users: bool
    known: Pairs
    asked: Pairs | None
    user_names: tuple[str, ...]
    item_names: tuple[str, ...]
    skipped: tuple[Skipped, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Those of the users; interactions have none."""
        return tuple(self.user_names[user] for user in self.users.tolist()) if self.are_users else ()

    @property
    def what(self) -> str:
        """Their number, and among how many users and items."""
        each = "users" if self.are_users else "interactions"
        of = f"{self.graph.num_users:,} users and {self.graph.num_items:,} items"
        return f"{len(self):,} {each} of {of}"

    def __len__(self) -> int:
        return len(self.users)

    def take(self, ids: Int64[Tensor, " b"]) -> Int64[Tensor, " b"]:
        """Return the nodes of the users of samples."""
        return self.users[ids]

    def item(self, number: int) -> tuple[str, str]:
        """Return what the user and the item of a sample are called."""
        return self.user_names[int(self.users[number])], self.item_names[int(self.items[number])]

    def name_of(self, number: int) -> str:
        """Return what a message calls a sample."""
        user, item = self.item(number)
        return f"user {user}" if self.are_users else f"user {user}, item {item}"

    def subset(self, ids: Int64[Tensor, " m"]) -> "InteractionSamples":
        """Return a set of these samples, in this order; the graph stays whole."""
        return replace(self, users=self.users[ids], items=self.items[ids])

    def digests(self) -> Iterator[bytes]:
        """Yield the user of each, with what she is asked for, or with the item of the interaction."""
        if self.asked is None:
            items: Sequence[Tensor] = self.items.split(1)
        else:
            items = self.asked.of(self.users)[1].split(self.asked.per_user[self.users].tolist())
        for user, of_user in zip(self.users.tolist(), items, strict=True):
            yield f"{user} {of_user.tolist()}".encode()

    def content(self) -> Iterator[Tensor]:
        """Yield users, items, and what is asked about them."""
        yield from (self.users, self.items)
        if self.asked is not None:
            yield from (self.asked.users, self.asked.items)


def splits_of(parts: Parts) -> Splits[Samples]:
    """Return interactions to train on, users to choose settings by, and users to be judged."""
    graph = parts.train
    each = InteractionSamples(
        graph=graph,
        users=graph.users,
        items=graph.items,
        are_users=False,
        known=graph,
        asked=None,
        user_names=parts.user_names,
        item_names=parts.item_names,
        skipped=parts.skipped,
    )

    def users(which: Tensor, known: Pairs, asked: Pairs | None) -> InteractionSamples:
        first = graph.items[graph.starts[which]]
        there = {"users": which, "items": first, "known": known, "asked": asked}
        return replace(each, are_users=True, skipped=(), **there)

    train = users(torch.arange(graph.num_users), graph, parts.validation)
    if parts.test is None:
        return Splits(each, train, None)
    known = graph if parts.validation is None else graph.joined(parts.validation)
    return Splits(each, train, users(torch.unique(parts.test.users), known, parts.test))
