"""Ids: whole numbers, one for each row, of which equal ones belong together."""

import torch
from jaxtyping import Int
from torch import Tensor

# n = rows

EMPTY_SLOT = -1  # The id of a row of a queue that is not there yet: it is no negative.


def num_same(ids: Int[Tensor, " n"]) -> Int[Tensor, " n"]:
    """Return how many rows have each row's id, itself among them."""
    rising = ids.sort().values
    return torch.searchsorted(rising, ids, right=True) - torch.searchsorted(rising, ids)


def numbered(ids: Int[Tensor, " n"]) -> Int[Tensor, " n"]:
    """Number the ids of a batch, from 0: ids are names, and may be any whole numbers."""
    # The first place of an id among the sorted ones, for which no table of all samples is needed.
    return torch.searchsorted(ids.sort().values, ids)
