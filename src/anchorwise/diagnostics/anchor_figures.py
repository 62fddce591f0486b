"""Pictures of what differs between anchors, of what links do, and of the space."""

import numpy as np
from matplotlib.figure import Figure

from anchorwise.diagnostics.gradient import SHORTFALL, WEINCE, LinkReport
from anchorwise.diagnostics.space import SpaceReport
from anchorwise.reporting.figures import BLUE, GREEN, GREY, ORANGE, add_legend, panel

NUM_BINS = 40
SOFTMAX_COLOURS = ("#08519C", "#3182BD", "#6BAED6", "#9ECAE1")
CUT = (0.005, 0.995)  # Quantiles beyond which a histogram gathers what is there in its last bins.


def histogram_figure(values: np.ndarray, *, title: str, x_label: str, marks: dict[str, float] | None = None) -> Figure:
    """Return how a number is spread over anchors.

    Args:
        values: One per anchor; those that are not finite are left out.
        title: Above the axes.
        x_label: Below the axes.
        marks: Vertical lines by name.
    """
    figure, axes = panel(title, x_label, "anchors")
    finite = values[np.isfinite(values)]
    if len(finite):
        low, high = np.quantile(finite, CUT)
        high = high if high > low else low + 1.0
        edges = np.linspace(low, high, NUM_BINS + 1)
        counts = np.histogram(finite.clip(low, high), edges)[0]
        axes.stairs(counts, edges, fill=True, color="#9DB4CB")
        axes.axvline(float(np.median(finite)), color=BLUE, linewidth=1.6, label="median")
    for name, position in (marks or {}).items():
        axes.axvline(position, color=ORANGE, linestyle="--", linewidth=1.6, label=name)
    add_legend(axes)
    return figure


def gradient_figure(links: LinkReport) -> Figure:
    """Return the share of an anchor's gradient that its hardest negatives get, by how many of them."""
    figure, axes = panel("Who is pushed away?", "hardest negatives", "their share of the gradient", width_inch=4.8)
    softmax = [name for name in links.shares if name not in (WEINCE, SHORTFALL)]
    colours = dict(zip(softmax, [SOFTMAX_COLOURS[index % 4] for index in range(len(softmax))], strict=True))
    styles = {
        **{name: (colour, "-") for name, colour in colours.items()},
        WEINCE: (ORANGE, "-."),
        SHORTFALL: (GREEN, "--"),
    }
    for name, shares in links.shares.items():
        colour, style = styles[name]
        cumulative = np.cumsum(shares.share_by_rank)
        axes.plot(np.arange(1, len(cumulative) + 1), cumulative, style, color=colour, linewidth=1.8, label=name)
    axes.set_xscale("log")
    axes.set_ylim(0.0, 1.02)
    figure.set_size_inches(4.8, 4.4)
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=9.0)
    return figure


def same_class_figure(shares: np.ndarray) -> Figure:
    """Return the share of negatives of the anchor's own class, by rank."""
    labels = "rank of the negative, hardest first", "share of the anchor's class"
    figure, axes = panel("False negatives by rank", *labels, width_inch=4.8)
    axes.plot(np.arange(1, len(shares) + 1), shares, color=BLUE)
    axes.set_xscale("log")
    axes.set_ylim(0.0, 1.02)
    return figure


def spectrum_figure(space: SpaceReport) -> Figure:
    """Return the singular values of the covariance, on a logarithmic axis."""
    figure, axes = panel("Directions in use", "direction, strongest first", "variance along it", width_inch=4.8)
    values = np.maximum(space.spectrum, 1e-12)
    axes.plot(np.arange(1, len(values) + 1), values, color=BLUE)
    axes.axvline(space.effective_rank, color=GREY, linestyle="--", linewidth=1.2, label="effective rank")
    axes.set_yscale("log")
    add_legend(axes)
    return figure
