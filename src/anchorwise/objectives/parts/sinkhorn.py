"""Sinkhorn's balancing of assignments, in log space.

Source: Cuturi 2013, "Sinkhorn Distances", https://arxiv.org/abs/1306.0895, in the form of Caron et al. 2020 (SwAV),
https://arxiv.org/abs/2006.09882.
"""

import torch
from jaxtyping import Float
from torch import Tensor

# n = rows, k = prototypes


@torch.no_grad()
def balanced_assignments(scores: Float[Tensor, "n k"], *, epsilon: float, num_iterations: int) -> Float[Tensor, "n k"]:
    """Return every row's shares of the prototypes, summing to 1, such that prototypes are used about equally.

    The source exponentiates scores / epsilon, which overflows at small epsilon; logarithms do not. Without iterations
    the shares are where the source starts: all of them together sum to the number of rows, a row's to anything.
    """
    log_shares = scores / epsilon
    if num_iterations == 0:
        return len(scores) * log_shares.flatten().softmax(dim=0).view_as(log_shares)
    for _ in range(num_iterations):
        log_shares = log_shares - log_shares.logsumexp(dim=0, keepdim=True)
        log_shares = log_shares - log_shares.logsumexp(dim=1, keepdim=True)
    return log_shares.exp()
