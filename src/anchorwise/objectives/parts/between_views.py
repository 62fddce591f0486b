"""Cross-entropy of a view's rows against another view's, without those of their own."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from anchorwise import engine
from anchorwise.links import Link, SoftmaxLink
from anchorwise.objectives.objective import Outcome, concat_stats, mean_outcome
from anchorwise.objectives.parts.cross_entropy import cross_entropy
from anchorwise.objectives.parts.further_keys import FurtherKeys, with_further
from anchorwise.objectives.parts.one_state import read_links
from anchorwise.pairs import Contrast, PairWeight, Views, num_same
from anchorwise.tails.blend import Blend

# n = samples, d = embedding width, a = anchors, k = further keys

_NOBODYS = -1  # Whose key it is that is of no sample alone.


@final
@dataclass(frozen=True, eq=False)
class OwnKeys(PairWeight):
    """What an anchor's own keys count for, where all others count for one.

    Attributes:
        log_weight: Logarithm of it.
        dtype: Of the logarithms.
    """

    log_weight: float = 0.0
    dtype: torch.dtype = torch.float32

    def log_weights(self, anchor_values: Int[Tensor, "a 1"], key_values: Int[Tensor, "k 1"]) -> Float[Tensor, "a k"]:
        """Return the logarithms."""
        return (anchor_values == key_values.T).to(self.dtype) * self.log_weight


def across_views(
    views: Views,
    directions: tuple[tuple[int, int], ...],
    softmax: SoftmaxLink,
    blend: Blend | None,
    *,
    label_smoothing: float = 0.0,
    further: Sequence[FurtherKeys] = (),
    weight: PairWeight | None = None,
) -> Outcome:
    """Return the mean over the anchors of all directions of their cross-entropy against the other view.

    Further keys are negatives of all anchors, and a weight says what the other view's count for. With label smoothing,
    that share of the target is spread evenly over the positive and the other view's negatives.
    """
    plain = blend is None and weight is None and not further and not label_smoothing
    if plain and len(directions) == 2:
        # The two share their scores.
        per_anchor, positive_scores = cross_entropy(views.pooled(same_view=False), softmax)
        return mean_outcome(per_anchor, {"positive_score": positive_scores})
    losses, stats = [], []
    weight = _own_weight(further, views) if weight is None else weight
    contrasts = [with_further(views.across(view, other), further) for view, other in directions]
    # A tail is that of all negatives, whatever they count for.
    for contrast, reading in zip(contrasts, read_links(blend, contrasts, softmax), strict=True):
        weighted = contrast if weight is None else replace(contrast, weight=weight)
        per_anchor, positive_scores = cross_entropy(weighted, reading.link)
        if label_smoothing > 0.0:
            num_keys = len(contrast.keys) - num_same(views.ids) + 1
            lead = _lead(contrast, reading.link(contrast.positive_scores), reading.link, num_keys)
            per_anchor = per_anchor + label_smoothing * lead
        losses.append(per_anchor)
        stats.append({"positive_score": positive_scores, **reading.stats})
    return mean_outcome(torch.cat(losses), concat_stats(stats))


def _own_weight(further: Sequence[FurtherKeys], views: Views) -> OwnKeys | None:
    """Return what the samples' own keys count for; None where all keys count alike."""
    log_weight = next((keys.own_log_weight for keys in further if keys.own_log_weight), None)
    if log_weight is None:
        return None
    samples = torch.arange(views.num_samples, device=views.ids.device)
    owners = [torch.full_like(samples, _NOBODYS)]  # Of the other view, whose own row is the positive.
    for keys in further:
        numbers = torch.arange(len(keys.rows), device=samples.device)
        is_own = keys.own_log_weight == log_weight
        owners.append(numbers % views.num_samples if is_own else torch.full_like(numbers, _NOBODYS))
    return OwnKeys(samples.unsqueeze(1), torch.cat(owners).unsqueeze(1), log_weight, views.units.dtype)


def _lead(
    contrast: Contrast, positives: Float[Tensor, " n"], link: Link, num_keys: Int[Tensor, " n"]
) -> Float[Tensor, " n"]:
    """Return how far a positive's logit is above the mean over all keys that count, itself among them."""
    return positives - (positives + engine.sum_rows(contrast, link)) / num_keys
