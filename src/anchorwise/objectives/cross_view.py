"""InfoNCE between views: the negatives of an anchor are the other samples in the other view alone.

Source: van den Oord et al. 2018, "Representation Learning with Contrastive Predictive Coding", Eq. 4,
https://arxiv.org/abs/1807.03748; both directions: Tian et al. 2019, "Contrastive Multiview Coding",
https://arxiv.org/abs/1906.05849.
"""

from collections.abc import Sequence
from typing import final

from jaxtyping import Float, Integer
from torch import Tensor

from anchorwise import _checks, _tensor_checks
from anchorwise.objectives.objective import Inputs, Objective, Outcome
from anchorwise.objectives.parts.between_views import across_views
from anchorwise.objectives.parts.cross_entropy import softmax_link
from anchorwise.objectives.parts.further_keys import FurtherKeys, hard_keys, queued_keys
from anchorwise.pairs import EMPTY_SLOT, views_of
from anchorwise.tails.blend import Blend, as_blend

# n = samples, d = embedding width, k = further negatives, q = rows of the queue


@final
class CrossViewInfoNCE(Objective):
    """Softmax cross-entropy of the positive against the other view of all other samples.

    Unlike InfoNCE (NT-Xent), rows of the same view are never compared. The loss is the mean over anchors: the 2n rows
    of both views, or the n rows of view 0.

    Args:
        temperature: Divides every cosine. Dimensionless, above 0.
        both_directions: Whether view 1 is contrasted with view 0 too. Without it this is one-directional InfoNCE.
        hard_negative_log_weight: Added to the logit of an anchor's own hard negatives: the logarithm of what they count
            for where those of others count for 1, as in the released code of SimCSE.
        blend: WEINCE's logit in place of the softmax one; see `tails.Blend`.

    Raises:
        ValueError: If an argument is out of range.
    """

    inputs: Inputs = Inputs(
        takes=("ids", "negatives", "negative_ids", "hard_negatives", "queue", "queue_ids", "logit_scale")
    )

    def __init__(
        self,
        *,
        temperature: float = 0.07,
        both_directions: bool = True,
        hard_negative_log_weight: float = 0.0,
        blend: Blend | None = None,
    ) -> None:
        super().__init__()
        self.temperature = _checks.positive("temperature", temperature)
        self.both_directions = both_directions
        self.hard_negative_log_weight = _checks.number("hard_negative_log_weight", hard_negative_log_weight)
        self.blend = as_blend(blend)

    def detail(  # noqa: PLR0913  # What a call can bring is named one by one.
        self,
        view0: Float[Tensor, "n d"],
        view1: Float[Tensor, "n d"],
        *,
        negatives: Float[Tensor, "k d"] | None = None,
        negative_ids: Integer[Tensor, " k"] | None = None,
        hard_negatives: Sequence[Float[Tensor, "n d"]] | None = None,
        queue: Float[Tensor, "q d"] | None = None,
        queue_ids: Integer[Tensor, " q"] | None = None,
        ids: Integer[Tensor, " n"] | None = None,
        logit_scale: float | Tensor | None = None,
    ) -> Outcome:
        """Return the loss with the anchors' losses and the cosines of their positives.

        Args:
            view0: Rows of the samples.
            view1: Another view of them.
            negatives: Further negatives of all anchors, any number of them; they get a gradient. On several ranks, the
                same on all of them: `anchorwise.gather_rows(negatives)`.
            negative_ids: Whole numbers, beside `ids`: a negative does not count for samples of its id. Without them
                negatives are of no sample of the batch.
            hard_negatives: Rows of a hard negative of every sample, of a second one, and so on: negatives of all
                anchors, with a gradient.
            queue: Keys of earlier batches as further negatives, as in ESimCSE; they get no gradient.
            queue_ids: As `negative_ids`; -1 is an empty slot, which never counts.
            ids: Whole numbers. Samples of one id, such as duplicates, are no negatives of each other.
            logit_scale: Multiplies every cosine, in place of 1 / temperature: `model.log_scale.exp()`.
        """
        if negative_ids is not None and ids is None:
            raise ValueError("negative_ids need ids beside them: the samples' numbers, which theirs are compared with")
        if hard_negatives is None and self.hard_negative_log_weight:
            raise ValueError("hard_negatives must be given where hard_negative_log_weight says what they count for")
        directions = ((0, 1), (1, 0)) if self.both_directions else ((0, 1),)
        views = views_of(view0, view1, ids=ids)
        further = hard_keys(hard_negatives, views, view0, own_log_weight=self.hard_negative_log_weight)
        if negatives is not None:
            rows = views.beside("negatives", negatives)
            further.append(FurtherKeys(rows, _numbers("negative_ids", negative_ids, "rows of negatives", rows)))
        if queue is not None:
            rows = views.beside("queue", queue)
            numbers = _numbers("queue_ids", queue_ids, "rows of queue", rows)
            empty = None if numbers is None else numbers == EMPTY_SLOT
            further.append(FurtherKeys(queued_keys(rows, numbers), None if ids is None else numbers, empty))
        softmax = softmax_link(self.temperature, logit_scale, views.units)
        return across_views(views, directions, softmax, self.blend, further=further)


def _numbers(name: str, ids: Tensor | None, rows_name: str, rows: Tensor) -> Tensor | None:
    return None if ids is None else _tensor_checks.one_per_row(name, ids, rows_name, rows)
