"""How the tail moves while an encoder trains, from the lines of its log."""

from collections.abc import Mapping, Sequence

from anchorwise.reporting.figures import BLUE
from anchorwise.reporting.log_curves import Log, LogCurve, log_figures, points_of
from anchorwise.reporting.report import ReportSection, Table, Text

EXPLANATION = (
    "Read off the batches of the training itself, every few steps. First and last are means over the first and the "
    "last tenth of the lines of the log."
)
CURVES = (
    LogCurve(
        "hardest_score",
        "Hardest negative",
        "cosine, median",
        "Does it climb towards 1 while the encoder learns? Then the ceiling comes into play.",
    ),
    LogCurve(
        "tail_exponent",
        "Exponent of the tail",
        "exponent, median",
        "Falling: negatives crowd the ceiling more and more. Level: the tail has found its form.",
    ),
    LogCurve(
        "tail_evidence",
        "Evidence",
        "lead of the law that ends at 1",
        "Above 0 the law that ends at 1 describes a typical anchor's hardest negatives better.",
    ),
    LogCurve(
        "tail_temperature",
        "Temperature as steep",
        "(1 - cosine) / exponent",
        "The temperature at which softmax is as steep at the hardest negative as the shortfall link.",
    ),
)


def training_section(logs: Mapping[str, Log], colours: Mapping[str, str] | None = None) -> ReportSection | None:
    """Return the section; None where no log has statistics of tails.

    Args:
        logs: Records by training, named `name` or `name/seed`; every record has `step`.
        colours: By name without what follows a `/`.
    """
    figures = log_figures(logs, CURVES, colours or {name.partition("/")[0]: BLUE for name in logs})
    if figures is None:
        return None
    rows = [
        [f"{curve.title}, {', seed '.join(name.rsplit('/', 1))}", *_first_and_last(values)]
        for curve in CURVES
        for name, log in logs.items()
        if (values := points_of(log, curve.key)[1])
    ]
    # Of several trainings the pictures say it; the numbers are for whoever looks for one.
    table = Table(("Number", "first", "last"), rows, summary="First and last, by training" if len(logs) > 1 else "")
    return ReportSection("How the tail moved in training", [Text([EXPLANATION]), figures, table])


def _first_and_last(values: Sequence[float]) -> tuple[str, str]:
    count = max(1, len(values) // 10)
    return f"{sum(values[:count]) / count:.3f}", f"{sum(values[-count:]) / count:.3f}"
