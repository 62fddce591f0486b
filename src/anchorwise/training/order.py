"""Which images make a batch: an order that depends on seed and epoch alone, cut the same way for any number of ranks.

There is no state to save: a resumed run asks for the same epoch again and skips the batches it has done.
"""

from abc import ABC, abstractmethod
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar, Literal, final

import torch
from jaxtyping import Int64
from torch import Tensor

from anchorwise import _checks
from anchorwise._config import Named, chosen_by_name
from anchorwise.modalities.seeds import mixed_seed

# b = images of one rank in one batch, or of all of them


class OrderConfig(Named):
    """What every order can be told; each has its own settings in its class, and there a `name` too."""


class Order(ABC):
    """Which samples make the batches of an epoch.

    Args:
        config: Settings, of the class's own `Config`.
        labels: Classes of the samples; None if unlabelled.
        sizes: Samples of every batch of an epoch, over all ranks.

    Raises:
        ValueError: If no such batches can be made of these samples.
    """

    Config: ClassVar[type[OrderConfig]]

    def __init__(self, config: OrderConfig, labels: Int64[Tensor, " n"] | None, sizes: list[int]) -> None:
        self.config, self.labels, self.sizes = config, labels, sizes

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
        generator = torch.Generator().manual_seed(mixed_seed(seed, epoch))
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

    def __init__(self, config: OrderConfig, labels: Int64[Tensor, " n"] | None, sizes: list[int]) -> None:
        super().__init__(config, labels, sizes)
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
        waiting = [ids[:0] for ids in self.members]
        batches = []
        for size in self.sizes:
            turn, drawn = torch.randperm(len(self.members), generator=generator).tolist(), list[Tensor]()
            for place, which in enumerate(turn):
                wanted = len(range(place, size, len(turn)))
                ids, rest = self.members[which], waiting[which]
                if len(rest) < wanted:  # What waits comes first, and is last of the next round.
                    again = ids[torch.randperm(len(ids), generator=generator)]
                    is_waiting = torch.isin(again, rest)
                    rest = torch.cat([rest, again[~is_waiting], again[is_waiting]])
                drawn.append(rest[:wanted])
                waiting[which] = rest[wanted:]
            batch = torch.cat(drawn)
            batches.append(batch[torch.randperm(len(batch), generator=generator)])
        return batches


ORDERS: dict[str, type[Order]] = {
    "shuffled": Shuffled,
    "class_balanced": ClassBalanced,
}
if TYPE_CHECKING:
    AnyOrderConfig = OrderConfig
else:
    AnyOrderConfig = chosen_by_name(order.Config for order in ORDERS.values())


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
            f"drop_last leaves no batch of {num_images} images at batch_size {batch_size}; "
            "use smaller batches or drop_last=False"
        )
    bounds = list(range(0, num_images + 1, batch_size))
    rest = num_images - bounds[-1]
    if rest == 0 or drop_last:
        return bounds
    # One image has no negative, and every rank needs one.
    is_short = rest < max(world_size, 2) and len(bounds) > 1
    return [*bounds[:-1], num_images] if is_short else [*bounds, num_images]
