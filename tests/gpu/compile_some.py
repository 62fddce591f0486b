"""Compile objectives for a GPU; run as a program, since shape checks cannot be traced."""

import torch

from anchorwise import WEINCE, InfoNCE
from tests.contracts import batches

for objective in (InfoNCE(), WEINCE(), WEINCE(gate="published", exponent="unit")):
    for num_samples in (64, 4096):  # Dense, as one graph, and tiled, outside of it.
        views = [view.float().cuda().requires_grad_() for view in batches.ordinary(num_samples, 32)]
        results = []
        for call in (objective, torch.compile(objective)):
            loss = call(*views)
            results.append([loss.detach(), *torch.autograd.grad(loss, views)])
        torch.compiler.reset()
        for value, exact in zip(results[1], results[0], strict=True):
            assert (value - exact).norm() <= 1e-5 * exact.norm(), (objective, num_samples)
