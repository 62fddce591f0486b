"""Cross-entropy of every row of two views against both views of all other samples (NT-Xent)."""

from collections.abc import Sequence

from anchorwise.links import SoftmaxLink
from anchorwise.objectives.objective import Outcome, mean_outcome
from anchorwise.objectives.parts.cross_entropy import cross_entropy
from anchorwise.objectives.parts.further_keys import FurtherKeys, with_further
from anchorwise.pairs import Views
from anchorwise.tails.blend import Blend, read_link
from anchorwise.tails.negatives import negatives_of


def among_all_rows(
    views: Views,
    softmax: SoftmaxLink,
    blend: Blend | None,
    *,
    num_hardest: int | None = None,
    further: Sequence[FurtherKeys] = (),
) -> Outcome:
    """Return the mean over all rows of two views of their cross-entropy against both views of all other samples.

    Further keys are negatives of all anchors. With `num_hardest`, only so many of an anchor's highest-scoring negatives
    count.
    """
    contrast = with_further(views.pooled(), further)
    reading = read_link(blend, contrast, softmax)
    hardest = None if num_hardest is None else negatives_of(contrast).hardest(num_hardest)
    beside = views.positive_scores if further else None
    per_anchor, positive_scores = cross_entropy(contrast, reading.link, beside, hardest=hardest)
    return mean_outcome(per_anchor, {"positive_score": positive_scores, **reading.stats})
