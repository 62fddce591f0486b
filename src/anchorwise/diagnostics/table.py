"""A diagnosis on a terminal: an answer a line, and what it rests on for those who ask."""

from rich.console import Group
from rich.table import Table
from rich.text import Text

from anchorwise._terminal import printable
from anchorwise.diagnostics.diagnosis import Diagnosis
from anchorwise.diagnostics.statements import INCONCLUSIVE, Statement


def diagnosis_table(found: Diagnosis, *, verbose: bool = False) -> Group:
    """Return the answers, one a line, below what was done to the rows.

    Args:
        found: The diagnosis.
        verbose: Add what every answer means and rests on.
    """
    table = Table.grid(padding=(0, 2))
    for one in found.verdict.statements:
        table.add_row(one.topic, _answer(one))
    notes = [Text(printable(note), "yellow") for note in found.notes]
    return Group(*notes, table, *([_evidence(found)] if verbose else []))


def _evidence(found: Diagnosis) -> Table:
    table = Table(show_lines=True, show_header=False)
    table.add_column(ratio=2)
    table.add_column(ratio=3)
    for one in found.verdict.statements:
        numbers = "\n".join(f"{name}: {value}" for name, value in one.numbers.items())
        table.add_row(
            Text.assemble(one.question, "\n", _answer(one)), Text.assemble(one.text, "\n\n", (numbers, "dim"))
        )
    return table


def _answer(one: Statement) -> Text:
    return Text(one.answer, "bold yellow" if one.answer == INCONCLUSIVE else "bold green")
