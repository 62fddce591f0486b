"""A diagnosis as a terminal table."""

import textwrap

from rich.console import Group
from rich.table import Table
from rich.text import Text

from anchorwise.diagnostics.diagnosis import Diagnosis
from anchorwise.diagnostics.verdict import INCONCLUSIVE


def diagnosis_table(found: Diagnosis) -> Group:
    """Return questions, answers and what they rest on, below what was done to the rows."""
    table = Table(show_lines=True, title="The hardest negatives")
    table.add_column("Question", ratio=2)
    table.add_column("Answer", ratio=1)
    table.add_column("What it means, and the numbers behind it", ratio=4)
    for one in found.verdict.statements:
        style = "yellow" if one.answer == INCONCLUSIVE else "bold"
        numbers = "\n".join(f"{name}: {textwrap.shorten(value, 120)}" for name, value in one.numbers.items())
        table.add_row(one.question, Text(one.answer, style), Text.assemble(one.text, "\n", (numbers, "dim")))
    return Group(*(Text(note, "yellow") for note in found.notes), table)
