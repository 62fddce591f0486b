"""GISTEmbed: what another model finds as alike as the pair itself is no negative.

Source: Solatorio 2024, "GISTEmbed: Guided In-sample Selection of Training Negatives for Text Embedding Fine-tuning",
https://arxiv.org/abs/2402.16829; margins: GISTEmbedLoss of sentence-transformers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, final

import torch
from jaxtyping import Float, Integer
from torch import Tensor

from anchorwise import _checks, _tensor_checks, engine
from anchorwise._precision import log_sum, products, softmax_nll
from anchorwise._ranks import gather_rows
from anchorwise.links import MIN_SHORTFALL
from anchorwise.objectives.objective import Inputs, Objective, Outcome, mean_outcome
from anchorwise.objectives.parts.cross_entropy import softmax_link
from anchorwise.pairs import PairWeight, SameId, unit_rows, views_of
from anchorwise.pairs.rows import stacked

# n = samples, d = embedding width, g = width of the guide's rows, a = anchors, k = keys, c = values per row


@final
@dataclass(frozen=True, eq=False)
class NotAboveTheGuide(PairWeight):
    """1 for pairs whose cosine by the guide is at most the anchor's own, 0 for the others.

    An anchor's values are its row of the guide with the highest cosine behind it; a key's are its row and a 0.
    """

    def log_weights(
        self, anchor_values: Float[Tensor, "a c"], key_values: Float[Tensor, "k c"]
    ) -> Float[Tensor, "a k"]:
        """Return the logarithms: 0 and minus infinity."""
        cosines = products(anchor_values[:, :-1], key_values[:, :-1])
        return torch.zeros_like(cosines).masked_fill(cosines > anchor_values[:, -1:], -torch.inf)


@final
class GISTEmbed(Objective):
    """Softmax cross-entropy of the pair among other pairs' rows that a guide finds less alike than it finds the pair.

    Sample i's positive is row i of view 1. Its negatives are the other samples' rows of view 1, those of view 0 beside
    its own row of view 0, and those of view 1 beside its own of view 1; each of them drops out where the guide's cosine
    is above `cosine of the pair - margin`, or equals it to rounding (1e-6), as that of a duplicate of the sample's own
    row does: sentence-transformers keeps such a duplicate as a negative. The mean is over the samples.

    Args:
        temperature: Divides every cosine. Dimensionless, above 0.
        margin: How far the guide's cosine of a negative must be below that of the pair, at least 0. With "relative" it
            is a share of the pair's.
        margin_kind: "absolute", as in the source with 0, or "relative".
        same_view: Whether rows of the same view are negatives too. Without it this is one-directional InfoNCE whose
            negatives are guided.

    Raises:
        ValueError: If an argument is out of range.
    """

    inputs: Inputs = Inputs(needs=("guides",), takes=("ids", "logit_scale"))

    def __init__(
        self,
        *,
        temperature: float = 0.01,
        margin: float = 0.0,
        margin_kind: Literal["absolute", "relative"] = "absolute",
        same_view: bool = True,
    ) -> None:
        super().__init__()
        self.temperature = _checks.positive("temperature", temperature)
        self.margin = _checks.at_least("margin", margin, 0.0)
        self.margin_kind = _checks.one_of("margin_kind", margin_kind, ("absolute", "relative"))
        self.same_view = same_view

    def detail(
        self,
        view0: Float[Tensor, "n d"],
        view1: Float[Tensor, "n d"],
        *,
        guides: Sequence[Float[Tensor, "n g"]] | None = None,
        ids: Integer[Tensor, " n"] | None = None,
        logit_scale: float | Tensor | None = None,
    ) -> Outcome:
        """Return the loss with the samples' losses and the cosines of their pairs.

        Args:
            view0: Rows of the samples.
            view1: What belongs to them.
            guides: The guide's rows of view 0 and of view 1, of any width; they get no gradient.
            ids: Whole numbers. Samples of one id are no negatives of each other.
            logit_scale: Multiplies every cosine, in place of 1 / temperature: `model.log_scale.exp()`.
        """
        given = _tensor_checks.needed(self, "guides", guides, "the guide's rows of both views")
        views = views_of(view0, view1, ids=ids)
        guided = self._guided(_of_views(given, view0))
        link, positive_scores = softmax_link(self.temperature, logit_scale, views.units), views.scores_between(0, 1)
        own = SameId(views.ids, views.ids)
        log_sums = []
        for view, other in ((0, 1), (0, 0), (1, 1)) if self.same_view else ((0, 1),):
            weight = NotAboveTheGuide(guided[view][0], guided[other][1])
            contrast = views.contrast(views.units[view], views.units[other], (own,), weight=weight)
            log_sums.append(engine.logsumexp_rows(contrast, link))
        # A row of the guide that is not finite is in no comparison, and has to show.
        shown = 0.0 * guided[0][0][:, -1]
        per_anchor = softmax_nll(link(positive_scores), log_sum(torch.stack(log_sums, dim=1))) + shown
        return mean_outcome(per_anchor, {"positive_score": positive_scores})

    def _guided(self, rows: Float[Tensor, "2 n g"]) -> list[tuple[Tensor, Tensor]]:
        """Return of each view what comes with its rows as anchors, and as keys."""
        own = (rows[0] * rows[1]).sum(dim=1, keepdim=True)
        highest = own - self.margin if self.margin_kind == "absolute" else own * (1.0 - self.margin)
        # Of two equal cosines the larger one is a matter of rounding, and of duplicates each would be drawn by lot.
        below = highest - MIN_SHORTFALL
        return [(torch.cat([each, below], dim=1), torch.cat([each, 0.0 * own], dim=1)) for each in rows]


def _of_views(given: object, view: Float[Tensor, "n d"]) -> Float[Tensor, "2 n g"]:
    """Return the guide's unit rows of the samples of all ranks."""
    first, second = _tensor_checks.one_each("guides", given, 2, "views")
    for name, rows in (("guides[0]", first), ("guides[1]", second)):
        _tensor_checks.rows(name, rows)
        _tensor_checks.same_device("view0", view, name, rows)
        if len(rows) != len(view):
            raise ValueError(f"view0 and {name} must have as many rows, got {len(view)} and {len(rows)}")
    _tensor_checks.same_shape("guides[0]", first, "guides[1]", second)
    units = unit_rows(stacked([first.detach(), second.detach()], dim=1))
    return gather_rows(units).transpose(0, 1)
