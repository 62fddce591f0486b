"""How the trainings went."""

from collections.abc import Mapping

from anchorwise.demo.contenders import COLOURS
from anchorwise.reporting.log_curves import Log, LogCurve, log_figures
from anchorwise.reporting.report import Block, ReportSection, Text

EXPLANATION = "One line per seed. The losses of two objectives are different numbers: compare the other panels."
CURVES = (
    LogCurve(
        "above_chance",
        "Loss",
        "loss - log candidates",
        "Loss minus the logarithm of the number of candidates: 0 is guessing which view is the partner.",
    ),
    LogCurve(
        "knn_accuracy",
        "kNN while training",
        "accuracy",
        "Accuracy of nearest neighbours on a fifth of the training images, by the labels of the others.",
    ),
    LogCurve(
        "lambda",
        "Lambda of WEINCE",
        "mean over anchors",
        "Share of the shortfall link in WEINCE's logits; 0 is InfoNCE.",
    ),
)


def curve_section(logs: Mapping[str, Log]) -> ReportSection:
    """Return the section with the curves.

    Args:
        logs: Records by training, named `objective/seed`; every record has `step` and some of the numbers in `CURVES`.
    """
    figures = log_figures(logs, CURVES, COLOURS)
    blocks: list[Block] = [Text([EXPLANATION])]
    return ReportSection("Training", blocks if figures is None else [*blocks, figures])
