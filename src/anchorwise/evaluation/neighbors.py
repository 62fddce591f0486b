"""Exact nearest neighbours by cosine, a chunk of queries at a time."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from anchorwise import _checks
from anchorwise.pairs import unit_rows

# q = queries, r = reference rows, d = feature width, k = neighbours, c = queries in a chunk

CHUNK_SCORES = 1 << 23  # Cosines held at once: 32 MiB in float32.
_MORE_ON_A_GPU = 32  # 1 GiB: against a million rows a chunk of eight queries would be launches and little else.


@dataclass(frozen=True)
class Neighbors:
    """The nearest reference rows of some queries, nearest first.

    Attributes:
        first_query: Position of the first of these queries among all queries.
        cosines: Shape (queries, neighbours), descending along the second axis.
        indices: Rows of the reference set, same shape.
    """

    first_query: int
    cosines: Float[Tensor, "c k"]
    indices: Int[Tensor, "c k"]


def checked_units(name: str, features: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    """Return the rows at length 1, in float32 or wider, at any scale; a row of zeros stays zero.

    Raises:
        ValueError: If `features` is not a non-empty matrix, or holds a number that is not finite.
    """
    if features.ndim != 2 or 0 in features.shape:
        raise ValueError(f"{name} must have shape (images, width), both at least 1, got {tuple(features.shape)}")
    if not bool(torch.isfinite(features).all()):
        raise ValueError(f"{name} must be finite, got rows with nan or infinity; look at the encoder that made them")
    return unit_rows(features)


def nearest(
    queries: Float[Tensor, "q d"],
    reference: Float[Tensor, "r d"],
    *,
    num_neighbors: int,
    exclude_self: bool = False,
) -> Iterator[Neighbors]:
    """Yield the `num_neighbors` nearest reference rows of every query, chunk by chunk in order.

    Args:
        queries: Any scale; compared by cosine.
        reference: The rows to search, on the same device.
        num_neighbors: How many to return, at most the number of rows searched.
        exclude_self: The queries are the reference rows, and no row is its own neighbour.

    Raises:
        ValueError: If the widths differ, the rows are unusable, or `num_neighbors` is out of range.
    """
    queries, reference = checked_units("queries", queries), checked_units("reference", reference)
    if queries.shape[1] != reference.shape[1]:
        raise ValueError(
            f"queries and reference must have the same width, got {queries.shape[1]} and {reference.shape[1]}; "
            "both must come from one encoder"
        )
    _check_count(num_neighbors, len(reference) - int(exclude_self))
    chunk_size = rows_at_once(CHUNK_SCORES, reference)
    for start in range(0, len(queries), chunk_size):
        cosines = queries[start : start + chunk_size] @ reference.T
        if exclude_self:
            rows = torch.arange(len(cosines), device=cosines.device)
            cosines[rows, rows + start] = -torch.inf
        top = cosines.topk(num_neighbors, dim=1)
        yield Neighbors(start, top.values, top.indices)


def rows_at_once(num_scores: int, others: Float[Tensor, "r d"]) -> int:
    """Return how many rows are compared with all of the others at a time.

    Args:
        num_scores: Cosines that a CPU is to hold at once; a GPU holds more.
        others: What they are compared with.
    """
    held = num_scores if others.device.type == "cpu" else _MORE_ON_A_GPU * num_scores
    return max(1, held // len(others))


def _check_count(num_neighbors: int, num_available: int) -> None:
    if _checks.count("num_neighbors", num_neighbors) > num_available:
        raise ValueError(
            f"num_neighbors must be at most the {num_available} rows searched, got {num_neighbors}; "
            "ask for fewer or give a larger reference set"
        )
