"""SigLIP: every pair of the batch judged by itself, matching or not.

Source: Zhai et al. 2023, "Sigmoid Loss for Language Image Pre-Training", section 3.2, https://arxiv.org/abs/2303.15343.
"""

from typing import final

from jaxtyping import Float, Integer
from torch import Tensor
from torch.nn import functional

from anchorwise import _checks, _tensor_checks, engine
from anchorwise.links import SigmoidLink
from anchorwise.objectives.objective import Inputs, Objective, Outcome, mean_outcome
from anchorwise.pairs import views_of

# n = samples, d = embedding width


@final
class SigLIP(Objective):
    """`-log sigmoid(y (scale s + bias))` with y = 1 for the pair itself, else -1: summed over keys, mean over n rows.

    Scale and bias belong to the model where they are learnt: pass them to the call and they get their gradients. The
    authors start at 10 and -10.

    Args:
        scale: Multiplies every cosine where the call gives no `logit_scale`. Above 0.
        bias: Added to every logit where the call gives no `logit_bias`.

    Raises:
        ValueError: If an argument is out of range.
    """

    inputs: Inputs = Inputs(takes=("ids", "logit_scale", "logit_bias"))

    def __init__(self, *, scale: float = 10.0, bias: float = -10.0) -> None:
        super().__init__()
        self.scale = _checks.positive("scale", scale)
        self.bias = _checks.number("bias", bias)

    def detail(
        self,
        view0: Float[Tensor, "n d"],
        view1: Float[Tensor, "n d"],
        *,
        logit_scale: float | Tensor | None = None,
        logit_bias: float | Tensor | None = None,
        ids: Integer[Tensor, " n"] | None = None,
    ) -> Outcome:
        """Return the loss with the losses of the rows of view 0 and the cosines of their positives.

        Args:
            view0: Rows of one modality.
            view1: Rows of the other.
            logit_scale: In place of `scale`: `model.log_scale.exp()`.
            logit_bias: In place of `bias`.
            ids: Whole numbers. Pairs of one id, such as two captions of one image, are not judged across: they are no
                negatives of each other, and no positives either.
        """
        views = views_of(view0, view1, ids=ids)
        contrast, positive_scores = views.across(0, 1), views.scores_between(0, 1)
        scale = self.scale if logit_scale is None else _tensor_checks.scale("logit_scale", logit_scale, views.units)
        bias = self.bias if logit_bias is None else _tensor_checks.scalar("logit_bias", logit_bias, views.units)
        link = SigmoidLink(scale, bias)
        negatives = engine.sum_rows(contrast, link)
        positives = -functional.logsigmoid(scale * positive_scores + bias)
        return mean_outcome(positives + negatives, {"positive_score": positive_scores})
