"""Recall at k: the share of queries with an item of their own class among their k nearest.

This is the retrieval convention of Jegou et al. 2011, "Product Quantization for Nearest Neighbor Search", section V-B,
https://doi.org/10.1109/TPAMI.2010.57, with classes in the place of the true neighbour, as in metric learning
(Song et al. 2016, "Deep Metric Learning via Lifted Structured Feature Embedding", section 6.1,
https://arxiv.org/abs/1511.06452): the gallery of a test item is the test set without the item itself.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from anchorwise.evaluation.knn import check_labels
from anchorwise.evaluation.neighbors import nearest

# n = items, d = feature width


def recalls_within(
    features: Float[Tensor, "n d"], labels: Int[Tensor, " n"], *, max_neighbors: int = 50
) -> list[float]:
    """Return recall at 1, 2, ..., `max_neighbors`, each item searched for among all other items.

    An item that is alone in its class counts as a miss; no item is left out.

    Raises:
        ValueError: If shapes or values do not fit.
    """
    check_labels("labels", labels, len(features))
    counts = []
    for chunk in nearest(features, features, num_neighbors=max_neighbors, exclude_self=True):
        own = labels[chunk.first_query : chunk.first_query + len(chunk.indices)]
        hits = labels[chunk.indices] == own[:, None]
        counts.append((hits.cumsum(dim=1) > 0).sum(dim=0))
    found = torch.stack(counts).sum(dim=0)
    return [count / len(labels) for count in found.tolist()]
