"""A diagnosis as a terminal table."""

from rich.console import Group
from rich.table import Table
from rich.text import Text

from anchorwise.diagnostics.diagnosis import Diagnosis
from anchorwise.diagnostics.verdict import INCONCLUSIVE


def diagnosis_table(found: Diagnosis) -> Group:
    """Return questions, answers and what they rest on, below what was done to the rows."""
    table = Table(show_lines=True, title="The hardest negatives", show_header=False)
    table.add_column(ratio=2)
    table.add_column(ratio=3)
    for one in found.verdict.statements:
        style = "bold yellow" if one.answer == INCONCLUSIVE else "bold green"
        numbers = "\n".join(f"{name}: {value}" for name, value in one.numbers.items())
        table.add_row(
            Text.assemble(one.question, "\n", (one.answer, style)), Text.assemble(one.text, "\n\n", (numbers, "dim"))
        )
    return Group(*(Text(note, "yellow") for note in found.notes), table)
