"""SupReMix: SupCon for regression labels, with mixtures of rows as hard negatives and hard positives.

Source: Wu et al. 2023, "Mixup Your Own Pairs" (SupReMix), https://arxiv.org/abs/2309.16633, and its released code.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

import torch
from jaxtyping import Bool, Float, Real
from torch import Tensor

from anchorwise import _checks, _tensor_checks, engine
from anchorwise._precision import log_sum, products
from anchorwise._ranks import gather_rows
from anchorwise.links import SoftmaxLink
from anchorwise.objectives.objective import Inputs, Objective, Outcome, mean_outcome
from anchorwise.objectives.parts.blocks import by_blocks
from anchorwise.objectives.parts.cross_entropy import softmax_link
from anchorwise.pairs import PairWeight, SameId, num_same, views_of

# n = samples, d = embedding width, a = anchors, k = keys, b = anchors of a block

Mixing = float | tuple[float, float]


@final
@dataclass(frozen=True, eq=False)
class LabelDistance(PairWeight):
    """`1 + |label - label|`: keys far off in label push more."""

    def log_weights(
        self, anchor_values: Float[Tensor, "a 1"], key_values: Float[Tensor, "k 1"]
    ) -> Float[Tensor, "a k"]:
        """Return the logarithms of the weights."""
        return (anchor_values - key_values.T).abs().log1p()


@final
class SupReMix(Objective):
    """Mean over an anchor's positives of `-s / temperature + log of all pairs' weighted sum`, mean over all anchors.

    The anchors are the rows of all views. With labels y and unit rows z an anchor i has

        rows      z_k of weight 1 + |y_i - y_k|, all but itself; those with y_k = y_i are positives
        mix-neg   a z_i + (1 - a) z_k for every y_k not y_i, of weight 1 + |y_i - y| for its label y, a negative
        mix-pos   a z_j + (1 - a) z_k with y_j < y_i < y_k within the window and a such that its label is y_i:
                  a positive of weight 1

    Mixtures are not scaled to length 1 and have no gradient. An anchor without a positive has loss 0, where the
    released code gives nan. That code also subtracts from the logits of rows and of mixtures their own maxima before it
    adds the exponentials up, which makes mixtures weigh more than the formula says; here one logarithm holds all.

    Mixed positives are pairs of keys for every anchor, so time grows with the third power of the batch; they are taken
    for some anchors at a time and again in the backward pass.

    Args:
        temperature: Divides every cosine. Dimensionless, above 0.
        window: How far below and above the anchor's the labels of a mixed positive may lie, in units of the labels,
            above 0. The released code uses 5 years.
        mixing: The anchor's share a of a mixed negative: the two parameters of the beta distribution that it is drawn
            from for every pair, as in the source, which also tries (8, 2) and (5, 5); or one number in [0, 1] for all.

    Raises:
        ValueError: If an argument is out of range.
    """

    inputs: Inputs = Inputs(min_views=1, max_views=None, needs=("labels",), takes=("generator", "logit_scale"))

    def __init__(
        self, *, temperature: float = 0.3, window: float = 5.0, mixing: float | Sequence[float] = (2.0, 8.0)
    ) -> None:
        super().__init__()
        self.temperature = _checks.positive("temperature", temperature)
        self.window = _checks.positive("window", window)
        self.mixing = _mixing(mixing)

    def detail(
        self,
        view0: Float[Tensor, "n d"],
        *more_views: Float[Tensor, "n d"],
        labels: Real[Tensor, " n"] | Bool[Tensor, " n"] | None = None,
        generator: torch.Generator | None = None,
        logit_scale: float | Tensor | None = None,
    ) -> Outcome:
        """Return the loss with the anchors' losses, view by view, and their numbers of positives.

        Args:
            view0: Rows of the samples.
            *more_views: Further views of them, none or more.
            labels: The label of every sample, a real number.
            generator: Draws the shares of mixed negatives; on several ranks with the same state on all of them.
            logit_scale: Multiplies every score, in place of 1 / temperature: `model.log_scale.exp()`.
        """
        labels = _tensor_checks.needed(
            self, "labels", labels, "the label of every sample, a real number, shape (samples,)"
        )
        views = views_of(view0, *more_views)
        rows, link = views.rows, softmax_link(self.temperature, logit_scale, views.units)
        values = _values(gather_rows(_tensor_checks.real_per_sample("labels", labels, view0)), rows).repeat(
            views.num_views
        )
        shares = mixing_shares(self.mixing, values, generator)
        index = torch.arange(len(rows), device=rows.device)
        place = torch.searchsorted(values.sort().values, values)
        itself, same_label = SameId(index, index), SameId(place, place)
        weight = LabelDistance(values.unsqueeze(1), values.unsqueeze(1))
        of_others = views.contrast(rows, rows, (itself,))
        others = engine.logsumexp_rows(replace(of_others, weight=weight), link)
        summed = engine.sum_rows(replace(of_others, only=same_label), link)
        mixed = self._mixed(rows, values, shares, link)
        log_all = log_sum(torch.cat([others.unsqueeze(1), mixed[:, :2]], dim=1))
        num_positives = num_same(place) - 1 + mixed[:, 3]
        mean_positive = (summed + mixed[:, 2]) / num_positives.clamp_min(1)
        # Not a plain 0, so that a non-finite row shows.
        per_anchor = torch.where(num_positives > 0, log_all - mean_positive, 0.0 * rows.sum(dim=1))
        return mean_outcome(per_anchor, {"num_positives": num_positives})

    def _mixed(
        self, rows: Float[Tensor, "a d"], values: Float[Tensor, " a"], shares: Float[Tensor, "a k"], link: SoftmaxLink
    ) -> Float[Tensor, "a 4"]:
        """Return log-sums of mixed negatives and positives, and sums and numbers of mixed positives, of anchors."""
        held = rows.detach()

        def of_some(anchors: Tensor, own_rows: Tensor, own_values: Tensor, own_shares: Tensor) -> Float[Tensor, "b 4"]:
            scores = products(anchors, held)
            itself = (anchors * own_rows).sum(dim=1, keepdim=True)
            gaps = values - own_values.unsqueeze(1)
            negatives = _negatives(link(own_shares * itself + (1.0 - own_shares) * scores), gaps, own_shares)
            mixed_scores, mixable = self._positives(scores, gaps)
            positives = link(mixed_scores)
            absent = ~mixable
            columns = [
                log_sum(negatives),
                log_sum(positives.masked_fill(absent, -torch.inf).flatten(1)),
                positives.masked_fill(absent, 0.0).sum(dim=(1, 2)),
                mixable.sum(dim=(1, 2)).to(scores),
            ]
            return torch.stack(columns, dim=1)

        return by_blocks(of_some, [rows, held, values, shares], entries_per_anchor=len(rows) ** 2)

    def _positives(
        self, scores: Float[Tensor, "b k"], gaps: Float[Tensor, "b k"]
    ) -> tuple[Float[Tensor, "b k k"], Bool[Tensor, "b k k"]]:
        """Return the scores of the mixtures of every lower and upper key, and which there are."""
        below, above = (gaps < 0.0) & (-gaps < self.window), (gaps > 0.0) & (gaps < self.window)
        mixable = below.unsqueeze(2) & above.unsqueeze(1)
        down, up = gaps.unsqueeze(2), gaps.unsqueeze(1)
        share = torch.where(mixable, up / torch.where(mixable, up - down, 1.0), 0.0)
        return share * scores.unsqueeze(2) + (1.0 - share) * scores.unsqueeze(1), mixable


def _negatives(logits: Float[Tensor, "b k"], gaps: Float[Tensor, "b k"], shares: Tensor) -> Float[Tensor, "b k"]:
    """Return the weighted logits of the mixtures with every key; minus infinity where it has the anchor's label."""
    return (logits + ((1.0 - shares) * gaps.abs()).log1p()).masked_fill(gaps == 0.0, -torch.inf)


def mixing_shares(mixing: Mixing, like: Float[Tensor, " a"], generator: torch.Generator | None) -> Float[Tensor, "a a"]:
    """Return the anchor's share of its mixture with every key: as given, or drawn.

    Raises:
        ValueError: If they have to be drawn without a generator.
    """
    if not isinstance(mixing, tuple):
        return torch.full_like(like, mixing).expand(len(like), -1)
    if generator is None:
        raise ValueError(
            "SupReMix needs generator: it draws the shares of mixed negatives; call objective(view0, ..., "
            "labels=labels, generator=torch.Generator(view0.device)), or choose one share for all, SupReMix(mixing=0.2)"
        )
    generator = _tensor_checks.generator("generator", generator, like)
    _tensor_checks.no_second_pass("SupReMix", "the generator")
    # A beta variable is a gamma variable's share of two. Nothing public draws either with a generator.
    draw = torch._standard_gamma  # pyright: ignore[reportPrivateImportUsage]
    first, second = (draw(like.new_full((len(like), len(like)), shape), generator) for shape in mixing)
    return first / (first + second)


def _values(labels: Real[Tensor, " n"] | Bool[Tensor, " n"], rows: Float[Tensor, "a d"]) -> Float[Tensor, " n"]:
    """Return labels in the dtype of the rows; of what that may round the smallest is taken off, for only gaps count."""
    numbers = labels.long() if labels.dtype == torch.bool else labels
    wide = numbers if numbers.is_floating_point() else _tensor_checks.whole_numbers("labels", numbers)
    return (wide - wide.min() if wide.dtype.itemsize > rows.dtype.itemsize else wide).to(rows)


def _mixing(value: float | Sequence[float]) -> Mixing:
    if not isinstance(value, Sequence):
        return _checks.fraction("mixing", value)
    if len(value) != 2:
        raise ValueError(f"mixing must be one share or the two parameters of a beta distribution, got {value!r}")
    return _checks.positive("mixing", value[0]), _checks.positive("mixing", value[1])
