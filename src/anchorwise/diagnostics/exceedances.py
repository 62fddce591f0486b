"""Where the hardest negatives end: their cosines above a high threshold, pooled over anchors.

Peaks over threshold as in Erol et al. 2026, "When Softmax Fails at the Top", https://arxiv.org/abs/2606.00262, which
pools the negatives of a frozen encoder and takes the 99 % quantile as threshold.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from anchorwise.links import MIN_SHORTFALL
from anchorwise.pairs import unit_rows

# n = images, d = embedding width, r = rows of all views, p = pairs in a chunk

HISTOGRAM_EDGES = np.linspace(-1.0, 1.0, 201)
CHUNK_SCORES = 1 << 22  # Cosines held at once: 32 MiB in float64.


@dataclass(frozen=True, eq=False)
class PooledExceedances:
    """The negatives' cosines above a threshold, each unordered pair of rows once.

    Attributes:
        values: Cosine minus threshold, float64, descending, above or equal to 0.
        threshold: The largest cosine that is not among them.
        num_negatives: Pairs of rows from different images, duplicates left out.
        num_duplicates: Pairs of rows from different images whose cosine is within 1e-6 of 1: counted and left out.
        histogram: Counts of all negatives' cosines in the bins of `HISTOGRAM_EDGES`.
    """

    values: np.ndarray
    threshold: float
    num_negatives: int
    num_duplicates: int
    histogram: np.ndarray

    @property
    def endpoint_distance(self) -> float:
        """From the threshold to 1, where cosines end."""
        return 1.0 - self.threshold


def pooled_exceedances(*views: Float[Tensor, "n d"], quantile: float = 0.99) -> PooledExceedances:
    """Return the exceedances of the embeddings of one, two or more views of the same images.

    Row i of every view comes from image i; pairs of rows of one image are not negatives. Memory grows with the number
    of exceedances, not with the square of the rows.

    Args:
        views: Embeddings of any scale.
        quantile: Share of the negatives below the threshold, in (0, 1).

    Raises:
        ValueError: If there is no view, the views differ in shape, fewer than two images or an infinite number is
            given, or `quantile` is not inside (0, 1).
    """
    if not 0.0 < quantile < 1.0:
        raise ValueError(f"quantile must lie between 0 and 1, got {quantile!r}")
    rows, image_ids = _stack(views)
    num_pairs = len(views) ** 2 * len(views[0]) * (len(views[0]) - 1) // 2
    # Duplicates are not known yet: keep enough for none, cut to size at the end.
    most = round((1.0 - quantile) * num_pairs) + 1
    hardest, counts, num_duplicates = torch.empty(0, dtype=torch.float64), np.zeros(len(HISTOGRAM_EDGES) - 1), 0
    for cosines in _negative_cosines(rows, image_ids):
        distinct = cosines[cosines <= 1.0 - MIN_SHORTFALL]
        num_duplicates += len(cosines) - len(distinct)
        counts += np.histogram(distinct.numpy(), HISTOGRAM_EDGES)[0]
        pool = torch.cat([hardest, distinct])
        hardest = pool.topk(min(most, len(pool))).values
    num_negatives = num_pairs - num_duplicates
    num_exceedances = min(round((1.0 - quantile) * num_negatives), max(0, len(hardest) - 1))
    threshold = float(hardest[num_exceedances]) if len(hardest) else 1.0
    values = hardest[:num_exceedances].numpy() - threshold
    return PooledExceedances(values, threshold, num_negatives, num_duplicates, counts.astype(np.int64))


def _stack(views: tuple[Tensor, ...]) -> tuple[Float[Tensor, "r d"], Int[Tensor, " r"]]:
    if not views or any(view.ndim != 2 or view.shape != views[0].shape for view in views):
        raise ValueError(
            "views must be one or more matrices (images, width) of one shape, "
            f"got {', '.join(str(tuple(view.shape)) for view in views) or 'none'}"
        )
    num_images = len(views[0])
    if num_images < 2:
        raise ValueError(f"views must have at least two images, or there is no negative; got {num_images}")
    rows = torch.cat([view.detach().cpu().double() for view in views])
    if not bool(torch.isfinite(rows).all()):
        raise ValueError("views must be finite, got nan or infinity; look at the encoder that made them")
    return unit_rows(rows), torch.arange(num_images).repeat(len(views))


def _negative_cosines(rows: Float[Tensor, "r d"], image_ids: Int[Tensor, " r"]) -> Iterator[Float[Tensor, " p"]]:
    """Yield the cosines of all pairs of rows of different images, each unordered pair once."""
    chunk_size = max(1, CHUNK_SCORES // len(rows))
    for start in range(0, len(rows), chunk_size):
        stop = min(start + chunk_size, len(rows))
        later = torch.arange(start, len(rows))
        is_pair = later[None, :] > torch.arange(start, stop)[:, None]
        is_pair &= image_ids[start:stop, None] != image_ids[None, start:]
        yield (rows[start:stop] @ rows[start:].T)[is_pair].clamp(-1.0, 1.0)
