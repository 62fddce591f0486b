"""What an objective keeps about every sample between batches: tables by sample number, in saved buffers."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from anchorwise import _tensor_checks
from anchorwise.pairs import num_same, numbered

# n = rows of a batch


def table_ids(who: nn.Module, ids: Int[Tensor, " n"], num_samples: int) -> Int[Tensor, " n"]:
    """Return ids that tables can be read at; refuse numbers that no sample has, and a batch of one sample.

    Raises:
        ValueError: If the batch is one of these, where its values are read (`_tensor_checks.are_read`), or on another
            device than the tables.
        RuntimeError: If the pass is one that torch.utils.checkpoint does anew.
    """
    if who.training:
        _tensor_checks.no_second_pass(who, "its tables")
    table = next(who.buffers())
    if table.device != ids.device:
        raise ValueError(
            f"ids and the tables of {type(who).__name__} must be on one device, got {ids.device} and {table.device}; "
            "move them with objective.to(ids.device)"
        )
    way_out = f"number the samples of the data set from 0 and call {type(who).__name__}(num_samples=their number)"
    places = _tensor_checks.places("ids", ids, num_samples, "num_samples - 1", way_out)
    if _tensor_checks.are_read(ids):
        _tensor_checks.num_samples(who, 1 if bool((ids == ids[0]).all()) else 2)
    return places


def store(table: Tensor, ids: Int[Tensor, " n"], values: Float[Tensor, " n"]) -> Bool[Tensor, " n"]:
    """Write the finite values into a table and say which they are; rows of one id must agree."""
    finite = values.isfinite()
    table[ids] = torch.where(finite, values.to(table), table[ids])
    return finite


def mean_by_id(ids: Int[Tensor, " n"], values: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """Return, for every row, the mean of the values of all rows with its id."""
    place = numbered(ids)
    sums = torch.zeros_like(values).index_add(0, place, values)
    return sums[place] / num_same(ids)


def log_mean_by_id(ids: Int[Tensor, " n"], log_values: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """Return, for every row, the logarithm of the mean of the exponentials of all rows with its id."""
    place = numbered(ids)
    top = torch.full_like(log_values, -torch.inf).scatter_reduce(0, place, log_values, "amax")[place]
    return mean_by_id(ids, (log_values - top).exp()).log() + top
