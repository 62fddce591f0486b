"""DCL: NT-Xent with the positive taken out of the denominator.

Source: Yeh et al. 2021, "Decoupled Contrastive Learning", https://arxiv.org/abs/2110.06848.
"""

from collections.abc import Sequence
from typing import final

from jaxtyping import Float, Integer
from torch import Tensor

from anchorwise import _checks, _tensor_checks, engine
from anchorwise.objectives.objective import Inputs, Objective, Outcome, mean_outcome
from anchorwise.objectives.parts.cross_entropy import softmax_link
from anchorwise.objectives.parts.further_keys import hard_keys, with_further
from anchorwise.pairs import views_of
from anchorwise.tails.blend import Blend, as_blend, read_link

# n = samples, d = embedding width


@final
class DCL(Objective):
    """`-s_positive / temperature + log sum over negatives of exp(s / temperature)`, mean over the 2n anchors.

    The negatives are both views of all other samples. The loss has no lower bound. Public implementations add the two
    directions, which doubles it. At least 2 samples. Measured at the best temperature of each, five seeds
    (benchmarks/results): .624 of MRR on docstrings, where InfoNCE has .608; on captions no difference was seen.

    Args:
        temperature: Divides every cosine. Dimensionless, above 0.
        blend: WEINCE's logit in place of the softmax one; see `tails.Blend`.

    Raises:
        ValueError: If an argument is out of range.
    """

    inputs: Inputs = Inputs(takes=("ids", "hard_negatives", "logit_scale"))

    def __init__(self, *, temperature: float = 0.1, blend: Blend | None = None) -> None:
        super().__init__()
        self.temperature = _checks.positive("temperature", temperature)
        self.blend = as_blend(blend)

    def detail(
        self,
        view0: Float[Tensor, "n d"],
        view1: Float[Tensor, "n d"],
        *,
        ids: Integer[Tensor, " n"] | None = None,
        hard_negatives: Sequence[Float[Tensor, "n d"]] | None = None,
        logit_scale: float | Tensor | None = None,
    ) -> Outcome:
        """Return the loss with the anchors' losses and the cosines of their positives.

        Args:
            view0: Rows of the samples.
            view1: Another view of them.
            ids: Whole numbers. Samples of one id, such as duplicates, are no negatives of each other.
            hard_negatives: Rows of a hard negative of every sample, of a second one, and so on: negatives of all
                anchors, with a gradient.
            logit_scale: Multiplies every cosine, in place of 1 / temperature: `model.log_scale.exp()`.
        """
        views = views_of(view0, view1, ids=ids)
        positive_scores = views.positive_scores
        _tensor_checks.num_samples(self, views.num_distinct)
        contrast = with_further(views.pooled(), hard_keys(hard_negatives, views, view0))
        reading = read_link(self.blend, contrast, softmax_link(self.temperature, logit_scale, views.units))
        per_anchor = engine.logsumexp_rows(contrast, reading.link) - reading.link(positive_scores)
        return mean_outcome(per_anchor, {"positive_score": positive_scores, **reading.stats})
