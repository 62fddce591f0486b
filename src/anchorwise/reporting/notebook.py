"""Results as a notebook shows them."""

from collections.abc import Sequence
from html import escape


def notebook_table(paragraphs: Sequence[str], rows: Sequence[Sequence[str]], columns: Sequence[str] = ()) -> str:
    """Return paragraphs above a table, the second cell of its rows in bold; every text is escaped.

    Args:
        paragraphs: What stands above.
        rows: Cells, the first of which names the row.
        columns: Names of the columns, where they have some.
    """
    above = "".join(f"<p>{escape(text)}</p>" for text in paragraphs)
    head = f"<tr>{''.join(f'<th>{escape(column)}</th>' for column in columns)}</tr>" if columns else ""
    return f'{above}<table style="text-align: left">{head}{"".join(map(_row, rows))}</table>'


def _row(cells: Sequence[str]) -> str:
    name, answer, *others = (escape(cell) for cell in cells)
    shown = (name, f"<b>{answer}</b>", *others)
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in shown)}</tr>"
