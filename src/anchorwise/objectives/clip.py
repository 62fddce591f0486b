"""CLIP: cross-entropy between two modalities, in both directions, with a scale that the model may learn.

Source: Radford et al. 2021, "Learning Transferable Visual Models From Natural Language Supervision", Fig. 3,
https://arxiv.org/abs/2103.00020; label smoothing: Fini et al. 2023, "Improved baselines for vision-language
pre-training", https://arxiv.org/abs/2305.08675.
"""

from typing import final

from jaxtyping import Float, Integer
from torch import Tensor

from anchorwise import _checks, _tensor_checks
from anchorwise.objectives.objective import Inputs, Objective, Outcome
from anchorwise.objectives.parts.between_views import across_views
from anchorwise.objectives.parts.cross_entropy import softmax_link
from anchorwise.objectives.parts.listed import listed_for
from anchorwise.pairs import views_of
from anchorwise.tails.blend import Blend, as_blend

# n = samples, d = embedding width


@final
class CLIP(Objective):
    """Mean of the cross-entropies of rows and of columns of `scale * images @ texts.T`, over 2n anchors.

    The learnable scale belongs to the model: pass it as `logit_scale` and it gets its gradient. The authors start it at
    1 / 0.07 and clamp it to at most 100 after every step, which is the training loop's to do.

    Args:
        temperature: Divides every cosine where the call gives no `logit_scale`. Dimensionless, above 0.
        label_smoothing: Share of the target that is spread evenly over all of the other modality, in [0, 1]; the source
            has 0.1 between augmented views.
        blend: WEINCE's logit in place of the softmax one; see `tails.Blend`.

    Raises:
        ValueError: If an argument is out of range.
    """

    inputs: Inputs = Inputs(takes=("ids", "log_weights", "logit_scale"))

    def __init__(self, *, temperature: float = 0.07, label_smoothing: float = 0.0, blend: Blend | None = None) -> None:
        super().__init__()
        self.temperature = _checks.positive("temperature", temperature)
        self.label_smoothing = _checks.fraction("label_smoothing", label_smoothing)
        self.blend = as_blend(blend)

    def detail(
        self,
        view0: Float[Tensor, "n d"],
        view1: Float[Tensor, "n d"],
        *,
        logit_scale: float | Tensor | None = None,
        ids: Integer[Tensor, " n"] | None = None,
        log_weights: Float[Tensor, "n n"] | None = None,
    ) -> Outcome:
        """Return the loss with the anchors' losses, those of view 0 first, and the cosines of their positives.

        Args:
            view0: Rows of one modality.
            view1: Rows of the other.
            logit_scale: Multiplies every cosine, in place of 1 / temperature: `model.log_scale.exp()`.
            ids: Whole numbers. Pairs of one id, such as duplicates, are no negatives of each other.
            log_weights: Logarithms of what pairs count for as negatives of each other, entry (i, j) of pair j for
                pair i, in both directions; minus infinity for nothing. They get no gradient. On several ranks, those of
                the pairs of all of them, as `anchorwise.models.geodesic.geodesic_weights` gives for gathered rows.
        """
        views = views_of(view0, view1, ids=ids)
        softmax = softmax_link(self.temperature, logit_scale, views.units)
        weight = None
        if log_weights is not None:
            given = _tensor_checks.one_per_pair("log_weights", log_weights, views.units[0])
            weight = listed_for(given.detach().to(views.units))
        how = {"label_smoothing": self.label_smoothing, "weight": weight}
        return across_views(views, ((0, 1), (1, 0)), softmax, self.blend, **how)
