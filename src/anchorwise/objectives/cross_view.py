"""InfoNCE between views: the negatives of an anchor are the other images in the other view alone.

Source: van den Oord et al. 2018, "Representation Learning with Contrastive Predictive Coding", Eq. 4,
https://arxiv.org/abs/1807.03748; both directions: Tian et al. 2019, "Contrastive Multiview Coding",
https://arxiv.org/abs/1906.05849.
"""

from dataclasses import replace
from typing import final

import torch
from jaxtyping import Float, Int, Integer
from torch import Tensor

from anchorwise import _checks
from anchorwise.links import Link, SoftmaxLink
from anchorwise.objectives.cross_entropy import cross_entropy, softmax_link, total
from anchorwise.objectives.objective import Inputs, Objective, Outcome, joined, mean_outcome
from anchorwise.pairs import Contrast, SameId, Views, num_same, numbered, views_of
from anchorwise.tails.blend import Blend, as_blend, read_link

# n = images, d = embedding width, a = anchors


@final
class CrossViewInfoNCE(Objective):
    """Softmax cross-entropy of the positive against the other view of all other images.

    Unlike InfoNCE (NT-Xent), rows of the same view are never compared. The loss is the mean over anchors: the 2n rows
    of both views, or the n rows of view 0.

    Args:
        temperature: Divides every cosine. Dimensionless, above 0.
        both_directions: Whether view 1 is contrasted with view 0 too. Without it this is one-directional InfoNCE.
        blend: WEINCE's logit in place of the softmax one; see `tails.Blend`.

    Raises:
        ValueError: If an argument is out of range.
    """

    inputs: Inputs = Inputs(takes=("ids", "negatives", "logit_scale"))

    def __init__(self, *, temperature: float = 0.07, both_directions: bool = True, blend: Blend | None = None) -> None:
        super().__init__()
        self.temperature = _checks.positive("temperature", temperature)
        self.both_directions = both_directions
        self.blend = as_blend(blend)

    def detail(
        self,
        view0: Float[Tensor, "n d"],
        view1: Float[Tensor, "n d"],
        *,
        negatives: Float[Tensor, "k d"] | None = None,
        ids: Integer[Tensor, " n"] | None = None,
        logit_scale: float | Tensor | None = None,
    ) -> Outcome:
        """Return the loss with the anchors' losses and the cosines of their positives.

        Args:
            view0: Rows of the images.
            view1: Another view of them.
            negatives: Further negatives of all anchors, any number of them: hard ones, or a detached queue beside the
                batch, as in ESimCSE. On several ranks, the same on all of them: `anchorwise.gather_rows(negatives)`.
            ids: Whole numbers. Images of one id, such as duplicates, are no negatives of each other; `negatives` are
                of none of them.
            logit_scale: Multiplies every cosine, in place of 1 / temperature: `model.log_scale.exp()`.
        """
        directions = ((0, 1), (1, 0)) if self.both_directions else ((0, 1),)
        views = views_of(view0, view1, ids=ids)
        further = None if negatives is None else views.beside("negatives", negatives)
        softmax = softmax_link(self.temperature, logit_scale, views.units)
        return across_views(views, directions, softmax, self.blend, negatives=further)


def across_views(
    views: Views,
    directions: tuple[tuple[int, int], ...],
    softmax: SoftmaxLink,
    blend: Blend | None,
    *,
    label_smoothing: float = 0.0,
    negatives: Float[Tensor, "k d"] | None = None,
) -> Outcome:
    """Return the mean over the anchors of all directions of their cross-entropy against the other view.

    Further negatives are unit rows. With label smoothing, that share of the target is spread evenly over the positive
    and all negatives.
    """
    losses, stats = [], []
    for view, other in directions:
        contrast, positive_scores = views.across(view, other), views.scores_between(view, other)
        if negatives is not None:
            contrast = _with_further(contrast, negatives, views.ids)
        reading = read_link(blend, contrast, softmax)
        losses.append(cross_entropy(contrast, positive_scores, reading.link))
        if label_smoothing > 0.0:
            num_keys = len(contrast.keys) - num_same(views.ids) + 1
            lead = _lead(contrast, reading.link(positive_scores), reading.link, num_keys)
            losses[-1] = losses[-1] + label_smoothing * lead
        stats.append({"positive_score": positive_scores, **reading.stats})
    return mean_outcome(torch.cat(losses), joined(stats))


def _with_further(contrast: Contrast, rows: Float[Tensor, "k d"], ids: Int[Tensor, " n"]) -> Contrast:
    """Contrast the anchors with further rows too, which are of none of their images."""
    of_none = ids.new_full((len(rows),), -1)
    numbers = numbered(ids)
    same_image = SameId(numbers, torch.cat([numbers, of_none]))
    return replace(contrast, keys=torch.cat([contrast.keys, rows]), exclude=(same_image,))


def _lead(
    contrast: Contrast, positives: Float[Tensor, " n"], link: Link, num_keys: Int[Tensor, " n"]
) -> Float[Tensor, " n"]:
    """Return how far a positive's logit is above the mean over all keys that count, itself among them."""
    return positives - (positives + total(contrast, link)) / num_keys
