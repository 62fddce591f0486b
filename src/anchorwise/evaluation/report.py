"""The report of an evaluation, one HTML file."""

from anchorwise.evaluation.results import Evaluation
from anchorwise.reporting.environment import environment
from anchorwise.reporting.report import Block, Code, Facts, Report, ReportSection, Table, Text


def evaluation_report(result: Evaluation, *, source: str) -> Report:
    """Return the report.

    Args:
        result: What to report.
        source: What was judged, for the title.
    """
    sections = [
        ReportSection(
            "Numbers", [_numbers(result), _by_neighbors(result), Text([*result.notes, result.what_intervals_cover()])]
        ),
        ReportSection("Class by class", [_by_class(result)]),
        ReportSection("How it was made", [Facts(environment()), *_settings(result)]),
    ]
    return Report(f"What the features of {source} are worth", result.headline, sections)


def _numbers(result: Evaluation) -> Table:
    return Table(("Measure", "value", "interval"), [list(row) for row in result.rows()])


def _by_neighbors(result: Evaluation) -> Table:
    counts = sorted({*result.knn_accuracy, *result.recall})
    rows = [
        [name, *(f"{100 * values[count]:.2f}" if count in values else "-" for count in counts)]
        for name, values in (("kNN, %", result.knn_accuracy), ("recall, %", result.recall))
    ]
    return Table(("Neighbours", *map(str, counts)), rows)


def _by_class(result: Evaluation) -> Table:
    rows = [[name, f"{100 * accuracy:.1f}"] for name, accuracy in result.class_accuracy.items()]
    return Table(("Class", "%"), rows, "Linear probe, % of the test rows of the class.")


def _settings(result: Evaluation) -> list[Block]:
    return [Code(result.config.model_dump_json(indent=2), summary="All settings")]
