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
            "Numbers", [_numbers(result), *_by_place(result), Text([*result.notes, result.what_intervals_cover()])]
        )
    ]
    if any(judged.by_class for judged in result.judged.values()):
        sections.append(ReportSection("Class by class", [_by_class(result)]))
    sections.append(ReportSection("How it was made", [Facts(environment()), *_settings(result)]))
    return Report(f"What the features of {source} are worth", result.headline, sections)


def _numbers(result: Evaluation) -> Table:
    return Table(("Measure", "value", "interval"), [list(row) for row in result.rows()])


def _by_place(result: Evaluation) -> list[Table]:
    return [Table((table.places, *table.columns), [list(row) for row in table.rows]) for table in result.tables()]


def _by_class(result: Evaluation) -> Table:
    by_judge = {name: judged.by_class for name, judged in result.judged.items() if judged.by_class}
    classes = dict.fromkeys(name for shares in by_judge.values() for name in shares)
    rows = [
        [name, *(f"{100 * shares[name]:.1f}" if name in shares else "-" for shares in by_judge.values())]
        for name in classes
    ]
    return Table(("Class", *(f"{judge}, %" for judge in by_judge)), rows, "Share of the test rows of the class.")


def _settings(result: Evaluation) -> list[Block]:
    return [Code(result.config.model_dump_json(indent=2), summary="All settings")]
