"""Figures in one style, made without pyplot, so that nothing is shown, registered or left open."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy import ndarray

# Okabe and Ito's palette, told apart by all common kinds of colour vision: https://jfly.uni-koeln.de/color/
BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072B2", "#D55E00", "#009E73", "#AA4499", "#8A8F98"
PALETTE = (BLUE, ORANGE, GREEN, PURPLE)
LINE_STYLES = ("-", "--", "-.", ":")  # Told apart without colour.
Numbers = Sequence[float] | ndarray
STYLE: dict[Any, Any] = {
    "font.size": 10.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.titlesize": 11.0,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "grid.color": "#E4E6EA",
    "axes.formatter.useoffset": False,
    "lines.linewidth": 2.0,
}


def curve_figure(
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    colours: Mapping[str, str],
    *,
    title: str,
    x_label: str,
    y_label: str,
) -> Figure:
    """Return lines by name, each a pair of positions and values.

    Args:
        curves: What to draw; names that differ only after a `/` share colour, line style and legend.
        colours: By name, without what follows a `/`.
        title: Above the axes.
        x_label: Below the axes.
        y_label: Left of the axes.
    """
    figure, axes = panel(title, x_label, y_label)
    drawn: set[str] = set()
    for name, (positions, values) in curves.items():
        group = name if name in colours else name.rpartition("/")[0]  # A name may have a `/` of its own.
        style = LINE_STYLES[list(colours).index(group) % len(LINE_STYLES)]
        label = None if group in drawn else group
        draw_curve(axes, positions, values, linestyle=style, color=colours[group], linewidth=1.6, label=label)
        drawn.add(group)
    add_legend(axes)
    return figure


def draw_curve(axes: Axes, positions: Numbers, values: Numbers, **style: Any) -> None:
    """Draw a line; a single point, which has none, as a dot."""
    axes.plot(positions, values, marker="o" if len(positions) == 1 else None, **style)


def panel(title: str, x_label: str, y_label: str, *, width_inch: float = 4.2) -> tuple[Figure, Axes]:
    """Return an empty figure in the style of the reports, and its axes."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width_inch, 3.3), layout="constrained")
        axes = figure.subplots()
        axes.set_title(title)
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
        axes.locator_params(axis="x", nbins=round(width_inch))  # Few enough for labels as long as 0.99995.
    return figure, axes


def add_legend(axes: Axes, location: Literal["best", "lower right"] = "best") -> None:
    """Name what is drawn, on a ground that keeps the names legible over lines and bars; nothing if nothing is named."""
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc=location, frameon=True, framealpha=0.85, edgecolor="none", fontsize=9.0)
