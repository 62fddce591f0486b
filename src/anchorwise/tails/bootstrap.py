"""Intervals where negatives move together: whole clusters or samples are drawn again, with replacement.

Negatives of one class, views of one sample and frames of one video rise and fall together. An anchor's tail then holds
fewer independent facts than points: estimates scatter more than their standard errors say, intervals for independent
scores miss the truth more often than stated, and p-values are too small. What moves together is a block, and drawing
blocks instead of scores repeats that scatter.

Source: Field and Welsh 2007, "Bootstrapping clustered data", https://doi.org/10.1111/j.1467-9868.2007.00593.x, the
cluster bootstrap; Efron 1979, https://doi.org/10.1214/aos/1176344552, for percentile intervals.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from anchorwise import _checks, _tensor_checks

# a = anchors, k = scores of an anchor

FEW_BLOCKS = 30


@final
@dataclass(frozen=True)
class BootstrapInterval:
    """A statistic, and how it scatters when blocks are drawn again.

    Attributes:
        estimate: The statistic of the scores as given.
        standard_error: Standard deviation over the resamples.
        low: Lower end of the percentile interval.
        high: Upper end of the percentile interval.
        replicates: The statistic of every resample, along the first axis; not a number where it had no value.
        converged: Whether estimate and interval can be used.
        message: What to know; empty if nothing.
    """

    estimate: Float[Tensor, "*shape"]
    standard_error: Float[Tensor, "*shape"]
    low: Float[Tensor, "*shape"]
    high: Float[Tensor, "*shape"]
    replicates: Float[Tensor, "..."]
    converged: Bool[Tensor, "*shape"]
    message: str


@torch.no_grad()
def block_bootstrap(
    statistic: Callable[[Tensor], Tensor],
    scores: Float[Tensor, "a k"],
    *,
    blocks: Int[Tensor, " k"],
    generator: torch.Generator,
    row_blocks: Int[Tensor, " a"] | None = None,
    num_resamples: int = 500,
    level: float = 0.95,
) -> BootstrapInterval:
    """Return a statistic of scores with an interval that allows for dependence inside blocks.

        block_bootstrap(lambda s: hill_estimate(s, num_tail=51).exponent, scores, blocks=sample_of_negative, ...)

    Dependence between blocks is not allowed for: take blocks as large as what moves together (the class rather than
    the sample, if classes cluster), and at least some dozens of them. The interval is about the law that these blocks
    were drawn from, for the anchors as given; name the anchors' blocks too if the statistic pools anchors and is to
    speak of others. It cannot reach beyond the largest score, so it is of no use for endpoints.

    Args:
        statistic: Takes scores of any number of columns (and rows, if `row_blocks` is given) and returns one or more
            numbers, always as many.
        scores: Cosines of every anchor with its negatives; minus infinity where a pair does not count.
        blocks: For every negative the number of its sample, or cluster.
        generator: Draws the blocks.
        row_blocks: For every anchor the number of its sample or cluster, in the same numbering. Anchors are then drawn
            with their block; None keeps them.
        num_resamples: Resamples, at least 2.
        level: Of the interval, inside (0, 1).

    Raises:
        ValueError: If an argument is out of range, `scores` is no matrix, or a row or column has no block.
        TypeError: If `scores` is no floating tensor, or `statistic` returns no tensor.
    """
    _tensor_checks.score_rows(scores)
    _tensor_checks.one_block_each("blocks", blocks, "column", scores.shape[1])
    if row_blocks is not None:
        _tensor_checks.one_block_each("row_blocks", row_blocks, "row", scores.shape[0])
    outside = (1.0 - _checks.level(level)) / 2.0
    _checks.count("num_resamples", num_resamples, lowest=2)
    given = blocks if row_blocks is None else torch.cat([row_blocks, blocks])
    names = given.unique()
    columns, rows = _members(blocks, names), None if row_blocks is None else _members(row_blocks, names)
    replicates = []
    for _ in range(num_resamples):
        drawn = torch.randint(len(names), (len(names),), generator=generator, device=generator.device).tolist()
        sample = scores if rows is None else scores[torch.cat([rows[block] for block in drawn])]
        replicates.append(_number(statistic(sample[:, torch.cat([columns[block] for block in drawn])])))
    return _interval(_number(statistic(scores)), torch.stack(replicates), outside, len(names))


def _number(found: object) -> Tensor:
    if not isinstance(found, Tensor):
        raise TypeError(
            f"statistic must return a tensor, got {_checks.kind_of(found)}; of an estimate return one of its numbers, "
            "such as .exponent, and convert others with torch.as_tensor"
        )
    return found


def _interval(estimate: Tensor, replicates: Tensor, outside: float, num_blocks: int) -> BootstrapInterval:
    found = replicates.isfinite()
    known = torch.where(found, replicates, torch.nan)
    mean = known.nanmean(dim=0)
    deviation = ((known - mean).square().nansum(dim=0) / (found.sum(dim=0) - 1).clamp_min(1)).sqrt()
    # Where a statistic often fails on resamples, the others are no fair sample.
    usable = estimate.isfinite() & (found.double().mean(dim=0) >= 0.9) & (num_blocks > 1)
    message = ""
    if num_blocks < FEW_BLOCKS:
        message = f"{num_blocks} blocks: intervals from fewer than {FEW_BLOCKS} are too short"
    low, high = (torch.where(usable, known.nanquantile(p, dim=0), torch.nan) for p in (outside, 1.0 - outside))
    error = torch.where(usable, deviation, torch.nan)
    return BootstrapInterval(estimate, error, low, high, known, usable, message)


def _members(blocks: Int[Tensor, " k"], names: Int[Tensor, " n"]) -> list[Tensor]:
    """Return the places of every named block."""
    index = torch.searchsorted(names, blocks)
    sizes = torch.bincount(index, minlength=len(names)).tolist()
    return list(index.argsort(stable=True).split(sizes))
