"""OpTA: the means of an episode's classes, moved to where its queries are. It looks at all queries at once.

Source: Poulakakis-Daktylidis and Jamali-Rad 2024, "BECLR: Batch Enhanced Contrastive Few-Shot Learning",
https://arxiv.org/abs/2402.02444, and its released code.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from anchorwise._sinkhorn import balanced_assignments

# e = episodes, w = classes of an episode, s = support rows of a class, q = queries of a class, n = rows, d = width

_EPSILON, _MAX_ITERATIONS, _TOLERANCE = 0.05, 1000, 1e-4
_PASSES_OF_ONE_SHOT, _SHARE_OF_MORE = 5, 0.7


def standardised(rows: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    """Return rows of mean 0 and standard deviation 1, each by itself; one whose entries are all alike becomes 0."""
    centred = rows - rows.mean(dim=1, keepdim=True)
    spread = rows.std(dim=1, keepdim=True)
    return centred / torch.where(spread > 0, spread, 1.0)


def transported_means(support: Float[Tensor, "e w s d"], query: Float[Tensor, "e w q d"]) -> Float[Tensor, "e w d"]:
    """Return the mean of every class where optimal transport takes it: a mean of the episode's queries.

    All classes are taken to have equally many queries, and which query is of which class is not looked at. With one
    support row to a class it is transported five times in a row; with more, once, and 0.7 of it are mixed with 0.3 of
    the mean. Costs are squared distances divided by their maximum.

    Args:
        support: Support rows.
        query: Queries.
    """
    means, queries = support.mean(dim=2), query.flatten(1, 2)
    if support.shape[2] > 1:
        return _SHARE_OF_MORE * _transported(means, queries) + (1.0 - _SHARE_OF_MORE) * means
    for _ in range(_PASSES_OF_ONE_SHOT):
        means = _transported(means, queries)
    return means


def _transported(means: Float[Tensor, "e w d"], queries: Float[Tensor, "e n d"]) -> Float[Tensor, "e w d"]:
    costs = torch.cdist(means, queries).square()
    largest = costs.amax(dim=(1, 2), keepdim=True)
    scores = -costs / torch.where(largest > 0, largest, 1.0)
    limits = {"num_iterations": _MAX_ITERATIONS, "tolerance": _TOLERANCE}
    return balanced_assignments(scores, epsilon=_EPSILON, **limits) @ queries
