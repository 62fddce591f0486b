"""Evaluations on a terminal."""

from rich.console import Group
from rich.table import Table
from rich.text import Text

from anchorwise._terminal import printable
from anchorwise.evaluation.results import NO_TRAINING, Evaluation, Places, brackets
from anchorwise.evaluation.transfer import Transfer
from anchorwise.evaluation.unlabelled import UnlabelledEvaluation
from anchorwise.reporting.wording import counted


def evaluation_table(name: str, result: Evaluation | UnlabelledEvaluation | Transfer) -> Group:
    """Return the numbers of an evaluation and what their intervals cover.

    Args:
        name: What was judged, such as the name of a run.
        result: Its evaluation, or those on several data sets.
    """
    if isinstance(result, Transfer):
        return _transfer_table(name, result)
    notes = [Text(printable(note), "yellow") for note in result.notes]
    if isinstance(result, UnlabelledEvaluation):
        heading = f"{name}: {result.num_rows:,} rows, judged without labels"
        return Group(*notes, _heading(heading), _grid(result.rows()))
    heading = (
        f"{name}: {result.num_test:,} test rows, classifiers fitted on {result.num_train:,} training rows, "
        f"{result.num_features:,} features"
    )
    return Group(
        *notes,
        _heading(heading),
        _grid(result.rows()),
        *map(_by_place, result.tables()),
        Text(result.what_intervals_cover(), "dim"),
    )


def _transfer_table(name: str, result: Transfer) -> Group:
    failed = [Text(printable(f"{data_set} failed: {words}"), "red") for data_set, words in result.failures.items()]
    notes = [
        Text(printable(f"{data_set}: {note}"), "yellow")
        for data_set, one in result.results.items()
        for note in one.notes
    ]
    table = Table(box=None, padding=(0, 2, 0, 0))
    for position, column in enumerate(result.columns()):
        table.add_column(column, justify="right" if position else "left")
    for row in result.rows():
        table.add_row(*map(printable, row))
    words = Text("\n".join([*brackets(list(result.results.values())), NO_TRAINING]), "dim")
    return Group(*notes, *failed, _heading(f"{name} on {counted(len(result.results), 'data set')}"), table, words)


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


def _by_place(table: Places) -> Table:
    """Return one question asked at several places, side by side."""
    shown = Table(box=None, padding=(0, 2, 0, 0))
    shown.add_column(table.places)
    for column in table.columns:
        shown.add_column(column, justify="right")
    for row in table.rows:
        shown.add_row(*row)
    return shown
