"""Rows of nodes that nothing was trained for: what an encoder has to be better than."""

import numpy as np
from jaxtyping import Float
from scipy.sparse.linalg import svds

from anchorwise.modalities.graphs.graph import Graph
from anchorwise.modalities.graphs.meta_paths import averaged

# n = nodes, d = width

_WIDTH, _TIMES = 64, 2


def untrained_rows(graph: Graph) -> dict[str, Float[np.ndarray, "n d"]]:
    """Return the features' first 64 singular vectors, and these averaged twice over the neighbours on all meta-paths.

    Args:
        graph: Whose nodes.

    Returns:
        "raw" and "smoothed"; nothing where the nodes have no features, or fewer than three.
    """
    features = graph.features.get(graph.target)
    if features is None or min(features.shape) < 3:
        return {}
    width = min(_WIDTH, min(features.shape) - 1)
    start = np.ones(min(features.shape))  # Else it begins at random.
    vectors, values, _ = svds(features.astype(np.float64), k=width, v0=start)
    raw = smoothed = vectors * values
    for _ in range(_TIMES):
        smoothed = np.mean([averaged(path, smoothed) for path in graph.meta_paths.values()], axis=0)
    return {"raw": raw, "smoothed": smoothed}
