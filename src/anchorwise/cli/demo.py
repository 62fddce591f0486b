"""`anchorwise demo`: a first look in a few minutes."""

from pathlib import Path
from typing import Annotated

import typer


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the runs and the report.")] = Path("runs/demo"),
    num_seeds: Annotated[int, typer.Option("--seeds", min=1, help="Trainings per objective.")] = 3,
    num_epochs: Annotated[
        int | None, typer.Option("--epochs", min=1, help="Of every training; the recipe's if left out.")
    ] = None,
) -> None:
    """Pretrain with InfoNCE and WEINCE on real digits, judge both, show where their hardest negatives end.

    A second call takes up what is there: finished trainings are reused, a stopped one goes on.
    """
    from anchorwise.demo import run_demo

    path = run_demo(out, seeds=range(num_seeds), num_epochs=num_epochs)
    typer.echo(f"\nThe report, to be opened in a browser: {path.resolve().as_uri()}")
