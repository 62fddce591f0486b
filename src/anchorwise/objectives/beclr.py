"""BECLR: rows predict the keys of the other view and keep apart from all others, by the log of one mean over all pairs.

Source: Poulakakis-Daktylidis and Jamali-Rad 2024, "BECLR: Batch Enhanced Contrastive Few-Shot Learning",
https://arxiv.org/abs/2402.02444, as in its released code.
"""

from typing import final

from jaxtyping import Float, Integer
from torch import Tensor

from anchorwise import _checks, _tensor_checks, engine
from anchorwise.links import SoftmaxLink
from anchorwise.objectives.objective import Inputs, Objective, Outcome, mean_outcome
from anchorwise.pairs import Views, views_of

# n = samples, d = embedding width


@final
class BECLR(Objective):
    """Mean of `-cos` of a prediction with the other view's key, and `uniform_weight uniform(projections)`.

        uniform(z) = log mean over pairs of exp(cos(z_i, z_j) / temperature)

    Pairs are those of rows of either view that come from different samples, and the logarithm is of the mean over all
    of them, where InfoNCE takes one of each anchor's. Keys get no gradient. An anchor's loss is its own `-cos` and the
    uniformity of all. At least 2 samples.

    Args:
        uniform_weight: Of the uniformity, at least 0.
        temperature: Divides its cosines. Dimensionless, above 0.

    Raises:
        ValueError: If an argument is out of range.
    """

    inputs: Inputs = Inputs(needs=("keys", "projections"), takes=("ids",))

    def __init__(self, *, uniform_weight: float = 0.1, temperature: float = 2.0) -> None:
        super().__init__()
        self.uniform_weight = _checks.at_least("uniform_weight", uniform_weight, 0.0)
        self.temperature = _checks.positive("temperature", temperature)

    def detail(
        self,
        view0: Float[Tensor, "n d"],
        view1: Float[Tensor, "n d"],
        *,
        keys: tuple[Float[Tensor, "n d"], Float[Tensor, "n d"]] | None = None,
        projections: tuple[Float[Tensor, "n d"], Float[Tensor, "n d"]] | None = None,
        ids: Integer[Tensor, " n"] | None = None,
    ) -> Outcome:
        """Return the loss with every prediction's, those of view 0 first, the cosines and the uniformity.

        Args:
            view0: Predictions made from view 0.
            view1: Predictions made from view 1.
            keys: The momentum encoder's rows of view 0 and of view 1.
            projections: What the predictions of view 0 and of view 1 were made from.
            ids: Whole numbers. Samples of one id, such as duplicates, are no negatives of each other.
        """
        keys = _tensor_checks.needed(self, "keys", keys, "the momentum encoder's rows of both views, (key0, key1)")
        what = "what the predictions were made from, (projection0, projection1)"
        projections = _tensor_checks.needed(self, "projections", projections, what)
        _tensor_checks.views(view0, view1)
        keyed = _tensor_checks.views_beside("keys", keys, (view0, view1))
        projected = _tensor_checks.views_beside("projections", projections, (view0, view1))
        units, spread = views_of(view0, view1).units, views_of(*projected, ids=ids)
        targets = views_of(*(key.detach() for key in keyed)).units
        _tensor_checks.num_samples(self, spread.num_distinct)
        cosines = (units * targets.to(units).flip(0)).sum(dim=2).flatten()
        uniformity = _uniformity(spread, self.temperature)
        per_anchor = self.uniform_weight * uniformity - cosines
        return mean_outcome(per_anchor, {"positive_score": cosines, "uniformity": uniformity})


def _uniformity(views: Views, temperature: float) -> Float[Tensor, ""]:
    log_sums = engine.logsumexp_rows(views.pooled(), SoftmaxLink(temperature))
    num_pairs = views.num_views**2 * views.num_others.sum()
    return log_sums.logsumexp(dim=0) - num_pairs.to(log_sums).log()
