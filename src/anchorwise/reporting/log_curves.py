"""Numbers of training logs, drawn over the steps."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from anchorwise.reporting.figures import curve_figure
from anchorwise.reporting.pictures import figure_uri
from anchorwise.reporting.report import Figures

Log = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class LogCurve:
    """One number of a training's log, drawn for every training that has it.

    Attributes:
        key: In the log.
        title: Above the axes.
        y_label: Left of the axes.
        caption: What it is and what to look at.
    """

    key: str
    title: str
    y_label: str
    caption: str


def log_figures(logs: Mapping[str, Log], curves: Sequence[LogCurve], colours: Mapping[str, str]) -> Figures | None:
    """Return one figure for every number that some log has; None where there is none.

    Args:
        logs: Records by training, named `name` or `name/seed`; every record has `step`.
        curves: What to draw.
        colours: By name without what follows a `/`.
    """
    uris, drawn = [], []
    for curve in curves:
        lines = {name: points for name, log in logs.items() if (points := points_of(log, curve.key))[0]}
        if lines:
            figure = curve_figure(lines, colours, title=curve.title, x_label="step", y_label=curve.y_label)
            uris.append(figure_uri(figure))
            drawn.append(curve)
    if not drawn:
        return None
    return Figures(uris, [curve.title for curve in drawn], captions=[curve.caption for curve in drawn])


def points_of(log: Log, key: str) -> tuple[list[float], list[float]]:
    """Return the steps and the finite values of one number of a log."""
    points = [
        (float(record["step"]), float(record[key]))
        for record in log
        if isinstance(record.get(key), int | float) and math.isfinite(record[key])
    ]
    return [step for step, _ in points], [value for _, value in points]
