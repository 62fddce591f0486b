"""A trained encoder of users and items on disk, with what they are called; and what it recommends.

encoder.json, encoder.safetensors     as every run has them; the graph is among the weights
names.json                            what users and items are called, in their order
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import torch
from jaxtyping import Float
from torch import Tensor

from anchorwise import _checks, _files
from anchorwise._config import Section
from anchorwise.modalities.encoder import SPEC_FILE, DescribedEncoder, read_spec
from anchorwise.modalities.interactions.config import LightGCNConfig
from anchorwise.modalities.interactions.encoders import LightGCNEncoder
from anchorwise.modalities.interactions.pairs import Pairs
from anchorwise.modalities.interactions.ranked import best
from anchorwise.modalities.interactions.samples import InteractionSamples
from anchorwise.modalities.samples import Samples, View

# u = users, i = items, d = width

NAMES_FILE = "names.json"


class InteractionsSpec(Section):
    """What an encoder is and what it expects.

    Attributes:
        modality: What it takes.
        encoder: The architecture.
    """

    modality: Literal["interactions"] = "interactions"
    encoder: LightGCNConfig


@dataclass(frozen=True)
class FrozenInteractions(DescribedEncoder):
    """A trained encoder of users and items.

    Attributes:
        encoder: With the training's interactions.
        spec: What it is.
        user_names: What users are called.
        item_names: Likewise.
    """

    spec: InteractionsSpec
    user_names: tuple[str, ...]
    item_names: tuple[str, ...]

    def plain(self, raw: View) -> View:
        """Return nodes as they are."""
        return raw

    @property
    def graph(self) -> Pairs:
        """The training's interactions."""
        return cast(LightGCNEncoder, self.encoder).graph

    @torch.no_grad()
    def rows(self) -> tuple[Float[Tensor, "u d"], Float[Tensor, "i d"]]:
        """Return one row per user and one per item; the product of two is how high an item stands for a user."""
        made = cast(LightGCNEncoder, self.encoder).all_rows()
        return made[: len(self.user_names)], made[len(self.user_names) :]

    def recommend(
        self, users: Sequence[str] | None = None, *, k: int = 20, with_known: bool = False
    ) -> Iterator[tuple[str, list[tuple[str, float]]]]:
        """Yield each user with the items that stand highest, and their scores.

        Args:
            users: What they are called; all if left out.
            k: Items of each at most; fewer where a user has not so many left.
            with_known: Whether items that a user has in the training are among them.

        Raises:
            ValueError: If a user is unknown, or `k` is below 1.
        """
        _checks.count("k", k)
        numbers = {name: number for number, name in enumerate(self.user_names)}
        for user in users or ():
            if user not in numbers:
                raise ValueError(f"users must be of the training's {len(numbers):,}, got {user!r}")
        named = self.user_names if users is None else users
        asked = torch.tensor([numbers[user] for user in named], dtype=torch.int64)
        of_users, of_items = self.rows()
        known = None if with_known else self.graph
        for found in best(of_users, of_items, asked, k=k, known=known):
            for user, items, scores in zip(found.users.tolist(), found.items, found.scores, strict=True):
                there = scores > -torch.inf
                names = [self.item_names[item] for item in items[there].tolist()]
                yield self.user_names[user], list(zip(names, scores[there].tolist(), strict=True))

    def adapted(self, samples: Samples) -> Samples:
        """Return samples of another source, which must have the same training interactions.

        Raises:
            ValueError: If they have others.
        """
        if not isinstance(samples, InteractionSamples):
            raise ValueError(f"an encoder of users and items takes interactions, got {samples.what}")
        mine, other = self.graph, samples.graph
        are_named_alike = (samples.user_names, samples.item_names) == (self.user_names, self.item_names) and len(
            mine
        ) == len(other)
        if not (are_named_alike and torch.equal(mine.users, other.users) and torch.equal(mine.items, other.items)):
            raise ValueError(
                "an encoder of users and items is judged on the interactions that it was trained on, and others held "
                f"out beside them; it knows {len(mine):,} of {mine.num_users:,} users and {mine.num_items:,} items, "
                f"and these are {len(other):,} of {other.num_users:,} and {other.num_items:,}, or have other names"
            )
        return samples

    def save(self, folder: Path) -> None:
        """Write it; every file appears whole or not at all."""
        names = {"users": list(self.user_names), "items": list(self.item_names)}
        _files.write_text(folder / NAMES_FILE, json.dumps(names) + "\n")
        super().save(folder)


def load_interactions(folder: Path) -> FrozenInteractions:
    """Read what `FrozenInteractions.save` wrote, in evaluation mode.

    Raises:
        FileNotFoundError: If a file is missing.
        UnusableFileError: If one is damaged.
    """
    spec = read_spec(InteractionsSpec, folder, NAMES_FILE)
    with _files.reading(folder / NAMES_FILE):
        found = json.loads((folder / NAMES_FILE).read_text(encoding="utf-8"))
        users, items = (tuple(str(name) for name in found[of]) for of in ("users", "items"))
        if (len(users), len(items)) != (spec.encoder.num_users, spec.encoder.num_items):
            raise ValueError(f"it names {len(users)} users and {len(items)} items, and {SPEC_FILE} says otherwise")
    frozen = FrozenInteractions(LightGCNEncoder(spec.encoder).eval(), spec, users, items)
    frozen.restore(folder)
    return frozen
