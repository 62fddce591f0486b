"""`anchorwise runs`: a folder of runs at a glance."""

from pathlib import Path
from typing import Annotated

import typer

_TERMINAL = ("run", "state", "test linear", "kNN", "loss", "method", "objective", "steps")


def runs(
    folder: Annotated[Path, typer.Argument(help="Folder with run directories in it, at any depth.")] = Path("runs"),
    out: Annotated[Path | None, typer.Option(help="The page; FOLDER/runs.html if left out.")] = None,
    by: Annotated[
        str | None, typer.Option(help="Column to sort by, the largest number first, such as kNN; by name if left out.")
    ] = None,
) -> None:
    """Show what runs there are, how far they came and what came out, as a table and as one HTML page with their curves.

    The page's table sorts by any column; curves of up to 12 runs lie over each other.
    """
    from rich.console import Console
    from rich.table import Table

    from anchorwise import _checks
    from anchorwise._outputs import claim_file
    from anchorwise._terminal import printable
    from anchorwise.training.overview import COLUMNS, overview, runs_below, sorted_by

    page = out or folder / "runs.html"
    found = runs_below(folder)
    if by is not None:
        found = sorted_by(found, _checks.one_of("--by", by, COLUMNS))
    claim_file(page, lambda file: "Made by anchorwise" in file.read_text(encoding="utf-8"))
    table = Table(*_TERMINAL)
    for run in found:
        table.add_row(*(printable(run.cells.get(column, "")) for column in _TERMINAL))
    Console().print(table)
    overview(folder, found).write(page)
    typer.echo(f"The page, to be opened in a browser: {page.resolve().as_uri()}")
