"""`anchorwise demo`: a first look in a few minutes."""

from pathlib import Path
from typing import Annotated

import typer


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the runs and the report.")] = Path("runs/demo"),
    num_seeds: Annotated[int, typer.Option("--seeds", min=1, help="Trainings per objective.")] = 2,
    num_epochs: Annotated[
        int | None, typer.Option("--epochs", min=1, help="Of every training; the recipe's if left out.")
    ] = None,
) -> None:
    """Pretrain with InfoNCE at three temperatures and with Weibit, which has none, judge them, show what they learnt.

    It is `anchorwise compare demo`: finished trainings are reused, a stopped one goes on.
    """
    from anchorwise.cli.compare import run_study
    from anchorwise.comparison import Workplace, study_recipe

    study = study_recipe("demo")
    changes = {} if num_epochs is None else {"train": study.train.model_copy(update={"num_epochs": num_epochs})}
    seeds = tuple(range(1, num_seeds + 1))
    run_study(Workplace(study.model_copy(update={"seeds": seeds, **changes}), out))
