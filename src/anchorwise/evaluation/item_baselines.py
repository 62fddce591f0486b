"""Rankings of items that nothing was trained for: what any trained one has to be above."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from anchorwise.modalities.interactions.pairs import Pairs
from anchorwise.modalities.interactions.ranked import Scores
from anchorwise.models.sparse import SparseMatrix

# b = users of a block, i = items


def popularity(graph: Pairs) -> Scores:
    """Return scores by which all users are recommended the same: how many users each item has."""
    counts = graph.per_item.float()
    return lambda users: counts.expand(len(users), -1)


def item_cosine(graph: Pairs) -> Scores:
    """Return scores by which an item stands high that has its users in common with those that a user has.

    A score is the sum over her items of the cosine between the users of both, each item a vector of zeros and ones over
    all users. No matrix over pairs of items is made.
    """
    by_length = graph.per_item.float().rsqrt()[graph.items]
    chosen = SparseMatrix(graph.users, graph.items, by_length, shape=(graph.num_users, graph.num_items))

    def scores(users: Int64[Tensor, " b"]) -> Float[Tensor, "b i"]:
        places, items = graph.of(users)
        own = torch.zeros(graph.num_items, len(users))
        own[items, places] = 1.0
        return chosen.transposed(chosen(own)).T

    return scores
