"""DINO: the student's distribution over prototypes follows the teacher's, which is centred and sharpened.

Source: Caron et al. 2021, "Emerging Properties in Self-Supervised Vision Transformers", Algorithm 1 and Eq. 3,
https://arxiv.org/abs/2104.14294, and its released code.
"""

from collections.abc import Sequence
from functools import reduce
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from anchorwise import _checks, _tensor_checks
from anchorwise._ranks import gather_rows, mean_of_rows
from anchorwise.objectives.objective import Inputs, Objective, Outcome, mean_outcome

# n = samples, m = samples of all ranks, k = prototypes, p = pairs of a teacher's and another view


@final
class DINO(Objective):
    """Cross-entropy of `softmax(student / temperature)` against `softmax((teacher - centre) / teacher_temperature)`.

    Views are the student's scores of all prototypes, as they are: their scale counts. The teacher scores the first
    views (`keys`); the loss is the mean over samples and over all pairs of a teacher's and another view. Neither keys
    nor the centre get a gradient. There are no negatives: the centre, a moving average of the teacher's scores that
    follows *after* the loss, keeps one prototype from taking all, and the teacher's low temperature keeps all from
    being used alike.

    Args:
        temperature: Divides the student's scores. Above 0.
        teacher_temperature: Divides the teacher's, above 0; above 0.07 the source finds training unstable.

    Raises:
        ValueError: If an argument is out of range.
    """

    inputs: Inputs = Inputs(max_views=None, needs=("keys", "centre"), takes=("teacher_scale",))

    def __init__(self, *, temperature: float = 0.1, teacher_temperature: float = 0.04) -> None:
        super().__init__()
        self.temperature = _checks.positive("temperature", temperature)
        self.teacher_temperature = _checks.positive("teacher_temperature", teacher_temperature)

    def detail(
        self,
        view0: Float[Tensor, "n k"],
        *more_views: Float[Tensor, "n k"],
        keys: Sequence[Float[Tensor, "n k"]] | None = None,
        centre: Float[Tensor, " k"] | None = None,
        teacher_scale: float | Tensor | None = None,
    ) -> Outcome:
        """Return the loss with the losses of all pairs, the teacher's entropy, and how many prototypes it uses.

        The number is the exponential of the entropy of its mean distribution: 1 where one prototype takes all.

        Args:
            view0: The student's scores of the samples.
            *more_views: Those of further views of them, one or more; crops.
            keys: The teacher's scores of the first of these views, at least one.
            centre: What is taken from them.
            teacher_scale: Multiplies the teacher's scores, in place of 1 / teacher_temperature, as while it warms up.
        """
        keys = _tensor_checks.needed(self, "keys", keys, "the teacher's scores of the first views")
        centre = _tensor_checks.needed(self, "centre", centre, "the mean of the teacher's scores, shape (prototypes,)")
        views = (view0, *more_views)
        _tensor_checks.views(*views)
        _tensor_checks.num_views(self, len(views), 2)
        keys = _teacher_rows(keys, views)
        centre = _tensor_checks.real_per_row("centre", centre, "prototypes", view0.T)
        wide = reduce(torch.promote_types, (view.dtype for view in views), torch.float32)
        log_shares = [(view.to(wide) / self.temperature).log_softmax(dim=1) for view in views]
        scale = 1.0 / self.teacher_temperature if teacher_scale is None else teacher_scale
        scale = _tensor_checks.scale("teacher_scale", scale, log_shares[0]).detach()
        centred = [(key.to(wide) - centre.to(wide)).detach() * scale for key in keys]
        targets = [scores.softmax(dim=1) for scores in centred]
        # A score of minus infinity, or a centre of infinity, would leave out a prototype without a word.
        shown = [0.0 * scores.amin(dim=1) for scores in centred]
        pairs = [
            shown[index] - (target * shares).sum(dim=1)
            for index, target in enumerate(targets)
            for view, shares in enumerate(log_shares)
            if view != index
        ]
        entropies = torch.stack([torch.special.entr(target).sum(dim=1) for target in targets], dim=1)
        # The losses of samples are gathered, and not their scores, which are a thousand times as many.
        per_pair, entropies = gather_rows(torch.stack(pairs, dim=1)), gather_rows(entropies)
        _tensor_checks.some_samples(len(per_pair), *views)
        used = torch.special.entr(mean_of_rows(torch.cat(targets))).sum().exp()
        return mean_outcome(per_pair.T.flatten(), {"teacher_entropy": entropies.mean(), "prototypes_used": used})


def _teacher_rows(keys: object, views: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Return the teacher's scores, checked beside the views that they are of."""
    if isinstance(keys, Sequence) and not 1 <= len(keys) <= len(views):
        raise ValueError(f"keys must be the teacher's scores of 1 to {len(views)} views, got {len(keys)}")
    num_keys = len(keys) if isinstance(keys, Sequence) else len(views)
    return _tensor_checks.views_beside("keys", keys, views[:num_keys])
