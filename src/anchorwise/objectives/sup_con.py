"""SupCon: all rows of an anchor's class are its positives.

Source: Khosla et al. 2020, "Supervised Contrastive Learning", Eq. 2, https://arxiv.org/abs/2004.11362.
"""

from typing import final

import torch
from jaxtyping import Bool, Float, Integer
from torch import Tensor

from anchorwise import _checks
from anchorwise.objectives.cross_entropy import repulsion, total
from anchorwise.objectives.objective import Inputs, Objective, Outcome, mean_outcome
from anchorwise.pairs import Contrast, SameId, class_per_image, num_same, views_of
from anchorwise.tails.blend import Blend, read_link

# n = images, d = embedding width


@final
class SupCon(Objective):
    """Mean over an anchor's positives of their cross-entropies against all other rows, mean over all anchors.

        -1 / |P| sum over P of (s_p / temperature - log sum over all rows but the anchor of exp(s / temperature))

    The mean over positives is outside of the logarithm, and other positives are in the denominator. An anchor without
    a positive has loss 0 and counts in the mean, as in the released code. With one label per image and two views it is
    InfoNCE.

    Args:
        temperature: Divides every cosine. Dimensionless, above 0.
        base_temperature: The loss is multiplied by temperature / base_temperature, 0.07 in the released code; None is
            the plain mean.
        blend: WEINCE's logit in place of the softmax one, read off the rows of other classes; see `tails.Blend`.

    Raises:
        ValueError: If an argument is out of range.
    """

    inputs: Inputs = Inputs(min_views=1, max_views=None, needs=("labels",))

    def __init__(
        self, *, temperature: float = 0.1, base_temperature: float | None = None, blend: Blend | None = None
    ) -> None:
        super().__init__()
        self.temperature = _checks.positive("temperature", temperature)
        self.base_temperature = None
        if base_temperature is not None:
            self.base_temperature = _checks.positive("base_temperature", base_temperature)
        self.blend = blend

    def detail(
        self,
        view0: Float[Tensor, "n d"],
        *more_views: Float[Tensor, "n d"],
        labels: Integer[Tensor, " n"] | Bool[Tensor, " n"] | None = None,
    ) -> Outcome:
        """Return the loss with the anchors' losses, view by view, and their numbers of positives.

        Args:
            view0: Rows of the images.
            *more_views: Further views of them, none or more.
            labels: The class of every image, a whole number of any integer dtype, or True and False for two classes.
        """
        views = views_of(view0, *more_views)
        labels = _checks.needed(self, "labels", labels, "the class of every image, shape (images,)")
        labels = class_per_image("labels", labels, view0).repeat(views.num_views)
        rows, same_label = views.rows, SameId(labels, labels)
        itself = SameId(index := torch.arange(len(rows), device=rows.device), index)
        of_other_classes = Contrast(rows, rows, (same_label,), ranks=views.ranks)
        reading = read_link(self.blend, of_other_classes, self.temperature)
        num_positives = num_same(labels) - 1
        of_others = Contrast(rows, rows, (itself,), ranks=views.ranks)
        others = repulsion(of_others, reading.link)
        positives = total(of_others, reading.link, only=same_label)
        # Not a plain 0, so that a non-finite row shows.
        nothing = 0.0 * rows.sum(dim=1)
        per_anchor = torch.where(num_positives > 0, others - positives / num_positives.clamp_min(1), nothing)
        stats = {"num_positives": num_positives.to(rows.dtype), **reading.stats}
        return mean_outcome(self._scale() * per_anchor, stats)

    def _scale(self) -> float:
        return 1.0 if self.base_temperature is None else self.temperature / self.base_temperature
