"""Evaluations on a terminal."""

from rich.console import Group
from rich.table import Table
from rich.text import Text

from anchorwise._terminal import printable
from anchorwise.evaluation.results import Evaluation
from anchorwise.evaluation.unlabelled import UnlabelledEvaluation


def evaluation_table(name: str, result: Evaluation | UnlabelledEvaluation) -> Group:
    """Return the numbers of an evaluation and what their intervals cover.

    Args:
        name: What was judged, such as the name of a run.
        result: Its evaluation.
    """
    notes = [Text(printable(note), "yellow") for note in result.notes]
    if isinstance(result, UnlabelledEvaluation):
        heading = f"{name}: {result.num_rows:,} rows, judged without labels"
        return Group(*notes, _heading(heading), _grid(result.rows()))
    heading = f"{name}: {result.num_test:,} test rows, classifiers fitted on {result.num_train:,} training rows"
    return Group(
        *notes,
        _heading(heading),
        _grid(result.rows()),
        _by_neighbors(result),
        Text(result.what_intervals_cover(), "dim"),
    )


def _heading(text: str) -> Text:
    return Text(printable(text), "bold")


def _grid(rows: list[tuple[str, str, str]]) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column()
    grid.add_column(justify="right")
    grid.add_column()
    for row in rows:
        grid.add_row(*row)
    return grid


def _by_neighbors(result: Evaluation) -> Table:
    """Return accuracy and recall at fixed numbers of neighbours, side by side."""
    counts = sorted({*result.knn_accuracy, *result.recall})
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("neighbours")
    for count in counts:
        table.add_column(str(count), justify="right")
    for name, values in (("kNN %", result.knn_accuracy), ("recall %", result.recall)):
        table.add_row(name, *(f"{100 * values[count]:.2f}" if count in values else "-" for count in counts))
    return table
