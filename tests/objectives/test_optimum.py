"""A training whose optimum is known: mini-batches of 2 out of 8 samples.

Source: Cho et al. 2024, "Mini-Batch Optimization of Contrastive Loss", https://arxiv.org/abs/2307.05906: over all
batches, width 16 gives a simplex; in width 4, where there is none, a cross-polytope.
"""

from itertools import combinations

import pytest
import torch

from anchorwise import CrossViewInfoNCE


@pytest.mark.whole
@pytest.mark.parametrize(
    ("width", "cosines", "num_steps"),
    [
        pytest.param(16, {-1 / 7: 56}, 15, id="simplex"),
        pytest.param(4, {0.0: 48, -1.0: 8}, 40, id="polytope", marks=pytest.mark.slow),
    ],
)
def test_all_batches_of_two_lead_to_the_known_optimum(width: int, cosines: dict[float, int], num_steps: int):
    generator = torch.Generator().manual_seed(3)
    views = [torch.randn(8, width, generator=generator, dtype=torch.float64).requires_grad_() for _ in range(2)]
    objective, optimizer = CrossViewInfoNCE(temperature=1.0), torch.optim.LBFGS(views, max_iter=num_steps)

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        losses = [objective(*(view[list(pair)] for view in views)) for pair in combinations(range(8), 2)]
        total = torch.stack(losses).mean()
        total.backward()
        return total

    optimizer.step(loss)
    units = [torch.nn.functional.normalize(view.detach()) for view in views]
    torch.testing.assert_close((units[0] * units[1]).sum(dim=1), torch.ones(8, dtype=torch.float64), rtol=0, atol=1e-3)
    scores = (units[0] @ units[1].T)[~torch.eye(8, dtype=torch.bool)]
    for cosine, count in cosines.items():
        assert ((scores - cosine).abs() < 0.03).sum() == count
