"""Disjoint draws of anchors: what is said must hold in every one of them."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from anchorwise.diagnostics.anchors import AnchorReadings
from anchorwise.diagnostics.exceedances import PooledExceedances
from anchorwise.diagnostics.goodness import LEVEL, Goodness, goodness_of_fit
from anchorwise.diagnostics.laws import MIN_EXCEEDANCES
from anchorwise.diagnostics.pooled import PooledEstimate, ThresholdFit, bootstrap_weights, fit_excess, share_of
from anchorwise.diagnostics.rows import Rows
from anchorwise.diagnostics.stream import Tails

# a = anchors

MIN_BLOCKS = 20  # In a draw; with fewer, resampling them says little.


@dataclass(frozen=True)
class Blocks:
    """What comes and goes together in the bootstrap.

    Attributes:
        kind: "classes" where labels give at least 20 of them for every draw, otherwise "items".
        of_anchor: The block of every sampled anchor, from 0.
    """

    kind: str
    of_anchor: Int[np.ndarray, " a"]


@dataclass(frozen=True)
class Draw:
    """What a part of the anchors says by itself.

    Attributes:
        num_anchors: Anchors in the draw that have a statement.
        num_blocks: Blocks that these are of.
        rejecting: Share of them whose tail rejects the exponential law at 5 % in favour of the shortfall law.
        refusing: Share of them whose tail is, at 5 %, a sample of neither law.
        delta_aic: Median over anchors; above 0 the shortfall law is likelier.
        exponent: Median over anchors.
        pooled: The free law of the draw's scores above the common threshold; None where there are too few.
        goodness: p-values of both laws on these scores; None where there are too few.
    """

    num_anchors: int
    num_blocks: int
    rejecting: PooledEstimate
    refusing: PooledEstimate
    delta_aic: float
    exponent: float
    pooled: ThresholdFit | None
    goodness: Goodness | None


def blocks_of(rows: Rows, tails: Tails, num_draws: int) -> Blocks:
    """Return the blocks of the sampled anchors."""
    items = tails.anchors % rows.num_items
    if rows.labels is not None and len(np.unique(rows.labels[items])) >= MIN_BLOCKS * num_draws:
        return Blocks("classes", np.unique(rows.labels[items], return_inverse=True)[1])
    return Blocks("items", _in_order_of_appearance(rows.groups[items]))


def read_draws(
    tails: Tails, readings: AnchorReadings, blocks: Blocks, exceedances: PooledExceedances, *, num_draws: int, seed: int
) -> tuple[Draw, ...]:
    """Split the anchors into draws that share no block, and read each."""
    return tuple(
        _read(tails, readings, blocks.of_anchor, exceedances, blocks.of_anchor % num_draws == draw, seed + draw)
        for draw in range(num_draws)
    )


def _read(
    tails: Tails,
    readings: AnchorReadings,
    blocks: np.ndarray,
    exceedances: PooledExceedances,
    in_draw: np.ndarray,
    seed: int,
) -> Draw:
    rng, usable = np.random.default_rng(seed), in_draw & readings.converged
    renumbered = np.zeros_like(blocks)
    renumbered[in_draw] = np.unique(blocks[in_draw], return_inverse=True)[1]
    weights = bootstrap_weights(int(renumbered.max()) + 1, seed)
    rejecting = (readings.p_value < LEVEL) & (readings.delta_aic > 0)
    refusing = (readings.shortfall_p_value < LEVEL) & (readings.exponential_p_value < LEVEL)
    anchors = tails.pooled.anchors[: len(exceedances.values)]
    excess = exceedances.values[in_draw[anchors]]
    pooled = goodness = None
    if len(excess) >= MIN_EXCEEDANCES and excess.mean() > np.finfo(float).eps:
        pooled = fit_excess(excess, renumbered[anchors[in_draw[anchors]]], exceedances.threshold, weights)
        part = PooledExceedances(excess, exceedances.threshold, exceedances.num_negatives, 0, exceedances.histogram)
        goodness = goodness_of_fit(part, rng)
    return Draw(
        num_anchors=int(usable.sum()),
        num_blocks=len(np.unique(blocks[usable])),
        rejecting=share_of(rejecting[usable], renumbered[usable], weights),
        refusing=share_of(refusing[usable], renumbered[usable], weights),
        delta_aic=_median(readings.delta_aic[usable]),
        exponent=_median(readings.exponent[usable]),
        pooled=pooled,
        goodness=goodness,
    )


def _median(values: np.ndarray) -> float:
    return float(np.median(values)) if len(values) else float("nan")


def _in_order_of_appearance(values: np.ndarray) -> np.ndarray:
    _, first, inverse = np.unique(values, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse]
