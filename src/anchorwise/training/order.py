"""Which images make a batch: an order of every epoch, cut the same way for any number of ranks.

Most depend on seed and epoch alone and have no state: a resumed run asks for the same epoch again and skips the batches
it has done. Those that look at the model save what they saw (`anchorwise.training.hard_batches`, `within_clusters`).
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, ClassVar, Literal, final

import torch
from jaxtyping import Int64
from torch import Tensor

from anchorwise import _checks
from anchorwise._config import Named
from anchorwise.methods import AllRows, Clock, Method, Outlook
from anchorwise.modalities.seeds import mixed_seed
from anchorwise.reporting.wording import counted

# b = images of one rank in one batch, or of all of them, c = classes of a task


class OrderConfig(Named):
    """What every order can be told; each has its own settings in its class, and there a `name` too."""


class Order(ABC):
    """Which samples make the batches of an epoch.

    Args:
        config: Settings, of the class's own `Config`.
        labels: Classes of the samples; None if unlabelled.
        sizes: Samples of every batch of an epoch, over all ranks.
        groups: What samples belong together; None if each stands alone.

    Raises:
        ValueError: If no such batches can be made of these samples.
    """

    Config: ClassVar[type[OrderConfig]]

    def __init__(
        self,
        config: OrderConfig,
        labels: Int64[Tensor, " n"] | None,
        sizes: list[int],
        groups: Int64[Tensor, " n"] | None = None,
    ) -> None:
        self.config, self.labels, self.sizes, self.groups = config, labels, sizes, groups
        self.prepare()

    def prepare(self) -> None:  # noqa: B027
        """Look whether such batches can be made of these samples; what an order keeps of them begins here.

        Raises:
            ValueError: If they cannot.
        """

    def check(self, method: Method, outlook: Outlook) -> None:  # noqa: B027
        """Refuse a method whose samples cannot be put into this order, before anything is written.

        Raises:
            ValueError: If it has too few views, or the training is too short.
        """

    def schedule(self, clock: Clock) -> Clock:
        """Return the time that learning rates follow: that of the whole training, unless they are to begin anew."""
        return clock

    def before_epoch(self, samples: AllRows, method: Method, *, seed: int, epoch: int) -> None:  # noqa: B027
        """Look at the samples before they are gone through once more; every rank calls this.

        A run that is resumed within an epoch does not do it again, and its weights have moved: what comes of it belongs
        into `saved`.

        Args:
            samples: Those of an epoch, in the order of their numbers here.
            method: As it is trained so far.
            seed: With the epoch, decides what is drawn.
            epoch: Counted from 0.
        """

    def tasks_after(self, epoch: int) -> list[Int64[Tensor, " c"]] | None:
        """Return the classes of every task so far, where the last epoch of one is over and what it taught is measured.

        Args:
            epoch: The one that is over, counted from 0.
        """
        return None

    def saved(self) -> dict[str, Any]:
        """Return what a resumed run cannot compute again."""
        return {}

    def restore(self, saved: Mapping[str, Any]) -> None:  # noqa: B027
        """Take up what was saved.

        Raises:
            KeyError: If a part is missing.
            ValueError: If a part is not that of such samples.
        """

    @abstractmethod
    def epoch(self, num_images: int, generator: torch.Generator) -> list[Int64[Tensor, " b"]]:
        """Return the numbers of the samples of every batch, those of all ranks together.

        Args:
            num_images: Samples in the set.
            generator: What is drawn with; it depends on seed and epoch alone.
        """

    @final
    def batches(
        self, num_images: int, *, seed: int, epoch: int, rank: int = 0, world_size: int = 1
    ) -> list[Int64[Tensor, " b"]]:
        """Return a rank's part of every batch of an epoch; with those of the others it makes the whole batch.

        Raises:
            ValueError: If a number is out of its range.
        """
        if not 0 <= rank < world_size:
            raise ValueError(f"rank must lie in 0..{world_size - 1} for {world_size} ranks, got {rank}")
        _checks.count("seed", seed, 0)
        _checks.count("epoch", epoch, 0)
        generator = generator_of(seed, epoch)
        return [batch.tensor_split(world_size)[rank] for batch in self.epoch(num_images, generator)]


@final
class Shuffled(Order):
    """Every sample once an epoch, in random order."""

    class Config(OrderConfig):
        """There is nothing to set."""

        name: Literal["shuffled"] = "shuffled"

    def epoch(self, num_images: int, generator: torch.Generator) -> list[Int64[Tensor, " b"]]:
        """Cut a permutation; what does not fill a batch is left out."""
        order = torch.randperm(num_images, generator=generator)
        return list(order[: sum(self.sizes)].split(self.sizes))


@final
class ClassBalanced(Order):
    """Every class equally often in every batch, one more or less where the size is no multiple of their number.

    Samples of a class come in random order, all of them before one comes again; so those of rare classes come more
    often than once an epoch, those of frequent ones less, and no sample stands twice in a batch.
    """

    class Config(OrderConfig):
        """There is nothing to set."""

        name: Literal["class_balanced"] = "class_balanced"

    def prepare(self) -> None:
        """Look whether such batches can be made of these samples, and of which parts."""
        labels, sizes = self.labels, self.sizes
        if labels is None:
            raise ValueError("order.name=class_balanced needs labelled samples; these have none: take shuffled")
        self.members = [torch.nonzero(labels == label).flatten() for label in labels.unique()]
        wanted, smallest = -(-max(sizes) // len(self.members)), min(map(len, self.members))
        if wanted > smallest:
            raise ValueError(
                f"order.name=class_balanced wants {wanted} samples of each of {len(self.members)} classes in a batch "
                f"of {max(sizes)}, and the smallest class has {smallest}; take train.batch_size up to "
                f"{smallest * len(self.members)}, or order.name=shuffled"
            )

    def epoch(self, num_images: int, generator: torch.Generator) -> list[Int64[Tensor, " b"]]:
        """Deal the places of a batch to the classes in turn, then draw from each."""
        decks = [Deck(ids, generator) for ids in self.members]
        batches = []
        for size in self.sizes:
            turn = torch.randperm(len(decks), generator=generator).tolist()
            shares = [len(range(place, size, len(turn))) for place in range(len(turn))]
            batch = torch.cat([decks[which].dealt(wanted) for which, wanted in zip(turn, shares, strict=True)])
            batches.append(batch[torch.randperm(len(batch), generator=generator)])
        return batches


@final
class OnePerGroup(Order):
    """No two samples of a group in one batch, and all groups equally often.

    Groups come in random order, all of them before one comes again, and so do the samples of each. So a participant
    with many segments counts as much as one with few, and nobody is a negative of themselves.
    """

    class Config(OrderConfig):
        """There is nothing to set."""

        name: Literal["one_per_group"] = "one_per_group"

    def prepare(self) -> None:
        """Look whether such batches can be made of these samples, and of which parts."""
        sizes, groups = self.sizes, self.groups
        if groups is None:
            raise ValueError(
                "order.name=one_per_group needs samples in groups, such as segments of participants; these stand "
                "alone: take shuffled"
            )
        self.members = [torch.nonzero(groups == group).flatten() for group in groups.unique()]
        if max(sizes) > len(self.members):
            raise ValueError(
                f"order.name=one_per_group puts each group into a batch once, got {len(self.members)} groups for "
                f"batches of {max(sizes)}; take train.batch_size up to {len(self.members)}, with train.drop_last=true"
            )

    def epoch(self, num_images: int, generator: torch.Generator) -> list[Int64[Tensor, " b"]]:
        """Deal groups, and a sample of each."""
        groups = Deck(torch.arange(len(self.members)), generator)
        decks = [Deck(ids, generator) for ids in self.members]
        return [torch.cat([decks[which].dealt(1) for which in groups.dealt(size).tolist()]) for size in self.sizes]


class Deck:
    """Samples dealt in random order, all of them before one comes again, and none twice at once.

    Args:
        ids: Their numbers, each once.
        generator: What is drawn with.
    """

    def __init__(self, ids: Int64[Tensor, " m"], generator: torch.Generator) -> None:
        self._ids, self._waiting, self._generator = ids, ids[:0], generator

    def dealt(self, wanted: int) -> Int64[Tensor, " b"]:
        """Return the next ones, at most as many as there are."""
        rest = self._waiting
        if len(rest) < wanted:  # What waits comes first, and is last of the next round.
            again = self._ids[torch.randperm(len(self._ids), generator=self._generator)]
            is_waiting = torch.isin(again, rest)
            rest = torch.cat([rest, again[~is_waiting], again[is_waiting]])
        self._waiting = rest[wanted:]
        return rest[:wanted]


def generator_of(seed: int, epoch: int) -> torch.Generator:
    """Return what the batches of an epoch are drawn with."""
    return torch.Generator().manual_seed(mixed_seed(seed, epoch))


def num_batches(num_images: int, *, batch_size: int, world_size: int = 1, drop_last: bool = False) -> int:
    """Return how many batches an epoch has; the same on every rank.

    Raises:
        ValueError: As `epoch_batches`.
    """
    return len(_batch_bounds(num_images, batch_size, world_size, drop_last)) - 1


def batch_sizes(num_images: int, *, batch_size: int, world_size: int = 1, drop_last: bool = False) -> list[int]:
    """Return the samples of every batch of an epoch, over all ranks.

    Raises:
        ValueError: As `epoch_batches`.
    """
    bounds = _batch_bounds(num_images, batch_size, world_size, drop_last)
    return [stop - start for start, stop in pairwise(bounds)]


def epoch_batches(
    num_images: int,
    *,
    batch_size: int,
    seed: int,
    epoch: int,
    rank: int = 0,
    world_size: int = 1,
    drop_last: bool = False,
) -> list[Int64[Tensor, " b"]]:
    """Return this rank's part of every batch of an epoch that sees all images in random order.

    Args:
        num_images: Images in the set.
        batch_size: Images in a batch over all ranks together.
        seed: With `epoch`, decides the order.
        epoch: Counted from 0.
        rank: This process, counted from 0.
        world_size: Processes that share every batch.
        drop_last: Leave out a last batch that is not full. Otherwise every image is seen once; a last batch of one
            image, or with fewer images than ranks, joins the one before.

    Returns:
        Index tensors; over the ranks, in order, they concatenate to the batch of a single process.

    Raises:
        ValueError: If a number is out of its range, or there are fewer images than ranks.
    """
    sizes = batch_sizes(num_images, batch_size=batch_size, world_size=world_size, drop_last=drop_last)
    order = Shuffled(Shuffled.Config(), None, sizes)
    return order.batches(num_images, seed=seed, epoch=epoch, rank=rank, world_size=world_size)


def _batch_bounds(num_images: int, batch_size: int, world_size: int, drop_last: bool) -> list[int]:
    for name, value in (("num_images", num_images), ("batch_size", batch_size), ("world_size", world_size)):
        _checks.count(name, value)
    if world_size > min(batch_size, num_images):
        raise ValueError(
            f"batch_size and num_images must be at least the {world_size} ranks, got {batch_size} and {num_images}; "
            "start fewer processes or use larger batches"
        )
    if drop_last and num_images < batch_size:
        raise ValueError(
            f"drop_last leaves no batch of {counted(num_images, 'sample')} at batch_size {batch_size}; "
            "use smaller batches or drop_last=False"
        )
    bounds = list(range(0, num_images + 1, batch_size))
    rest = num_images - bounds[-1]
    if rest == 0 or drop_last:
        return bounds
    # One image has no negative, and every rank needs one.
    is_short = rest < max(world_size, 2) and len(bounds) > 1
    return [*bounds[:-1], num_images] if is_short else [*bounds, num_images]
