"""Sinkhorn's balancing of assignments, in log space.

Source: Cuturi 2013, "Sinkhorn Distances", https://arxiv.org/abs/1306.0895, in the form of Caron et al. 2020 (SwAV),
https://arxiv.org/abs/2006.09882.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

# n = rows, k = prototypes


@torch.no_grad()
def balanced_assignments(
    scores: Float[Tensor, "*problems n k"], *, epsilon: float, num_iterations: int, tolerance: float | None = None
) -> Float[Tensor, "*problems n k"]:
    """Return every row's shares of the prototypes, summing to 1, such that prototypes are used about equally.

    The source exponentiates scores / epsilon, which overflows at small epsilon; logarithms do not. Without iterations
    the shares are where the source starts: all of them together sum to the number of rows, a row's to anything.

    Args:
        scores: What is high belongs together; one matrix, or several problems of one shape.
        epsilon: Divides the scores, above 0: smaller is closer to one prototype each.
        num_iterations: At most so many.
        tolerance: Stop once rows and prototypes are balanced together, to this relative error in all problems; the host
            then waits for the device in every iteration. None goes through all iterations.
    """
    log_shares = scores.detach() / epsilon  # What is differentiated forward passes no_grad.
    if num_iterations == 0:
        return len(scores) * log_shares.flatten().softmax(dim=0).view_as(log_shares)
    num_rows, num_prototypes = scores.shape[-2:]
    for _ in range(num_iterations):
        log_shares = log_shares - log_shares.logsumexp(dim=-2, keepdim=True)
        of_rows = log_shares.logsumexp(dim=-1, keepdim=True)
        log_shares = log_shares - of_rows
        # Prototypes of 1 each make rows of k / n each where both are balanced.
        if tolerance is not None and float((of_rows - math.log(num_prototypes / num_rows)).abs().max()) < tolerance:
            break
    return log_shares.exp()
