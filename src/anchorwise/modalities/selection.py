"""Which images of a set: class-balanced subsets and stratified splits, decided by labels and a seed alone.

Both rank the images of every class in a seeded random order and take the lowest ranks, so a smaller subset of the same
seed lies inside the larger one.
"""

import torch
from jaxtyping import Int64
from torch import Tensor

from anchorwise import _checks

# n = images, m = chosen images


def balanced_indices(labels: Int64[Tensor, " n"], num_images: int, *, seed: int) -> Int64[Tensor, " m"]:
    """Choose `num_images` images with equally many of every class, as far as each class has them.

    Counts of two classes differ by at most one unless the smaller class is used up.

    Returns:
        Indices in ascending order, shape (num_images,).

    Raises:
        ValueError: If `num_images` is below 1 or above the number of images.
    """
    order, rank, _ = _ranked(labels, seed)
    return _lowest(order, rank, num_images)


def stratified_indices(labels: Int64[Tensor, " n"], num_images: int, *, seed: int) -> Int64[Tensor, " m"]:
    """Choose `num_images` images with every class in proportion to its size.

    Returns:
        Indices in ascending order, shape (num_images,).

    Raises:
        ValueError: If `num_images` is below 1 or above the number of images.
    """
    order, rank, class_size = _ranked(labels, seed)
    return _lowest(order, (rank + 0.5) / class_size, num_images)


def complement(indices: Int64[Tensor, " m"], num_images: int) -> Int64[Tensor, " k"]:
    """Return the indices of 0 .. num_images - 1 that are not in `indices`, ascending."""
    left = torch.ones(num_images, dtype=torch.bool)
    left[indices] = False
    return left.nonzero().squeeze(1)


def _ranked(labels: Tensor, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Shuffle the images; give each its rank among those of its class, and the size of that class."""
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    shuffled = labels[order]
    class_sizes = torch.bincount(shuffled)
    first = class_sizes.cumsum(0) - class_sizes
    by_class = torch.argsort(shuffled, stable=True)
    rank = torch.empty_like(shuffled)
    rank[by_class] = torch.arange(len(labels)) - first[shuffled[by_class]]
    return order, rank, class_sizes[shuffled]


def _lowest(order: Tensor, rank: Tensor, num_images: int) -> Tensor:
    _checks.count("num_images", num_images)
    if num_images > len(order):
        raise ValueError(f"num_images must be at most the {len(order)} images there are, got {num_images}")
    return order[torch.argsort(rank, stable=True)[:num_images]].sort().values
