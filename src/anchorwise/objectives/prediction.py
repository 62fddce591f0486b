"""Prediction without negatives: a view's prediction towards another view's target.

Source: Grill et al. 2020, "Bootstrap Your Own Latent", Eq. 2, https://arxiv.org/abs/2006.07733, and Chen and He 2020,
"Exploring Simple Siamese Representation Learning", Eqs. 1 and 2, https://arxiv.org/abs/2011.10566.
"""

from typing import Literal, final

from jaxtyping import Float
from torch import Tensor

from anchorwise import _checks, _tensor_checks
from anchorwise.objectives.objective import Inputs, Objective, Outcome, mean_outcome
from anchorwise.pairs import views_of

# n = samples, d = embedding width


@final
class Prediction(Objective):
    """Cosine of a prediction with the target of the other view, mean over the 2n predictions.

        byol:     sum over both directions of 2 - 2 cos, from 0 to 8
        simsiam:  mean over both directions of -cos, from -1 to 1

    Targets get no gradient. There are no negatives: what keeps all rows from becoming one is the predictor and the
    target's network, so log the spread of the rows.

    Args:
        form: Whose loss; they differ by a factor of -4 and a constant.

    Raises:
        ValueError: If the form is neither.
    """

    inputs: Inputs = Inputs(needs=("keys",))

    def __init__(self, *, form: Literal["byol", "simsiam"] = "byol") -> None:
        super().__init__()
        self.form = _checks.one_of("form", form, ("byol", "simsiam"))

    def detail(
        self,
        view0: Float[Tensor, "n d"],
        view1: Float[Tensor, "n d"],
        *,
        keys: tuple[Float[Tensor, "n d"], Float[Tensor, "n d"]] | None = None,
    ) -> Outcome:
        """Return the loss with every prediction's, those of view 0 first, and the cosines.

        Args:
            view0: Predictions made from view 0.
            view1: Predictions made from view 1.
            keys: Targets made from view 0 and from view 1; the momentum encoder's rows (BYOL), or the projections that
                the predictions were made from (SimSiam).
        """
        keys = _tensor_checks.needed(self, "keys", keys, "the targets of both views, (key0, key1)")
        _tensor_checks.views(view0, view1)
        targets = views_of(*(key.detach() for key in _tensor_checks.views_beside("keys", keys, (view0, view1)))).units
        units = views_of(view0, view1).units
        cosines = (units * targets.to(units).flip(0)).sum(dim=2).flatten()
        per_anchor = 4.0 - 4.0 * cosines if self.form == "byol" else -cosines
        return mean_outcome(per_anchor, {"positive_score": cosines})
