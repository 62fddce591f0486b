"""Cross-entropy of a view's rows against another view's, without those of their own."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from anchorwise import engine
from anchorwise.links import Link, SoftmaxLink
from anchorwise.objectives.objective import Outcome, concat_stats, mean_outcome
from anchorwise.objectives.parts.cross_entropy import cross_entropy
from anchorwise.pairs import Contrast, SameId, Views, num_same, numbered
from anchorwise.tails.blend import Blend, read_link

# n = samples, d = embedding width, k = further keys


@dataclass(frozen=True)
class FurtherKeys:
    """Keys of all anchors beside the other view's.

    Attributes:
        rows: Unit rows.
        ids: The samples they come from; None where they are of none of the batch.
        empty: Which of them are not there; None where all are.
    """

    rows: Float[Tensor, "k d"]
    ids: Int[Tensor, " k"] | None = None
    empty: Bool[Tensor, " k"] | None = None


def across_views(
    views: Views,
    directions: tuple[tuple[int, int], ...],
    softmax: SoftmaxLink,
    blend: Blend | None,
    *,
    label_smoothing: float = 0.0,
    further: Sequence[FurtherKeys] = (),
) -> Outcome:
    """Return the mean over the anchors of all directions of their cross-entropy against the other view.

    Further keys are negatives of all anchors. With label smoothing, that share of the target is spread evenly over the
    positive and the other view's negatives.
    """
    losses, stats = [], []
    for view, other in directions:
        contrast = views.across(view, other)
        if further:
            contrast = _with_further(contrast, further, views.ids)
        reading = read_link(blend, contrast, softmax)
        per_anchor, positive_scores = cross_entropy(contrast, reading.link)
        if label_smoothing > 0.0:
            num_keys = len(contrast.keys) - num_same(views.ids) + 1
            lead = _lead(contrast, reading.link(contrast.positive_scores), reading.link, num_keys)
            per_anchor = per_anchor + label_smoothing * lead
        losses.append(per_anchor)
        stats.append({"positive_score": positive_scores, **reading.stats})
    return mean_outcome(torch.cat(losses), concat_stats(stats))


def _with_further(contrast: Contrast, further: Sequence[FurtherKeys], ids: Int[Tensor, " n"]) -> Contrast:
    """Contrast the anchors with further rows too."""
    named = [keys.ids for keys in further if keys.ids is not None]
    of_batch, *of_named = numbered(torch.cat([ids, *named])).split([len(ids), *map(len, named)])
    # Numbers are from 0, so that -1 is of no sample of the batch, whatever the samples are called.
    numbers = [
        of_batch,
        *(ids.new_full((len(keys.rows),), -1) if keys.ids is None else of_named.pop(0) for keys in further),
    ]
    exclude = [SameId(of_batch, torch.cat(numbers))]
    if any(keys.empty is not None for keys in further):
        there = torch.ones_like(of_batch)
        slots = [ids.new_ones(len(keys.rows)) if keys.empty is None else 1 - keys.empty.to(ids) for keys in further]
        exclude.append(SameId(torch.zeros_like(of_batch), torch.cat([there, *slots])))
    return replace(
        contrast,
        keys=torch.cat([contrast.keys, *(keys.rows for keys in further)]),
        exclude=tuple(exclude),
        num_excluded=None if named or len(exclude) > 1 else contrast.num_excluded,
    )


def _lead(
    contrast: Contrast, positives: Float[Tensor, " n"], link: Link, num_keys: Int[Tensor, " n"]
) -> Float[Tensor, " n"]:
    """Return how far a positive's logit is above the mean over all keys that count, itself among them."""
    return positives - (positives + engine.sum_rows(contrast, link)) / num_keys
