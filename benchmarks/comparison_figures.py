"""Draw what the kept results of a study came to, for the README and the pages; nothing is trained.

python benchmarks/comparison_figures.py compare-cifar10-small --set version=1 --draw info_nce_reg \
    --draw weince_published --draw weince --draw weince_reg --draw weibit --draw dcl --draw dhel \
    --results benchmarks/studies/cifar10
python benchmarks/comparison_figures.py verdict-small --on cifar100 --on flowers --on digits --on gtsrb \
    --on tiny-imagenet --only weibit --only weibit_hardest \
    --results benchmarks/studies/verdict-small
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from matplotlib.figure import Figure

from anchorwise.comparison import Workplace, study_recipe
from anchorwise.comparison.figures import difference_figure, forest_figure, grid_figure
from anchorwise.comparison.summary import Summary
from anchorwise.training import apply_overrides


def main(
    name: Annotated[str, typer.Argument(help="A study by name.")],
    results: Annotated[Path, typer.Option(help="Folder of its results.")],
    only: Annotated[list[str] | None, typer.Option(help="Objectives of the study, as for `compare`.")] = None,
    on: Annotated[list[str] | None, typer.Option(help="Its data sets, as for `compare`.")] = None,
    draw: Annotated[
        list[str] | None, typer.Option(help="Objectives to draw beside the baseline; all if left out.")
    ] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", help="Changes of the study, as for `compare`.")] = None,
    out: Annotated[Path, typer.Option(help="Folder of the pictures.")] = Path("docs/images"),
) -> None:
    """Write a data set's accuracy against temperature and its differences, and each objective's over all of several."""
    study = apply_overrides(study_recipe(name), settings or [])
    study = study.on(on) if on else study
    study = study.only(only) if only else study
    summary = Summary(study, Workplace(study, results.parent, results).known())
    for file, figure in _figures(summary, {study.baseline, *(draw or study.objectives)}):
        if figure is not None:
            figure.savefig(out / f"{file}.png", dpi=150, bbox_inches="tight")


def _figures(summary: Summary, drawn: set[str]) -> Iterator[tuple[str, Figure | None]]:
    for data_set, standings in summary.standings.items():
        entries = [one for one in standings if one.objective in drawn]
        title = "Accuracy against temperature, while choosing"
        yield f"{data_set}-temperature", grid_figure(entries, summary.primary, title=title)
        title = "Against InfoNCE at its best temperature"
        yield f"{data_set}-differences", difference_figure(summary, data_set, title=title)
    for objective in sorted(drawn - {summary.study.baseline}):
        yield f"{summary.study.name}-{objective}", forest_figure(summary, objective)


if __name__ == "__main__":
    typer.run(main)
