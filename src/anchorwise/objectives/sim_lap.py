"""SimLAP: any two classes can be a positive pair, in the dimensions that a gate of the pair leaves open.

Source: Wu et al. 2024, "Rethinking Positive Pairs in Contrastive Learning", https://arxiv.org/abs/2410.18200, and its
released code (Hydra).
"""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Bool, Float, Int, Integer
from torch import Tensor

from anchorwise import _checks, _tensor_checks, engine
from anchorwise._precision import log_sum, magnitude, products, softmax_nll
from anchorwise._ranks import gather_rows
from anchorwise.links import Link
from anchorwise.objectives.objective import Inputs, Objective, Outcome, mean_outcome
from anchorwise.objectives.parts.against_negatives import AgainstNegatives, num_with
from anchorwise.objectives.parts.blocks import by_blocks
from anchorwise.objectives.parts.cross_entropy import softmax_link
from anchorwise.pairs import SameId, Views, gathered_classes, unit_rows, views_of

# n = samples, d = embedding width, a = anchors


@dataclass(frozen=True)
class _Classes:
    """The classes of keys, and those of every anchor's positives; an anchor's own class is its key's."""

    labels: Int[Tensor, " n"]
    partners: Int[Tensor, " n"]


@final
class SimLAP(Objective):
    """Mean over positive pairs of `-p + log(exp(p) + sum over negatives of exp(logit))`, with gated cosines.

        logit of anchor i and key j = sum over dimensions of gate_i^2 z_i z_j / temperature, z of length 1

    The rows of view 0 are the anchors and those of view 1 the keys. An anchor's class is paired with a partner class,
    drawn at will: its positives are the partner's keys, its negatives the keys of neither class. The gate of the pair
    comes from the caller's network and learns. The released code subtracts the row's mean from the logits first, which
    cancels, and exponentiates outside of log space. An anchor without positives has loss 0; what an anchor adds to the
    mean over pairs is scaled so that the mean over anchors is the loss.

    Args:
        temperature: Divides every score where the call gives no `logit_scale`. Dimensionless, above 0.
        renormalise: Whether both rows have length 1 after the gate too, so that scores are cosines in what it leaves
            open, as in the released script that trains with class labels. The one for pretraining does without. A key's
            length then depends on the anchor's gate, and scores are made for some anchors at a time.

    Raises:
        ValueError: If an argument is out of range.
    """

    inputs: Inputs = Inputs(needs=("labels", "partners", "gates"), takes=("logit_scale",))

    def __init__(self, *, temperature: float = 0.1, renormalise: bool = False) -> None:
        super().__init__()
        self.temperature = _checks.positive("temperature", temperature)
        self.renormalise = renormalise

    def detail(
        self,
        view0: Float[Tensor, "n d"],
        view1: Float[Tensor, "n d"],
        *,
        labels: Integer[Tensor, " n"] | Bool[Tensor, " n"] | None = None,
        partners: Integer[Tensor, " n"] | Bool[Tensor, " n"] | None = None,
        gates: Float[Tensor, "n d"] | None = None,
        logit_scale: float | Tensor | None = None,
    ) -> Outcome:
        """Return the loss with the anchors' shares of it and their numbers of positives.

        Args:
            view0: Rows of the samples.
            view1: Another view of them.
            labels: The class of every sample, a whole number.
            partners: The class with which every anchor's is paired; its own for classes as in SupCon. The source
                permutes the batch's labels.
            gates: For every anchor the gate of its two classes, in [0, 1]: a sigmoid of the caller's network.
            logit_scale: Multiplies every score, in place of 1 / temperature.
        """
        labels = _tensor_checks.needed(self, "labels", labels, "the class of every sample, shape (samples,)")
        partners = _tensor_checks.needed(
            self, "partners", partners, "the class paired with every sample's, shape (samples,)"
        )
        gates = _tensor_checks.needed(
            self, "gates", gates, "the gate of every sample's two classes, shape (samples, width)"
        )
        views = views_of(view0, view1)
        _tensor_checks.rows("gates", gates)
        _tensor_checks.same_shape("view0", view0, "gates", gates)
        _tensor_checks.same_device("view0", view0, "gates", gates)
        gates = gather_rows(gates)
        labels, partners = gathered_classes("labels", labels, view0), gathered_classes("partners", partners, view0)
        gates, link = gates.to(views.units), softmax_link(self.temperature, logit_scale, views.units)
        losses = _cosine_losses if self.renormalise else _dot_losses
        summed = losses(views, gates, _Classes(labels, partners), link)
        num_positives = num_with(labels, partners).to(summed)
        # Not a plain 0, so that a non-finite row shows even where it is in no pair.
        shown = 0.0 * views.units.sum(dim=(0, 2))
        per_anchor = summed * (len(labels) / num_positives.sum().clamp_min(1)) + shown
        return mean_outcome(per_anchor, {"num_positives": num_positives})


def _dot_losses(views: Views, gates: Float[Tensor, "n d"], classes: _Classes, link: Link) -> Float[Tensor, " n"]:
    """Return the sums over their positives of the anchors' losses, with scores as they are."""
    anchors, keys = views.units
    gated, wanted = anchors * gates.square(), SameId(classes.partners, classes.labels)
    own = SameId(classes.labels, classes.labels)
    log_negatives = engine.logsumexp_rows(views.contrast(gated, keys, (own, wanted)), link)
    return engine.sum_rows(views.contrast(gated, keys, only=wanted), AgainstNegatives(link, log_negatives))


def _cosine_losses(views: Views, gates: Float[Tensor, "n d"], classes: _Classes, link: Link) -> Float[Tensor, " n"]:
    """Return the same sums with the cosines of gated rows."""
    anchors, keys = views.units

    def of_some(some: Tensor, some_gates: Tensor, own: Tensor, partner: Tensor) -> Float[Tensor, "_ 1"]:
        some_gates = some_gates / magnitude(some_gates.detach(), dim=1)  # Cosines do not depend on a gate's scale.
        squares = products(some_gates.square(), keys.square())
        lengths = torch.where(squares > 0.0, squares, 1.0).sqrt()
        logits = link(products(unit_rows(some * some_gates) * some_gates, keys) / lengths)
        wanted = partner.unsqueeze(1) == classes.labels
        counted = ~wanted & (own.unsqueeze(1) != classes.labels)
        log_negatives = log_sum(logits.masked_fill(~counted, -torch.inf))
        return (softmax_nll(logits - log_negatives.unsqueeze(1), torch.zeros_like(logits)) * wanted).sum(
            dim=1, keepdim=True
        )

    per_anchor = [anchors, gates, classes.labels, classes.partners]
    return by_blocks(of_some, per_anchor, entries_per_anchor=len(keys)).squeeze(1)
