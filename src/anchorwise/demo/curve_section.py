"""How the trainings went."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from anchorwise.demo.contenders import COLOURS
from anchorwise.reporting.figures import curve_figure
from anchorwise.reporting.pictures import figure_uri
from anchorwise.reporting.report import Figures, ReportSection, Text


@dataclass(frozen=True)
class Curve:
    """One number of a training's log, drawn for every training that has it.

    Attributes:
        key: In the log.
        title: Above the axes.
        y_label: Left of the axes.
        explanation: For the caption.
    """

    key: str
    title: str
    y_label: str
    explanation: str


CURVES = (
    Curve(
        "above_chance",
        "Loss",
        "loss - log candidates",
        "Loss minus the logarithm of the number of candidates: 0 is guessing which view is the partner.",
    ),
    Curve(
        "knn_accuracy",
        "kNN while training",
        "accuracy",
        "Accuracy of nearest neighbours on a fifth of the training images, by the labels of the others.",
    ),
    Curve(
        "hardest_score",
        "Hardest negative",
        "cosine, median over anchors",
        "Cosine of an anchor's hardest negative in its batch; 1 is the end.",
    ),
    Curve(
        "lambda",
        "Lambda of WEINCE",
        "mean over anchors",
        "Share of the shortfall link in WEINCE's logits; 0 is InfoNCE.",
    ),
)


def curve_section(logs: Mapping[str, Sequence[Mapping[str, Any]]]) -> ReportSection:
    """Return the section with the curves.

    Args:
        logs: Records by training, named `objective/seed`; every record has `step` and some of the numbers in `CURVES`.
    """
    uris, explanations = [], []
    for curve in CURVES:
        lines = {name: points for name, log in logs.items() if (points := _points(log, curve.key))[0]}
        if lines:
            figure = curve_figure(lines, COLOURS, title=curve.title, x_label="step", y_label=curve.y_label)
            uris.append(figure_uri(figure))
            explanations.append(curve.explanation)
    caption = "One line per seed. The losses of two objectives are different numbers: compare the other panels."
    return ReportSection("Training", [Figures(uris, explanations, caption), Text([" ".join(explanations)])])


def _points(log: Sequence[Mapping[str, Any]], key: str) -> tuple[list[float], list[float]]:
    points = [
        (float(record["step"]), float(record[key]))
        for record in log
        if isinstance(record.get(key), int | float) and math.isfinite(record[key])
    ]
    return [step for step, _ in points], [value for _, value in points]
