"""SwAV: a view predicts the prototypes to which another view is assigned.

Source: Caron et al. 2020, "Unsupervised Learning of Visual Features by Contrasting Cluster Assignments",
https://arxiv.org/abs/2006.09882.
"""

from collections.abc import Sequence
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from anchorwise import _checks, _tensor_checks
from anchorwise._precision import products
from anchorwise._sinkhorn import balanced_assignments
from anchorwise.objectives.objective import Inputs, Objective, Outcome, mean_outcome
from anchorwise.pairs import Views, views_of

# n = samples, v = assigned views, d = embedding width, k = prototypes


@final
class SwAV(Objective):
    """Cross-entropy of a view's softmax over prototypes against another view's balanced assignment.

    The first `num_code_views` views are assigned; every other view predicts each of them. The loss is the mean over
    codes, predicting views and samples. Assignments have no gradient. Prototypes are the caller's parameter; they are
    scaled to length 1 here, where the source does so in place before each forward pass: do that too, or they learn more
    slowly as they grow. With small batches, earlier rows of the assigned views take part in the balancing (`queues`).
    Two or more views.

    Args:
        temperature: Divides the cosines of the prediction. Dimensionless, above 0.
        epsilon: Divides the cosines of the assignment, above 0: smaller is closer to one prototype each.
        num_iterations: Of Sinkhorn's balancing; with 0 nothing is balanced, and shares do not sum to 1.
        num_code_views: Views that are assigned: the two large crops of the source.
        jointly: Whether the assigned views and their queues are balanced together, as one batch, as in
            stable-pretraining; otherwise each view by itself, as in the source.

    Raises:
        ValueError: If an argument is out of range.
    """

    inputs: Inputs = Inputs(max_views=None, needs=("prototypes",), takes=("queues",))

    def __init__(
        self,
        *,
        temperature: float = 0.1,
        epsilon: float = 0.05,
        num_iterations: int = 3,
        num_code_views: int = 2,
        jointly: bool = False,
    ) -> None:
        super().__init__()
        self.temperature = _checks.positive("temperature", temperature)
        self.epsilon = _checks.positive("epsilon", epsilon)
        self.num_iterations = _checks.count("num_iterations", num_iterations, 0)
        self.num_code_views = _checks.count("num_code_views", num_code_views)
        self.jointly = jointly

    def detail(
        self,
        view0: Float[Tensor, "n d"],
        *more_views: Float[Tensor, "n d"],
        prototypes: Float[Tensor, "k d"] | None = None,
        queues: Sequence[Float[Tensor, "_ d"]] | None = None,
    ) -> Outcome:
        """Return the loss with the losses of all predictions, and how many prototypes they use.

        The number is the exponential of the entropy of the mean prediction: 1 where one prototype takes all.

        Args:
            view0: Rows of the samples.
            *more_views: Further views of them, one or more.
            prototypes: Centres on the sphere, of any length.
            queues: For every assigned view its rows of earlier batches, any number of them. A row of zeros is an empty
                slot, and queues with an empty slot take no part: as in the source, they are used once they are full.
        """
        prototypes = _tensor_checks.needed(
            self, "prototypes", prototypes, "the learnt centres, shape (prototypes, width)"
        )
        views = views_of(view0, *more_views)
        _tensor_checks.num_views(self, views.num_views, max(2, self.num_code_views))
        _tensor_checks.some_rows("prototypes", prototypes)
        centres, earlier = views.beside("prototypes", prototypes), self._earlier(queues, views)
        scores = products(views.rows, centres).unflatten(0, views.units.shape[:2])
        earlier_scores = [products(rows, centres) for rows in earlier]
        log_shares = (scores / self.temperature).log_softmax(dim=2)
        losses = []
        for code, target in enumerate(self._targets(scores[: self.num_code_views], earlier_scores, queues)):
            losses += [-(target * log_shares[view]).sum(dim=1) for view in range(views.num_views) if view != code]
        used = torch.special.entr(log_shares.detach().exp().mean(dim=(0, 1))).sum().exp()
        return mean_outcome(torch.cat(losses), {"prototypes_used": used})

    def _targets(
        self,
        scores: Float[Tensor, "v n k"],
        earlier: Sequence[Float[Tensor, "_ k"]],
        queues: Sequence[Float[Tensor, "_ d"]] | None,
    ) -> list[Float[Tensor, "n k"]]:
        """Return the assignments of every assigned view, with earlier rows where all queues are full."""
        alone = self._balanced(scores, [rows[:0] for rows in earlier])
        if not queues:
            return alone
        # Decided on the device, where the queues are: to read it would make the host wait in every step.
        are_full = torch.stack([queue.any(dim=1).all() for queue in queues]).all()
        pairs = zip(self._balanced(scores, earlier), alone, strict=True)
        return [torch.where(are_full, among_earlier, by_itself) for among_earlier, by_itself in pairs]

    def _balanced(
        self, scores: Float[Tensor, "v n k"], earlier: Sequence[Float[Tensor, "_ k"]]
    ) -> list[Float[Tensor, "n k"]]:
        num_views, num_samples, _ = scores.shape
        batches = [torch.cat([view, queue]) for view, queue in zip(scores, earlier, strict=True)]
        if self.jointly:
            batches = [torch.cat([*scores, *earlier])]
        balanced = [
            balanced_assignments(batch, epsilon=self.epsilon, num_iterations=self.num_iterations) for batch in batches
        ]
        if self.jointly:
            return [*balanced[0][: num_views * num_samples].split(num_samples)]
        return [shares[:num_samples] for shares in balanced]

    def _earlier(self, queues: Sequence[Tensor] | None, views: Views) -> list[Tensor]:
        """Return the unit rows of the queue of every assigned view; none of them where there is no queue."""
        if queues is None:
            return [views.units[0, :0]] * self.num_code_views
        earlier = _tensor_checks.one_each("queues", queues, self.num_code_views, "assigned views")
        return [views.beside(f"queues[{index}]", queue).detach() for index, queue in enumerate(earlier)]
