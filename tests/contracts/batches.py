"""Batches that objectives must take: ordinary, clustered, near the cap, with duplicates, collapsed."""

import torch
from torch import Tensor

Views = tuple[Tensor, Tensor]


def ordinary(num_samples: int = 24, width: int = 6, seed: int = 0) -> Views:
    generator = torch.Generator().manual_seed(seed)
    base = torch.randn(num_samples, width, generator=generator, dtype=torch.float64)
    noise = torch.randn(2, num_samples, width, generator=generator, dtype=torch.float64)
    return base + 0.5 * noise[0], 3.0 * (base + 0.5 * noise[1])


def clustered(seed: int = 1) -> Views:
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(4, 8, generator=generator, dtype=torch.float64).repeat_interleave(6, dim=0)
    noise = torch.randn(2, 24, 8, generator=generator, dtype=torch.float64)
    return centres + 0.3 * noise[0], centres + 0.3 * noise[1]


def near_cap(seed: int = 2) -> Views:
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(2, 20, 5, generator=generator, dtype=torch.float64)
    return 1.0 + 0.03 * noise[0], 1.0 + 0.03 * noise[1]


def duplicates() -> Views:
    view0, view1 = ordinary(seed=3)
    view0[1], view1[1] = view0[0], view1[0]
    view0[3] = view1[2]
    return view0, view1


def identical_views() -> Views:
    view0, _ = ordinary(seed=4)
    return view0, view0.clone()


def collapsed() -> Views:
    row = torch.tensor([[0.3, -0.2, 0.9, 0.1]], dtype=torch.float64).repeat(12, 1)
    return row, row.clone()


def zeros() -> Views:
    view0, view1 = ordinary(seed=5)
    view0[0] = 0.0
    view1[5] = 0.0
    return view0, view1


def opposite() -> Views:
    view0, _ = ordinary(seed=6)
    return view0, -view0


def solved() -> Views:
    """Positives at the cap, negatives as far apart as they get: the widest gap between logits."""
    view0 = torch.eye(16, dtype=torch.float64) - 1.0 / 16
    return view0, view0.clone()


def two_samples() -> Views:
    return ordinary(num_samples=2, seed=7)


REGULAR = {"ordinary": ordinary, "clustered": clustered, "near_cap": near_cap}
EXTREME = {
    **REGULAR,
    "duplicates": duplicates,
    "identical_views": identical_views,
    "collapsed": collapsed,
    "zeros": zeros,
    "opposite": opposite,
    "solved": solved,
    "two_samples": two_samples,
}
