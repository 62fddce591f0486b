"""Which samples of a set: class-balanced subsets and stratified splits, decided by labels, groups and a seed alone.

`balanced_indices` and `stratified_indices` rank the samples of every class in a seeded random order and take the lowest
ranks, so a smaller subset of the same seed lies inside the larger one.
"""

import torch
from jaxtyping import Bool, Int64, Integer
from torch import Tensor

from anchorwise import _checks

# n = images, m = chosen images, g = groups


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


def balanced_draw(
    labels: Int64[Tensor, " n"], num_images: int, *, seed: int, groups: Integer[Tensor, " n"] | None = None
) -> Int64[Tensor, " m"]:
    """Choose about `num_images` images with equally many of every class, and of a group all images or none.

    A smaller draw of the same seed lies inside a larger one. Without groups it is `balanced_indices`; with them every
    class takes whole groups, at least two where there are, until it is as near to its share as they let it.

    Returns:
        Indices in ascending order.

    Raises:
        ValueError: If `num_images` is below 1 or above the number of images.
    """
    if groups is None or num_images == len(labels):
        return balanced_indices(labels, num_images, seed=seed)
    generator, chosen = torch.Generator().manual_seed(seed), torch.zeros(len(labels), dtype=torch.bool)
    classes = labels.unique().tolist()
    for label in classes:
        own, sizes = groups[labels == label].unique(return_counts=True)
        order = torch.randperm(len(own), generator=generator)
        before = sizes[order].cumsum(0) - sizes[order] / 2
        num_taken = max(2, int((before <= num_images / len(classes)).sum()))
        chosen |= (labels == label) & torch.isin(groups, own[order[:num_taken]])
    return chosen.nonzero().flatten()


def held_out(
    labels: Integer[Tensor, " n"], fraction: float, *, seed: int, groups: Integer[Tensor, " n"] | None = None
) -> Bool[Tensor, " n"]:
    """Say which samples are held out: the same share of every class, and of a group all samples or none.

    A class of two or more groups has one in both parts, unless its groups are decided on by other classes that they
    have samples of; the only group of a class stays.

    Args:
        labels: Class of every sample.
        fraction: Share of each class, in (0, 1), met as nearly as whole groups can.
        seed: The same seed gives the same samples.
        groups: Samples of one number belong together; None if each stands for itself.
    """
    generator = torch.Generator().manual_seed(seed)
    groups = torch.arange(len(labels)) if groups is None else groups.cpu().unique(return_inverse=True)[1]
    held, decided = torch.zeros(2, int(groups.max()) + 1, dtype=torch.bool)
    for label in labels.unique().tolist():
        of_rows = groups[(labels == label).nonzero().flatten().cpu()]
        target = max(1, round(fraction * len(of_rows))) - int(held[of_rows].sum())
        own, sizes = of_rows.unique(return_counts=True)
        own, sizes = own[~decided[own]], sizes[~decided[own]]
        order = torch.randperm(len(own), generator=generator)
        held[own[order[_nearest_to(target, sizes[order])]]] = True
        decided[own] = True
    return held[groups]


def _nearest_to(target: int, sizes: Int64[Tensor, " g"]) -> Bool[Tensor, " g"]:
    """Take groups in their order where that brings their samples nearer to the target, at least one and never all."""
    taken, num_taken = torch.zeros(len(sizes), dtype=torch.bool), 0
    if target <= 0 or len(sizes) < 2:
        return taken
    for i, size in enumerate(sizes[:-1].tolist()):
        if num_taken + size / 2 <= target:
            taken[i], num_taken = True, num_taken + size
    if num_taken == 0:
        taken[sizes.argmin()] = True
    return taken


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
