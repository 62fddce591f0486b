"""WEINCE: InfoNCE corrected, anchor by anchor, for the ceiling of cosine scores.

Source: Erol et al. 2026, "When Softmax Fails at the Top: Extreme-Value Corrections for InfoNCE",
https://arxiv.org/abs/2606.00262.
"""

from collections.abc import Sequence
from typing import final

from jaxtyping import Float, Integer
from torch import Tensor

from anchorwise import _checks
from anchorwise.objectives.objective import Inputs, Objective, Outcome
from anchorwise.objectives.parts.among_all_rows import among_all_rows
from anchorwise.objectives.parts.cross_entropy import softmax_link
from anchorwise.objectives.parts.further_keys import hard_keys
from anchorwise.pairs import views_of
from anchorwise.tails.blend import Blend
from anchorwise.tails.exponents import Exponent
from anchorwise.tails.gates import Gate
from anchorwise.tails.names import ExponentName, GateName


@final
class WEINCE(Objective):
    """Cross-entropy of the positive under a blend of softmax and shortfall logits, mean over the 2n anchors.

        logit = (1 - lambda) s / temperature - lambda exponent log(endpoint - s)

    Lambda and exponent are statistics of an anchor's negatives in this batch, without gradient; nothing is trained.
    Lambda 0 is InfoNCE, and all of it `InfoNCE(blend=Blend(...))`. The release is `WEINCE(gate="published",
    exponent="unit")`.

    The defaults are what was measured: on CIFAR-10 with a small encoder (benchmarks/results), from temperature 0.05 to
    1.0, validation kNN accuracy stayed within 50.0 and 50.9 % with the likelihood gate and the batch's exponent, and
    fell from 50.8 to 43.7 % with the released gate and exponent 1, from 51.1 to 44.1 % with InfoNCE. At the best
    temperature of each, no difference in test accuracy was seen. On captions and docstrings it gained nothing either.

    In batches of fewer than 14 samples the likelihood gate has too little to read: lambda is 0, the loss is InfoNCE,
    and a warning says so once (`tails.LikelihoodGate`).

    Args:
        temperature: Divides every cosine in the softmax part. Dimensionless, above 0.
        gate: What turns an anchor's tail into lambda: "likelihood", "published", "hard", "cap", or any `tails.Gate`.
        exponent: "unit" is 1, as in the released training code; "batch" is the median over anchors of the gate's own
            tail estimates, "anchor" an anchor's own estimate shrunk to it, "pooled" the release's average over
            steps; a number above 0 is fixed; any `tails.Exponent` says it in its own way.
        endpoint: Where scores end. In cosines, above -1 and at most 1.

    Raises:
        ValueError: If an argument is out of range.
    """

    inputs: Inputs = Inputs(takes=("ids", "hard_negatives", "logit_scale"))

    def __init__(
        self,
        *,
        temperature: float = 0.5,
        gate: GateName | Gate = "likelihood",
        exponent: float | ExponentName | Exponent = "batch",
        endpoint: float = 1.0,
    ) -> None:
        super().__init__()
        self.temperature = _checks.positive("temperature", temperature)
        self.blend = Blend(gate=gate, exponent=exponent, endpoint=endpoint)

    def num_candidates(self, num_rows: int) -> int | None:
        """All rows but the anchor's own."""
        return num_rows - 1

    def detail(
        self,
        view0: Float[Tensor, "n d"],
        view1: Float[Tensor, "n d"],
        *,
        ids: Integer[Tensor, " n"] | None = None,
        hard_negatives: Sequence[Float[Tensor, "n d"]] | None = None,
        logit_scale: float | Tensor | None = None,
    ) -> Outcome:
        """Return the loss with the anchors' losses, lambda, what it was made of, and the exponents.

        Args:
            view0: Rows of the samples.
            view1: Another view of them.
            ids: Whole numbers. Samples of one id, such as duplicates, are no negatives of each other; gate and exponent
                are read off the others.
            hard_negatives: Rows of a hard negative of every sample, of a second one, and so on: negatives of all
                anchors, with a gradient.
            logit_scale: Multiplies every cosine, in place of 1 / temperature: `model.log_scale.exp()`.
        """
        views = views_of(view0, view1, ids=ids)
        softmax = softmax_link(self.temperature, logit_scale, views.units)
        return among_all_rows(views, softmax, self.blend, further=hard_keys(hard_negatives, views, view0))
