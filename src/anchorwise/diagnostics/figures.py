"""Pictures of where the hardest negatives end.

Figures are made without pyplot, so nothing is shown, registered or left open.
"""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from anchorwise.diagnostics.exceedances import HISTOGRAM_EDGES, PooledExceedances
from anchorwise.diagnostics.laws import Law, TailFit
from anchorwise.reporting.figures import GREEN, GREY, PURPLE, add_legend, panel

MOST_BINS, FEWEST_BINS = 40, 8


def exceedance_figure(exceedances: PooledExceedances, fit: TailFit, *, title: str, log_density: bool = False) -> Figure:
    """Return the density of the exceedances with both laws, on a linear or a logarithmic axis.

    Args:
        exceedances: What to draw.
        fit: The laws; where it has not converged the histogram stands alone.
        title: Above the axes.
        log_density: Logarithmic axis, on which the exponential is a straight line.
    """
    figure, axes = panel(title, "cosine of the negative", "density of exceedances")
    y, threshold = exceedances.values, exceedances.threshold
    edges = np.linspace(0.0, max(float(y.max(initial=0.0)) * 1.02, 1e-6), _num_bins(len(y)) + 1)
    if len(y):
        density = np.histogram(y, edges, density=True)[0]
        axes.stairs(density, edges + threshold, fill=True, color="#C9D2DC", label="negatives")
    # Up to the end of the picture, not of the data: what a law expects beyond them is the point.
    grid = np.linspace(0.0, min(edges[-1] * 1.25, exceedances.endpoint_distance), 400)
    for law, name, colour, dashes in laws_of(fit):
        axes.plot(grid + threshold, law.density(grid), color=colour, linestyle=dashes, label=name)
    add_legend(axes)
    if log_density and len(y):
        axes.set_yscale("log")
        axes.set_ylim(bottom=0.3 / (len(y) * (edges[1] - edges[0])))
    return figure


def _num_bins(num_values: int) -> int:
    """Return Rice's number of bins, 2 n^(1/3), so that few values give a shape and not single spikes."""
    return min(max(round(2.0 * num_values ** (1.0 / 3.0)), FEWEST_BINS), MOST_BINS)


def quantile_figure(exceedances: PooledExceedances, fit: TailFit, *, title: str) -> Figure:
    """Return a QQ plot: the cosines against what each law expects at the same rank; on the diagonal the law holds."""
    figure, axes = panel(title, "expected by the law", "measured cosine")
    y, threshold = np.sort(exceedances.values), exceedances.threshold
    # A thousand ranks draw the same curve as a million; the highest ones are all kept.
    ranks = np.unique(
        np.r_[np.linspace(1, max(len(y), 1), 500).astype(int), np.arange(max(1, len(y) - 99), len(y) + 1)]
    )
    ranks = ranks[ranks <= len(y)]
    measured, probability = y[ranks - 1] + threshold, ranks / (len(y) + 1.0)
    for law, name, colour, marker in laws_of(fit, ("o", "s")):
        expected = law.quantile(probability) + threshold
        axes.plot(expected, measured, color=colour, linestyle="none", marker=marker, markersize=3.0, label=name)
    if len(y):
        axes.axline((threshold, threshold), slope=1.0, color=GREY, linewidth=1.0)
    axes.axhline(1.0, color=GREY, linewidth=1.0, linestyle=":")
    add_legend(axes, "lower right")
    return figure


def cosine_figure(exceedances: Mapping[str, PooledExceedances], colours: Mapping[str, str], *, title: str) -> Figure:
    """Return the distribution of all negatives' cosines, one line per name, with the thresholds marked."""
    figure, axes = panel(title, "cosine of the negative", "share of negatives per 0.01", width_inch=4.8)
    for name, item in exceedances.items():
        colour = colours[name]
        shares = item.histogram / max(1, item.num_negatives)
        axes.stairs(shares, HISTOGRAM_EDGES, color=colour, linewidth=1.8, label=name)
        axes.axvline(item.threshold, color=colour, linewidth=1.0, linestyle="--")
    axes.axvline(1.0, color=GREY, linewidth=1.0, linestyle=":")
    axes.set_yscale("log")
    axes.set_xlim(-1.0, 1.02)
    if len(exceedances) > 1:  # Below: beside the lines there is no room that is always free.
        figure.set_size_inches(4.8, 3.3 + 0.2 * len(exceedances))
        figure.legend(loc="outside lower left", frameon=False, fontsize=9.0)
    return figure


def laws_of(fit: TailFit, styles: tuple[str, str] = ("--", "-")) -> list[tuple[Law, str, str, str]]:
    """Return both laws, each with name, colour and line style or marker; nothing where they could not be fitted."""
    if fit.exponential is None or fit.shortfall is None:
        return []
    return [
        (fit.exponential, "exponential", PURPLE, styles[0]),
        (fit.shortfall, "shortfall power law", GREEN, styles[1]),
    ]
