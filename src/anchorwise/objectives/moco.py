"""MoCo: one view against the other and a queue of keys that a momentum encoder made.

Source: He et al. 2019, "Momentum Contrast for Unsupervised Visual Representation Learning", Eq. 1,
https://arxiv.org/abs/1911.05722.
"""

from typing import final

from jaxtyping import Float, Integer
from torch import Tensor

from anchorwise import _checks, _tensor_checks, engine
from anchorwise._precision import softmax_nll
from anchorwise.objectives.objective import Inputs, Objective, Outcome, mean_outcome
from anchorwise.objectives.parts.cross_entropy import softmax_link
from anchorwise.objectives.parts.further_keys import queued_keys
from anchorwise.pairs import EMPTY_SLOT, SameId, gathered_ids, views_of
from anchorwise.tails.blend import Blend, as_blend, read_link

# n = samples, d = embedding width, k = keys in the queue


@final
class MoCo(Objective):
    """Softmax cross-entropy of the key of the same sample against the keys of a queue, mean over the n rows of view 0.

    There are no negatives from the batch: its keys enter the queue after the loss. Keys carry no gradient. The queue is
    the caller's; an empty one gives loss 0. The sources: temperature 0.07 (v1), 0.2 (v2).

    Args:
        temperature: Divides every cosine. Dimensionless, above 0.
        blend: WEINCE's logit in place of the softmax one; see `tails.Blend`.

    Raises:
        ValueError: If an argument is out of range.
    """

    inputs: Inputs = Inputs(needs=("queue",), takes=("ids", "queue_ids", "logit_scale"))

    def __init__(self, *, temperature: float = 0.07, blend: Blend | None = None) -> None:
        super().__init__()
        self.temperature = _checks.positive("temperature", temperature)
        self.blend = as_blend(blend)

    def detail(
        self,
        view0: Float[Tensor, "n d"],
        view1: Float[Tensor, "n d"],
        *,
        queue: Float[Tensor, "k d"] | None = None,
        ids: Integer[Tensor, " n"] | None = None,
        queue_ids: Integer[Tensor, " k"] | None = None,
        logit_scale: float | Tensor | None = None,
    ) -> Outcome:
        """Return the loss with the anchors' losses and the cosines of their positives.

        Args:
            view0: Queries, from the trained encoder.
            view1: Keys of the same samples, from the momentum encoder.
            queue: Keys of earlier batches, any number of them; they get no gradient.
            ids: The samples' numbers, from 0; entries of the queue with the same number are left out.
            queue_ids: The numbers of the queue's entries; -1 is an empty slot, which never counts.
            logit_scale: Multiplies every cosine, in place of 1 / temperature: `model.log_scale.exp()`.
        """
        queue = _tensor_checks.needed(self, "queue", queue, "the keys of earlier batches, shape (keys, width)")
        views = views_of(view0, _tensor_checks.tensor("view1", view1).detach())
        keys = views.beside("queue", queue)
        held = None if queue_ids is None else _tensor_checks.one_per_row("queue_ids", queue_ids, "rows of queue", keys)
        exclude, num_excluded = _excluded(view0, views.num_samples, ids, held)
        contrast = views.contrast(views.units[0], queued_keys(keys, held), exclude, num_excluded)
        reading = read_link(self.blend, contrast, softmax_link(self.temperature, logit_scale, views.units))
        positive_scores = views.scores_between(0, 1)
        per_anchor = softmax_nll(reading.link(positive_scores), engine.logsumexp_rows(contrast, reading.link))
        return mean_outcome(per_anchor, {"positive_score": positive_scores, **reading.stats})


def _excluded(
    view0: Tensor, num_samples: int, ids: Tensor | None, held: Tensor | None
) -> tuple[tuple[SameId, ...], int | None]:
    if held is None:
        if ids is not None:
            raise ValueError("ids need queue_ids beside them: the sample numbers of the queue's entries")
        return (), 0
    exclude = [SameId(held.new_full((num_samples,), EMPTY_SLOT), held)]
    if ids is not None:
        exclude.append(SameId(gathered_ids("ids", ids, view0), held))
    return tuple(exclude), None
