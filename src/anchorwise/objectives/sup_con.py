"""SupCon: all rows of an anchor's class are its positives.

Source: Khosla et al. 2020, "Supervised Contrastive Learning", Eq. 2 and 3, https://arxiv.org/abs/2004.11362, and its
released code.
"""

from dataclasses import dataclass, replace
from typing import Literal, final

import torch
from jaxtyping import Bool, Float, Int, Integer, Real
from torch import Tensor

from anchorwise import _checks, _tensor_checks, engine
from anchorwise.links import Link, Parameter, SoftmaxLink
from anchorwise.objectives.objective import Inputs, Objective, Outcome, mean_outcome
from anchorwise.objectives.parts.cross_entropy import softmax_link, temperature_of
from anchorwise.objectives.parts.listed import Listed
from anchorwise.objectives.parts.unscaled import shortened_views
from anchorwise.pairs import Contrast, PairWeight, SameId, Views, gathered_classes, num_same, numbered, views_of
from anchorwise.tails.blend import Blend, as_blend, read_link

# n = samples, d = embedding width, a = anchors, k = keys


@dataclass(frozen=True)
class _Positives:
    """Which rows are an anchor's positives, itself left out.

    Attributes:
        only: The pairs of one class; None where weights say it.
        weight: What pairs weigh; None where classes say it.
        number: What an anchor's positives weigh together.
    """

    only: SameId | None
    weight: PairWeight | None
    number: Float[Tensor, " a"]


@final
class SupCon(Objective):
    """Mean over an anchor's positives of their cross-entropies against all other rows, mean over all anchors.

        -1 / |P| sum over P of log(e^(s_p / temperature) / sum over all rows but the anchor of e^(s / temperature))

    The mean over positives is outside of the logarithm, and other positives are in the denominator. An anchor without
    a positive has loss 0 and counts in the mean, as in the released code. With one label per sample and two views it is
    InfoNCE, whatever `average`.

    Args:
        temperature: Divides every cosine. Dimensionless, above 0.
        base_temperature: The loss is multiplied by temperature / base_temperature, 0.07 in the released code; None is
            the plain mean.
        average: Where positives are averaged: "outside" of the logarithm (Eq. 2), or "inside" (Eq. 3); with "none" they
            are added up inside, which is log |P| lower than Eq. 3 and has the same gradient: solo-learn's SimCLR of
            several views (whose labels are the samples' numbers) or of labels.
        only_first_view: Whether only the rows of view 0 are anchors; all rows are keys in any case (contrast_mode "one"
            in the released code).
        normalise: Whether rows are brought to length 1; false takes their products as they are, as CoMix does those of
            class probabilities.
        blend: WEINCE's logit in place of the softmax one, read off the rows of other classes; see `tails.Blend`.

    Raises:
        ValueError: If an argument is out of range.
    """

    inputs: Inputs = Inputs(min_views=1, max_views=None, needs=("labels",), takes=("mask", "counted", "logit_scale"))

    def __init__(
        self,
        *,
        temperature: float = 0.1,
        base_temperature: float | None = None,
        average: Literal["outside", "inside", "none"] = "outside",
        only_first_view: bool = False,
        normalise: bool = True,
        blend: Blend | None = None,
    ) -> None:
        super().__init__()
        self.temperature = _checks.positive("temperature", temperature)
        self.base_temperature = None
        if base_temperature is not None:
            self.base_temperature = _checks.positive("base_temperature", base_temperature)
        self.average = _checks.one_of("average", average, ("outside", "inside", "none"))
        self.only_first_view, self.normalise = only_first_view, normalise
        self.blend = as_blend(blend)
        if self.blend is not None and not normalise:
            raise ValueError("blend must be None with normalise=False: the tails that it is read off are of cosines")

    def detail(
        self,
        view0: Float[Tensor, "n d"],
        *more_views: Float[Tensor, "n d"],
        labels: Integer[Tensor, " n"] | Bool[Tensor, " n"] | None = None,
        mask: Real[Tensor, "n n"] | Bool[Tensor, "n n"] | None = None,
        counted: Integer[Tensor, " n"] | Bool[Tensor, " n"] | None = None,
        logit_scale: float | Tensor | None = None,
    ) -> Outcome:
        """Return the loss with the anchors' losses, view by view, and their numbers of positives.

        Args:
            view0: Rows of the samples.
            *more_views: Further views of them, none or more.
            labels: The class of every sample, a whole number of any integer dtype, or True and False for two classes.
            mask: In place of labels, where classes do not say it: entry (i, j) is 1 where sample j is a positive of
                sample i, or what it weighs among the positives, at least 0. It takes a number for every pair of
                samples, and is of one process: on several ranks give labels. A blend needs labels.
            counted: Which samples count, True or 1; others are neither anchors nor keys, and the loss is the mean over
                the anchors that are left: that of a call without the others. All count if left out.
            logit_scale: Multiplies every cosine, in place of 1 / temperature: `model.log_scale.exp()`.
        """
        views, longest = (views_of(view0, *more_views), None) if self.normalise else shortened_views(view0, *more_views)
        rows = views.rows
        anchors = views.units[0] if self.only_first_view else rows
        index = torch.arange(len(rows), device=rows.device)
        own = index if anchors is rows else index[: len(anchors)]
        is_counted = None
        dropped: tuple[SameId, ...] = ()
        if counted is not None:
            is_counted = (gathered_classes("counted", counted, view0) > 0).repeat(views.num_views)
            dropped = (SameId(torch.zeros_like(own), is_counted.to(index)),)
        if mask is None:
            labels = _tensor_checks.needed(self, "labels", labels, "the class of every sample, shape (samples,)")
            classes = gathered_classes("labels", labels, view0).repeat(views.num_views)
            if is_counted is not None:  # Whoever does not count is in a class of its own.
                classes = torch.where(is_counted, numbered(classes), -1 - index)
            positives = _of_classes(classes, anchors)
        else:
            self._refuse_beside_mask(labels, counted, views)
            positives = _of_mask(_weights(_tensor_checks.one_per_pair("mask", mask, view0), rows), views, len(anchors))
        softmax = softmax_link(self.temperature, logit_scale, views.units)
        scaled = softmax if longest is None else replace(softmax, scale=softmax.scale * longest.square())
        of_others = views.contrast(anchors, rows, (SameId(own, index), *dropped))
        apart = () if positives.only is None else (positives.only,)
        reading = read_link(self.blend, views.contrast(anchors, rows, (*apart, *dropped)), scaled)
        found = engine.logsumexp_rows(of_others, reading.link) - self._attraction(of_others, reading.link, positives)
        # Not a plain 0, so that a non-finite row shows.
        nothing = 0.0 * views.units.sum(dim=(0, 2)).repeat(len(anchors) // views.num_samples)
        per_anchor = torch.where(positives.number == 0, nothing, found)
        if is_counted is not None:
            num_counted = is_counted[: views.num_samples].sum().clamp_min(1)
            per_anchor = per_anchor * (views.num_samples / num_counted.to(rows))
        return mean_outcome(self._scale(softmax) * per_anchor, {"num_positives": positives.number, **reading.stats})

    def _attraction(self, contrast: Contrast, link: Link, positives: _Positives) -> Float[Tensor, " a"]:
        """Return the average of the positives' logits, of whichever kind; finite where there are none."""
        number = positives.number.masked_fill(positives.number == 0, 1.0)
        of_positives = replace(contrast, only=positives.only, weight=positives.weight)
        if self.average == "outside":
            return engine.sum_rows(of_positives, link) / number
        summed = engine.logsumexp_rows(of_positives, link)
        summed = summed.masked_fill(positives.number == 0, 0.0)
        return summed if self.average == "none" else summed - number.log()

    def _refuse_beside_mask(self, labels: Tensor | None, counted: Tensor | None, views: Views) -> None:
        if labels is not None:
            raise ValueError("mask must be None beside labels: they both say which rows are positives; drop one")
        if counted is not None:
            raise ValueError("mask must be None beside counted, which goes with labels; leave those samples out")
        if self.blend is not None:
            raise ValueError("mask must be None with a blend, which is read off the rows of other classes: give labels")
        if views.ranks is not None:
            raise ValueError(
                "mask must be None on several ranks, whose samples it does not know: give labels, or compute the loss "
                "of this rank by itself, under anchorwise.over_ranks(None)"
            )

    def _scale(self, softmax: SoftmaxLink) -> Parameter:
        return 1.0 if self.base_temperature is None else temperature_of(softmax) / self.base_temperature


def _of_classes(classes: Int[Tensor, " k"], anchors: Float[Tensor, "a d"]) -> _Positives:
    # The same tensor where anchors are the keys: a pair then counts in both directions or in neither.
    own = classes if len(anchors) == len(classes) else classes[: len(anchors)]
    return _Positives(SameId(own, classes), None, (num_same(classes)[: len(anchors)] - 1).to(anchors))


def _weights(mask: Real[Tensor, "n n"] | Bool[Tensor, "n n"], like: Tensor) -> Float[Tensor, "n n"]:
    """Return what pairs weigh, refused where that is no finite number of at least 0 and values are read."""
    weights = mask.detach().to(like)
    is_weight = (weights >= 0.0) & weights.isfinite()
    if _tensor_checks.are_read(weights) and not bool(is_weight.all()):
        raise ValueError(
            "mask must be finite and at least 0, 1 for a positive and 0 for any other pair, got "
            f"{float(weights[~is_weight][0]):g}; of 1 and -1 take mask > 0"
        )
    return weights.where(is_weight, torch.nan)


def _of_mask(mask: Float[Tensor, "n n"], views: Views, num_anchors: int) -> _Positives:
    samples = torch.arange(views.num_samples, device=mask.device).repeat(views.num_views).unsqueeze(1)
    number = views.num_views * mask.sum(dim=1) - mask.diagonal()
    weight = Listed(samples[:num_anchors], samples, mask.log())
    return _Positives(None, weight, number.repeat(num_anchors // views.num_samples))
