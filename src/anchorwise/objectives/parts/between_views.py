"""Cross-entropy of a view's rows against another view's, without those of their own."""

from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from anchorwise.links import Link, SoftmaxLink
from anchorwise.objectives.objective import Outcome, joined, mean_outcome
from anchorwise.objectives.parts.cross_entropy import cross_entropy, total
from anchorwise.pairs import Contrast, SameId, Views, num_same, numbered
from anchorwise.tails.blend import Blend, read_link

# n = samples, d = embedding width, k = further negatives


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
    """Contrast the anchors with further rows too, which are of none of their samples."""
    of_none = ids.new_full((len(rows),), -1)
    numbers = numbered(ids)
    same_sample = SameId(numbers, torch.cat([numbers, of_none]))
    return replace(contrast, keys=torch.cat([contrast.keys, rows]), exclude=(same_sample,))


def _lead(
    contrast: Contrast, positives: Float[Tensor, " n"], link: Link, num_keys: Int[Tensor, " n"]
) -> Float[Tensor, " n"]:
    """Return how far a positive's logit is above the mean over all keys that count, itself among them."""
    return positives - (positives + total(contrast, link)) / num_keys
