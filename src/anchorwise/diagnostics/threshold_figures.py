"""Pictures of what the choice of the threshold does, and of what the laws expect beyond the data."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from anchorwise.diagnostics.exceedances import PooledExceedances
from anchorwise.diagnostics.figures import laws_of
from anchorwise.diagnostics.laws import TailFit
from anchorwise.diagnostics.pooled import PooledEstimate, ThresholdChoice
from anchorwise.reporting.figures import BLUE, GREEN, GREY, ORANGE, PURPLE, add_legend, panel


def mean_excess_figure(choice: ThresholdChoice, fit: TailFit) -> Figure:
    """Return the mean excess above every threshold, beside what both laws expect of it."""
    figure, axes = panel("Mean excess", "threshold (cosine)", "mean of cosine - threshold")
    _band(axes, choice, [one.mean_excess for one in choice.fits], "measured, 95 %")
    top = np.linspace(choice.fit.threshold, choice.fits[-1].threshold, 50)
    if fit.exponential is not None and top[0] < top[-1]:
        axes.plot(top, np.full_like(top, fit.exponential.scale), "--", color=PURPLE, label="exponential")
        expected = (1.0 - top) / (fit.exponent + 1.0)
        axes.plot(top, expected, color=GREEN, label="shortfall power law")
    axes.set_ylim(bottom=0.0)
    add_legend(axes)
    return figure


def shape_figure(choice: ThresholdChoice) -> Figure:
    """Return the shape of the free law above every threshold."""
    figure, axes = panel("Shape", "threshold (cosine)", "shape of the free law")
    _band(axes, choice, [one.shape for one in choice.fits], "shape, 95 %")
    axes.axhline(0.0, color=PURPLE, linestyle="--", linewidth=1.4, label="0: no end")
    add_legend(axes)
    return figure


def endpoint_figure(choice: ThresholdChoice) -> Figure:
    """Return where the free law ends, above every threshold; ends beyond 1.5 are cut."""
    figure, axes = panel("Fitted end", "threshold (cosine)", "cosine at which the law ends")
    _band(axes, choice, [one.endpoint for one in choice.fits], "end, 95 %", most=1.5)
    axes.axhline(1.0, color=GREY, linestyle=":", linewidth=1.4, label="1, the cap of cosines")
    add_legend(axes)
    return figure


def return_level_figure(exceedances: PooledExceedances, fit: TailFit) -> Figure:
    """Return the cosine that one in so many negatives exceeds, measured and by the laws, beyond the data too."""
    figure, axes = panel("How near do negatives come?", "one in so many negatives", "has at least this cosine")
    y = exceedances.values
    share = len(y) / max(exceedances.num_negatives, 1)
    ranks = np.unique(np.geomspace(1, max(len(y), 1), 200).astype(int))
    ranks = ranks[ranks <= len(y)]
    axes.plot(len(y) / ranks / share, y[ranks - 1] + exceedances.threshold, ".", color=GREY, label="measured")
    odds = np.geomspace(1.0, 100.0 * max(len(y), 1), 300)
    for law, name, colour, dashes in laws_of(fit):
        axes.plot(
            odds / share, law.quantile(1.0 - 1.0 / odds) + exceedances.threshold, dashes, color=colour, label=name
        )
    axes.axhline(1.0, color=GREY, linewidth=1.0, linestyle=":")
    axes.set_xscale("log")
    axes.set_ylim(top=min(axes.get_ylim()[1], 1.2))
    add_legend(axes)
    return figure


def _band(
    axes: Axes, choice: ThresholdChoice, found: Sequence[PooledEstimate], label: str, most: float = np.inf
) -> None:
    """Draw estimates with their intervals over the thresholds, and mark the one that is used."""
    thresholds = [fit.threshold for fit in choice.fits]
    value, low, high = (
        np.minimum([np.inf if one is None else one for one in numbers], most)
        for numbers in zip(*((one.value, one.low, one.high) for one in found), strict=True)
    )
    axes.fill_between(thresholds, low, high, color=BLUE, alpha=0.2, linewidth=0.0)
    axes.plot(thresholds, value, "o-", color=BLUE, markersize=3.5, linewidth=1.4, label=label)
    axes.axvline(choice.fit.threshold, color=ORANGE, linewidth=1.2, linestyle="--", label="threshold used")
