"""Which negatives a loss pushes against: the share of the gradient that goes to each, by rank, under several links.

An anchor's cross-entropy has the derivative p_j * slope_j with respect to the score of negative j, where p_j is the
negative's probability and slope_j the derivative of its logit: 1 / temperature under softmax, exponent / (1 - s) under
the shortfall link. Divided by their sum over the negatives, these are shares that do not depend on the positive.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from anchorwise.diagnostics.rows import Rows
from anchorwise.links import MIN_SHORTFALL, Link, SoftmaxLink, shortfall
from anchorwise.pairs import Contrast, views_of
from anchorwise.tails import BatchExponent, Blend, ConstantGate, read_link
from anchorwise.tails.negatives import negatives_of

# a = anchors, k = keys

NUM_BATCHES = 8
MATCHED_RANKS = (1, 5, 20, 50)
TEMPERATURE_RANGE = (0.002, 20.0)
SHORTFALL, WEINCE = "shortfall link", "WEINCE"


@dataclass(frozen=True)
class LinkShares:
    """What a link does with the negatives of a batch.

    Attributes:
        share_by_rank: Mean share of an anchor's gradient that goes to its hardest negative, the next, and so on.
        effective_negatives: 1 over the sum of squared shares: as many equal negatives would have the same; median over
            anchors, one number per batch.
    """

    share_by_rank: tuple[float, ...]
    effective_negatives: tuple[float, ...]


@dataclass(frozen=True)
class LinkReport:
    """Links side by side on the same random batches.

    Attributes:
        num_negatives: Negatives of an anchor in a batch.
        shares: By name of the link.
        exponents: Median of Hill's exponent over the anchors of a batch, one number per batch.
        slope_temperature: By rank, the temperature at which softmax is as steep as the shortfall link,
            (1 - s) / exponent: median over anchors, one number per batch.
        matched_temperature: The temperature at which softmax has as many effective negatives as the shortfall link, one
            number per batch; not a number where no temperature has.
        blend: Mean over anchors of WEINCE's lambda, one number per batch.
    """

    num_negatives: int
    shares: Mapping[str, LinkShares]
    exponents: tuple[float, ...]
    slope_temperature: Mapping[int, tuple[float, ...]]
    matched_temperature: tuple[float, ...]
    blend: tuple[float, ...]


@torch.no_grad()
def compare_links(
    rows: Rows, *, batch_size: int, temperatures: Sequence[float], weince_temperature: float, rng: np.random.Generator
) -> LinkReport:
    """Return what the links do in random batches of the embeddings.

    Args:
        rows: Where the batches come from. Embeddings with one view give batches of twice as many items, which have as
            many rows.
        batch_size: Items of a batch of two views.
        temperatures: Of the softmax links.
        weince_temperature: Of WEINCE, whose gate and exponent are its defaults.
        rng: Draws the batches.
    """
    contrasts = [_batch(rows, batch_size, rng) for _ in range(NUM_BATCHES)]
    scores = [sorted_scores(contrast) for contrast in contrasts]
    exponents = [BatchExponent()(negatives_of(contrast))[0].item() for contrast in contrasts]
    pure, blend = Blend(gate=ConstantGate(1.0)), Blend()
    pure_links = [read_link(pure, contrast, SoftmaxLink(1.0)).link for contrast in contrasts]
    readings = [read_link(blend, contrast, SoftmaxLink(weince_temperature)) for contrast in contrasts]
    links: dict[str, Sequence[Link]] = {
        **{softmax_name(one): [SoftmaxLink(one)] * NUM_BATCHES for one in temperatures},
        WEINCE: [reading.link for reading in readings],
        SHORTFALL: pure_links,
    }
    return LinkReport(
        num_negatives=max(int(one.isfinite().sum(dim=1).max()) for one in scores),
        shares={name: _shares(scores, of_batch) for name, of_batch in links.items()},
        exponents=tuple(exponents),
        slope_temperature=_slope_temperatures(scores, exponents),
        matched_temperature=tuple(
            _matched_temperature(one, link) for one, link in zip(scores, pure_links, strict=True)
        ),
        blend=tuple(reading.stats["lambda"].mean().item() for reading in readings),
    )


def softmax_name(temperature: float) -> str:
    """Return what the softmax link of a temperature is called in reports."""
    return f"softmax, temperature {temperature:g}"


def sorted_scores(contrast: Contrast) -> Float[Tensor, "a k"]:
    """Return every anchor's scores in falling order; minus infinity for exact duplicates and what is no negative."""
    scores = contrast.anchors @ contrast.keys.T
    scores = scores.masked_fill(scores > 1.0 - MIN_SHORTFALL, -torch.inf)
    for same in contrast.exclude:
        scores = scores.masked_fill(same.anchor_ids.unsqueeze(1) == same.key_ids, -torch.inf)
    return scores.sort(dim=1, descending=True).values


def gradient_shares(scores: Float[Tensor, "a k"], link: Link) -> Float[Tensor, "a k"]:
    """Return the share of every anchor's gradient that goes to each score; 0 at minus infinity, and where none goes."""
    counts = scores.isfinite()
    with torch.enable_grad():
        inside = scores.masked_fill(~counts, 0.0).requires_grad_()
        logits = link(inside)
        (slopes,) = torch.autograd.grad(logits.sum(), inside)
    weights = logits.detach().masked_fill(~counts, -torch.inf).softmax(dim=1) * slopes * counts
    total = weights.sum(dim=1, keepdim=True)
    return torch.where(total > 0, weights / total, 0.0)


def effective_negatives(shares: Float[Tensor, "a k"]) -> Float[Tensor, " a"]:
    """Return 1 over the sum of squared shares, from 1 to the number of negatives."""
    return 1.0 / shares.square().sum(dim=1)


def _batch(rows: Rows, batch_size: int, rng: np.random.Generator) -> Contrast:
    """Return the contrast of a random batch."""
    num_items = min(batch_size * 2 // rows.num_views, rows.num_items)
    items = np.sort(rng.choice(rows.num_items, num_items, replace=False))
    found = [torch.from_numpy(rows.units(view * rows.num_items + items)) for view in range(rows.num_views)]
    ids = None if rows.embeddings.ids is None else torch.from_numpy(rows.groups[items].astype(np.int64))
    views = views_of(*found, ids=ids)
    return views.across(0, 1) if rows.embeddings.across else views.pooled()


def _shares(scores: Sequence[Tensor], links: Sequence[Link]) -> LinkShares:
    shares = [gradient_shares(one, link) for one, link in zip(scores, links, strict=True)]
    by_rank = torch.stack([one.mean(dim=0) for one in shares]).mean(dim=0)
    return LinkShares(
        tuple(by_rank[by_rank > 0].tolist()), tuple(effective_negatives(one).median().item() for one in shares)
    )


def _slope_temperatures(scores: Sequence[Tensor], exponents: Sequence[float]) -> dict[int, tuple[float, ...]]:
    ranks = [rank for rank in MATCHED_RANKS if all(rank <= one.shape[1] for one in scores)]
    return {
        rank: tuple(
            (shortfall(one[:, rank - 1]) / exponent).median().item()
            for one, exponent in zip(scores, exponents, strict=True)
        )
        for rank in ranks
    }


def _matched_temperature(scores: Float[Tensor, "a k"], link: Link) -> float:
    """Return the temperature of equal effective negatives, by bisection on its logarithm."""
    wanted = effective_negatives(gradient_shares(scores, link)).median()
    low, high = map(math.log, TEMPERATURE_RANGE)
    for _ in range(20):
        middle = (low + high) / 2.0
        shares = gradient_shares(scores, SoftmaxLink(math.exp(middle)))
        low, high = (middle, high) if effective_negatives(shares).median() < wanted else (low, middle)
    found = math.exp((low + high) / 2.0)
    is_inside = TEMPERATURE_RANGE[0] * 1.01 < found < TEMPERATURE_RANGE[1] / 1.01
    return found if is_inside else float("nan")
