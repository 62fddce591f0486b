"""Selection between two losses per anchor: InfoNCE over all negatives, weibit over the hardest.

Source: released code of Erol et al. 2026 (its policies "hard_select" and "soft_select"),
https://arxiv.org/abs/2606.00262.
"""

from typing import final

from jaxtyping import Float, Integer
from torch import Tensor

from anchorwise import _checks
from anchorwise.links import ShortfallLink
from anchorwise.objectives.objective import Inputs, Objective, Outcome, mean_outcome
from anchorwise.objectives.parts.cross_entropy import cross_entropy, softmax_link
from anchorwise.pairs import views_of
from anchorwise.tails.estimators import RegressionTail
from anchorwise.tails.exponents import Exponent
from anchorwise.tails.gates import Gate
from anchorwise.tails.names import ExponentName, GateName, as_exponent, as_gate
from anchorwise.tails.negatives import negatives_of


@final
class Selection(Objective):
    """`(1 - lambda) * InfoNCE + lambda * weibit over the hardest negatives`, per anchor, mean over the 2n anchors.

    Unlike WEINCE, which blends logits, this mixes losses. `gate="hard"` is hard selection: every anchor has exactly one
    of the two losses. A soft gate is soft selection.

    Args:
        temperature: Divides every cosine in InfoNCE. Dimensionless, above 0.
        gate: What turns an anchor's tail into lambda: "hard", "published", "likelihood", "cap", or any `tails.Gate`.
        exponent: Of the weibit loss, as for WEINCE.
        num_hardest: Negatives in the weibit loss, at least 1 (select_weib_top_m).

    Raises:
        ValueError: If an argument is out of range.
    """

    inputs: Inputs = Inputs(takes=("ids", "logit_scale"))

    def __init__(
        self,
        *,
        temperature: float = 0.5,
        gate: GateName | Gate = "hard",
        exponent: float | ExponentName | Exponent = "anchor",
        num_hardest: int = 16,
    ) -> None:
        super().__init__()
        self.temperature = _checks.positive("temperature", temperature)
        self.gate = as_gate(gate)
        self.exponent = as_exponent(exponent, self.gate.tail)
        self.num_hardest = _checks.count("num_hardest", num_hardest)

    def detail(
        self,
        view0: Float[Tensor, "n d"],
        view1: Float[Tensor, "n d"],
        *,
        ids: Integer[Tensor, " n"] | None = None,
        logit_scale: float | Tensor | None = None,
    ) -> Outcome:
        """Return the loss with the anchors' losses, lambda, what it was made of, and the exponents.

        Args:
            view0: Rows of the samples.
            view1: Another view of them.
            ids: Whole numbers. Samples of one id, such as duplicates, are no negatives of each other.
            logit_scale: Multiplies every cosine, in place of 1 / temperature: `model.log_scale.exp()`.
        """
        views = views_of(view0, view1, ids=ids)
        contrast = views.pooled()
        negatives = negatives_of(contrast)
        reading, exponent = self.gate.read(negatives), self.exponent(negatives)
        softmax, positive_scores = cross_entropy(contrast, softmax_link(self.temperature, logit_scale, views.units))
        tail = self.gate.tail
        num_read = tail.length.of(negatives.most_negatives) if isinstance(tail, RegressionTail) else 0
        hardest = negatives.hardest(self.num_hardest, among=num_read)  # Of the tail that the gate reads, as released.
        weibit, _ = cross_entropy(contrast, ShortfallLink(exponent), hardest=hardest)
        stats = {"lambda": reading.blend, "exponent": exponent, "positive_score": positive_scores}
        return mean_outcome((1.0 - reading.blend) * softmax + reading.blend * weibit, {**stats, **reading.stats})
