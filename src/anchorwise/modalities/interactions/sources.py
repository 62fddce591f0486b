"""Interactions as a training has them: numbered, parted, and rid of what nobody can be asked about."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from anchorwise.modalities.interactions.config import InteractionData
from anchorwise.modalities.interactions.files import Named, read_files
from anchorwise.modalities.interactions.pairs import Pairs, held_out, sorted_pairs
from anchorwise.modalities.samples import Skipped


@dataclass(frozen=True)
class Parts:
    """Interactions by what they are for.

    Attributes:
        train: The graph.
        validation: What settings may be chosen by; None where nothing is held out.
        test: What is judged; None where there is nothing.
        user_names: What the users are called.
        item_names: Likewise.
        skipped: Interactions that were left out, each with its reason.
    """

    train: Pairs
    validation: Pairs | None
    test: Pairs | None
    user_names: tuple[str, ...]
    item_names: tuple[str, ...]
    skipped: tuple[Skipped, ...]


def read_parts(data: InteractionData) -> Parts:
    """Read a folder of interactions.

    Users and items are those of the training, after validation was held out, in the order of their names; numbers are
    names too, so that there are no gaps.

    Raises:
        FileNotFoundError: If it is not there, or has none of the layouts.
        ValueError: If a file is damaged, validation is there and asked for as well, or a user has all items.
    """
    files = read_files(Path(data.source))
    if files.validation and data.validation_share:
        raise ValueError(
            f"data.validation_share must be 0 where {files.validation_file} is there, got {data.validation_share:g}"
        )
    train, validation = list(dict.fromkeys(files.train)), files.validation
    if data.validation_share:
        train, validation = _parted(train, data.validation_share, data.seed)
    users, items = (_numbered(pair[side] for pair in train) for side in (0, 1))
    graph = _pairs(train, users, items)
    _check(graph, tuple(users))
    skipped = _repeated(files.train, "the training")
    there, left = _asked(validation, users, items, set(train), files.validation_file)
    chosen = None if not there else _pairs(there, users, items)
    asked, more_left = _asked(files.test, users, items, {*train, *there}, files.test_file)
    if files.test and not asked:
        raise ValueError(
            f"{files.test_file} in {data.source} must hold items of users that the training has, and that it knows and "
            f"they do not have yet, got none among {len(files.test):,} interactions"
        )
    test = _pairs(asked, users, items) if asked else None
    return Parts(graph, chosen, test, tuple(users), tuple(items), (*skipped, *left, *more_left))


def _parted(train: Named, share: float, seed: int) -> tuple[Named, Named]:
    """Return what is trained on and what is held out, which depends on what users and items are called, and a seed."""
    users, items = (_numbered(pair[side] for pair in train) for side in (0, 1))
    pairs, names = _pairs(train, users, items), (tuple(users), tuple(items))
    is_held = held_out(pairs, share, seed)
    return _named(pairs.chosen(~is_held), *names), _named(pairs.chosen(is_held), *names)


def _numbered(names: Iterable[str]) -> dict[str, int]:
    """Number names in their order: that of numbers where all are numbers."""
    different = set(names)
    are_numbers = all(name.isdecimal() for name in different)
    ordered = sorted(different, key=lambda name: (int(name), name)) if are_numbers else sorted(different)
    return {name: number for number, name in enumerate(ordered)}


def _pairs(named: Named, users: Mapping[str, int], items: Mapping[str, int]) -> Pairs:
    numbers = torch.tensor([(users[user], items[item]) for user, item in named], dtype=torch.int64).reshape(-1, 2)
    return sorted_pairs(numbers[:, 0], numbers[:, 1], len(users), len(items))


def _named(pairs: Pairs, users: tuple[str, ...], items: tuple[str, ...]) -> Named:
    both = zip(pairs.users.tolist(), pairs.items.tolist(), strict=True)
    return [(users[user], items[item]) for user, item in both]


def _check(graph: Pairs, users: Sequence[str]) -> None:
    """Refuse what nothing can be learnt of."""
    if graph.num_users < 2 or graph.num_items < 2:
        raise ValueError(
            f"the training must have at least two users and two items, got {graph.num_users} and {graph.num_items}"
        )
    if len(full := (graph.per_user == graph.num_items).nonzero().flatten()):
        raise ValueError(
            f"user {users[int(full[0])]!r} has all {graph.num_items:,} items, so that none is left to rank below hers; "
            "leave the user out of the training"
        )


def _asked(
    named: Named, users: Mapping[str, int], items: Mapping[str, int], known: set[tuple[str, str]], where: str
) -> tuple[Named, list[Skipped]]:
    """Return what can be asked about, and what was left out of it."""
    kept, skipped = list[tuple[str, str]](), list[Skipped]()
    for user, item in dict.fromkeys(named):
        reason = (
            "the training has no such user"
            if user not in users
            else "the training has no such item"
            if item not in items
            else "it is known already"
            if (user, item) in known
            else ""
        )
        if reason:
            skipped.append(Skipped(f"user {user}, item {item} of {where}", reason))
        else:
            kept.append((user, item))
    return kept, [*skipped, *_repeated(named, where)]


def _repeated(named: Named, where: str) -> list[Skipped]:
    seen, skipped = set[tuple[str, str]](), list[Skipped]()
    for pair in named:
        if pair in seen:
            skipped.append(Skipped(f"user {pair[0]}, item {pair[1]} of {where}", "it stands there before"))
        seen.add(pair)
    return skipped
