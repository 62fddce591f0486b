"""Cross-entropy under the shortfall link: the choice model of scores that have a ceiling.

Source: Erol et al. 2026, "When Softmax Fails at the Top", https://arxiv.org/abs/2606.00262.
"""

from collections.abc import Sequence
from typing import final

from jaxtyping import Float, Integer
from torch import Tensor

from anchorwise import _checks
from anchorwise.links import ShortfallLink
from anchorwise.objectives.objective import Inputs, Objective, Outcome, mean_outcome
from anchorwise.objectives.parts.cross_entropy import cross_entropy
from anchorwise.objectives.parts.further_keys import hard_keys, with_further
from anchorwise.pairs import views_of
from anchorwise.tails.estimators import HillTail
from anchorwise.tails.exponents import Exponent
from anchorwise.tails.names import ExponentName, as_exponent
from anchorwise.tails.negatives import negatives_of


@final
class Weibit(Objective):
    """Cross-entropy of the positive under logits `-exponent * log(endpoint - s)`, mean over the 2n anchors.

    The probability of a key is a power of its shortfall from the endpoint. With an exponent that Hill's estimator reads
    off the batch there is no temperature: the link's slope, exponent / (endpoint - s), plays its part.

    The default is what was measured: on CIFAR-10 with a small encoder, five seeds (benchmarks/results), the batch's
    exponent gave 51.1 % kNN and 52.3 % linear, the anchors' own 51.0 and 52.7 %, InfoNCE at the best of five
    temperatures 51.2 and 52.8 %. With `num_hardest=50` kNN was above InfoNCE's best at batch 64, 256 and 512, shown at
    512 (+1.4 [0.8, 2.0] points); on scikit-learn's digits it was 0.5 points below. On sentences it is behind:
    .426 and .573 of MRR on captions and docstrings, where InfoNCE at its best temperature has .493 and .608.

    Args:
        exponent: "batch" is the median over anchors of Hill's estimates, "anchor" an anchor's own estimate shrunk to
            it, "lagged" the median of the batch before, so that no batch sets its own, "unit" is 1; a number
            above 0 is fixed; any `tails.Exponent` says it in its own way.
        endpoint: Where scores end. In cosines, above -1 and at most 1.
        num_hardest: Only so many of an anchor's highest-scoring negatives count, at least 1; None counts all of them.
            With it, this is the weibit regulariser of the WEINCE release (its weib_top_m).

    Raises:
        ValueError: If an argument is out of range.
    """

    inputs: Inputs = Inputs(takes=("ids", "hard_negatives"))

    def __init__(
        self,
        *,
        exponent: float | ExponentName | Exponent = "batch",
        endpoint: float = 1.0,
        num_hardest: int | None = None,
    ) -> None:
        super().__init__()
        self.exponent = as_exponent(exponent, HillTail())
        self.endpoint = _checks.endpoint(endpoint)
        self.num_hardest = None if num_hardest is None else _checks.count("num_hardest", num_hardest)

    def num_candidates(self, num_rows: int) -> int | None:
        """The positive and, of the other images' rows, as many as count."""
        return min(num_rows - 2, self.num_hardest or num_rows) + 1

    def detail(
        self,
        view0: Float[Tensor, "n d"],
        view1: Float[Tensor, "n d"],
        *,
        ids: Integer[Tensor, " n"] | None = None,
        hard_negatives: Sequence[Float[Tensor, "n d"]] | None = None,
    ) -> Outcome:
        """Return the loss with the anchors' losses, exponents and the cosines of their positives.

        Args:
            view0: Rows of the samples.
            view1: Another view of them.
            ids: Whole numbers. Samples of one id, such as duplicates, are no negatives of each other.
            hard_negatives: Rows of a hard negative of every sample, of a second one, and so on: negatives of all
                anchors, with a gradient.
        """
        views = views_of(view0, view1, ids=ids)
        further = hard_keys(hard_negatives, views, view0)
        contrast = with_further(views.pooled(), further)
        negatives = negatives_of(contrast, endpoint=self.endpoint)
        exponent = self.exponent(negatives)
        hardest = None if self.num_hardest is None else negatives.hardest(self.num_hardest)
        link = ShortfallLink(exponent, self.endpoint)
        beside = views.positive_scores if further else None
        per_anchor, positive_scores = cross_entropy(contrast, link, beside, hardest=hardest)
        return mean_outcome(per_anchor, {"positive_score": positive_scores, "exponent": exponent})
