"""Which images make a batch: an order that depends on seed and epoch alone, cut the same way for any number of ranks.

There is no state to save: a resumed run asks for the same epoch again and skips the batches it has done.
"""

from itertools import pairwise

import torch
from jaxtyping import Int64
from torch import Tensor

from anchorwise import _checks
from anchorwise.modalities.seeds import mixed_seed

# b = images of one rank in one batch


def num_batches(num_images: int, *, batch_size: int, world_size: int = 1, drop_last: bool = False) -> int:
    """Return how many batches an epoch has; the same on every rank.

    Raises:
        ValueError: As `epoch_batches`.
    """
    return len(_batch_bounds(num_images, batch_size, world_size, drop_last)) - 1


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
    """Return this rank's part of every batch of an epoch.

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
    if not 0 <= rank < world_size:
        raise ValueError(f"rank must lie in 0..{world_size - 1} for {world_size} ranks, got {rank}")
    bounds = _batch_bounds(num_images, batch_size, world_size, drop_last)
    order = epoch_order(num_images, seed=seed, epoch=epoch)
    batches = [order[start:stop] for start, stop in pairwise(bounds)]
    return [batch.tensor_split(world_size)[rank] for batch in batches]


def epoch_order(num_images: int, *, seed: int, epoch: int) -> Int64[Tensor, " n"]:
    """Return the permutation of 0 .. num_images - 1 in which an epoch sees the images."""
    _checks.count("seed", seed, 0)
    _checks.count("epoch", epoch, 0)
    generator = torch.Generator().manual_seed(mixed_seed(seed, epoch))
    return torch.randperm(num_images, generator=generator)


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
