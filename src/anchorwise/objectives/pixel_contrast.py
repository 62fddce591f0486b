"""Pixel contrast: rows of labelled pixels against queues of pixels of every class.

Source: the form is that of contrast between pixels with a memory, Wang et al. 2021, "Exploring Cross-Image Pixel
Contrast for Semantic Segmentation", Eq. 3, https://arxiv.org/abs/2101.11939, which was not read here in full. HPCL-Net
(https://arxiv.org/abs/2308.01251) by its abstract: an optical image and an elevation model, encoded by two networks
and fused, "hyper-pixels" at the boundaries of landslides, queues of them over all images, a momentum encoder. Its
formulas could not be read and its data are not public: this is not it.
"""

from typing import final

from jaxtyping import Bool, Float, Integer
from torch import Tensor

from anchorwise import _checks, _tensor_checks, engine
from anchorwise.objectives.objective import Inputs, Objective, Outcome, mean_outcome
from anchorwise.objectives.parts.against_negatives import AgainstNegatives, num_with
from anchorwise.objectives.parts.cross_entropy import softmax_link
from anchorwise.objectives.parts.further_keys import queued_keys
from anchorwise.pairs import EMPTY_SLOT, SameId, gathered_classes, views_of

# n = pixels, k = rows of the queues, d = embedding width


@final
class PixelContrast(Objective):
    """Mean over an anchor's positives of `-log(e^p / (e^p + sum over negatives e^q))`, p and q cosines / temperature.

    Anchors are pixels, keys are the rows of queues, which get no gradient: those of the anchor's class are its
    positives, those of all others its negatives, and no positive meets another one. An anchor whose class has no row in
    the queues has loss 0 and counts in the mean, so that with empty queues the loss is 0.

    Args:
        temperature: Divides every cosine. Dimensionless, above 0.

    Raises:
        ValueError: If an argument is out of range.
    """

    inputs: Inputs = Inputs(min_views=1, max_views=1, needs=("labels", "queue", "queue_labels"), takes=("logit_scale",))

    def __init__(self, *, temperature: float = 0.1) -> None:
        super().__init__()
        self.temperature = _checks.positive("temperature", temperature)

    def detail(
        self,
        view0: Float[Tensor, "n d"],
        *,
        labels: Integer[Tensor, " n"] | Bool[Tensor, " n"] | None = None,
        queue: Float[Tensor, "k d"] | None = None,
        queue_labels: Integer[Tensor, " k"] | None = None,
        logit_scale: float | Tensor | None = None,
    ) -> Outcome:
        """Return the loss with the anchors' losses and their numbers of positives.

        Args:
            view0: Rows of pixels.
            labels: The class of every pixel, a whole number from 0; -1 is of no class, and has no positive.
            queue: Rows of pixels of earlier batches (`anchorwise.models.class_queues`).
            queue_labels: Their classes; -1 is an empty slot, which never counts.
            logit_scale: Multiplies every cosine, in place of 1 / temperature: `model.log_scale.exp()`.
        """
        labels = _tensor_checks.needed(self, "labels", labels, "the class of every pixel, shape (pixels,)")
        queue = _tensor_checks.needed(self, "queue", queue, "rows of earlier pixels, shape (rows, width)")
        queue_labels = _tensor_checks.needed(self, "queue_labels", queue_labels, "the class of every row of queue")
        views = views_of(view0)
        anchors, keys = views.units[0], views.beside("queue", queue)
        classes = gathered_classes("labels", labels, view0)
        held = _tensor_checks.one_per_row("queue_labels", queue_labels, "rows of queue", queue)
        keys = queued_keys(keys, held)
        own, empty = SameId(classes, held), SameId(held.new_full((len(anchors),), EMPTY_SLOT), held)
        link = softmax_link(self.temperature, logit_scale, anchors)
        log_negatives = engine.logsumexp_rows(views.contrast(anchors, keys, (own, empty)), link)
        only = views.contrast(anchors, keys, (empty,), only=own)
        summed = engine.sum_rows(only, AgainstNegatives(link, log_negatives))
        num_positives = num_with(held, classes).masked_fill(classes == EMPTY_SLOT, 0).to(summed)
        # Not a plain 0, so that a non-finite row shows even where it is in no pair.
        per_anchor = summed / num_positives.clamp_min(1) + 0.0 * anchors.sum(dim=1)
        return mean_outcome(per_anchor, {"num_positives": num_positives})
