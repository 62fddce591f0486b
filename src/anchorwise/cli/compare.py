"""`anchorwise compare`."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from anchorwise.comparison import Study, Summary, Workplace


def compare(  # The options of a command.
    study: Annotated[
        str,
        typer.Argument(
            help="demo, compare-digits, compare-cifar10-small, compare-ablation, compare-methods-digits, "
            "compare-methods, verdict-small, verdict-text, compare-paper, or a JSON file such as --show-config prints."
        ),
    ] = "compare-digits",
    out: Annotated[
        Path | None, typer.Option(help="Folder of the study; by default runs/NAME. A stopped study there goes on.")
    ] = None,
    results: Annotated[
        Path | None,
        typer.Option(help="Folder of the runs' small result files, such as one in a repository; by default in --out."),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            help="Images: a data set's name, a folder or an archive. Of several data sets NAME=IMAGES, several times."
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="An objective to compare with the baseline; all if left out. Several times."),
    ] = None,
    on: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A data set to compare them on; all if left out. Several times."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Override one setting, such as seeds=[1,2,3], encoder.name=resnet50 or data_sets.cifar10.root=/data. "
            "Values are TOML. May be given several times.",
        ),
    ] = None,
    budget: Annotated[
        float | None, typer.Option(help="Fraction of the epochs, for all objectives alike; above 0, at most 1.")
    ] = None,
    num_workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="Runs at a time; by default one per CUDA device or CPU core.")
    ] = None,
    executor: Annotated[str, typer.Option(help="local, or ray for a cluster.")] = "local",
    engine: Annotated[str | None, typer.Option(hidden=True)] = None,
    show_config: Annotated[
        bool, typer.Option("--show-config", help="Print the study that would run, as JSON, and stop.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check samples and disk, print what the study would take, and stop.")
    ] = False,
    print_commands: Annotated[
        bool,
        typer.Option(
            "--print-commands",
            help="Print one shell command for every run that can start now, and stop; call again when they are done.",
        ),
    ] = False,
    key: Annotated[
        str | None, typer.Option("--run", help="Do one run only, by its key; --print-commands prints such calls.")
    ] = None,
) -> None:
    """Compare objectives or methods: each at its own best setting, over several seeds, with a verdict one can trust.

    Settings are chosen by accuracy on validation parts of the training samples; the chosen ones are judged on test
    samples with fresh seeds. Every run is kept under a key of its configuration: a study that was stopped goes on, and
    another seed or objective reuses what is there. Tables and report.html are in the folder of the study.
    """
    from anchorwise.comparison import Workplace
    from anchorwise.comparison.compare import run_one

    if engine is not None:
        raise ValueError("--engine is --executor now")

    resolved = _study(study, data or [], only or [], on or [], settings or [], budget)
    if show_config:
        typer.echo(resolved.model_dump_json(indent=2))
        return
    workplace = Workplace(resolved, out or Path("runs") / resolved.name, results)
    try:
        if dry_run:
            _print_forecast(workplace, num_workers)
        elif print_commands:
            _print_commands(workplace)
        elif key is not None:
            result = run_one(workplace, key)
            typer.echo(f"{result.status} {result.message}".rstrip())
            if result.status == "failed":
                raise typer.Exit(1)
        else:
            run_study(workplace, num_workers=num_workers, executor=executor)
    except KeyboardInterrupt as interrupt:
        raise interrupted(interrupt) from None


def run_study(workplace: "Workplace", *, num_workers: int | None = None, executor: str = "local") -> None:
    """Do what is missing of a study, saying how far it is, and print the verdicts.

    Raises:
        typer.Exit: If a signal ended it early.
    """
    from anchorwise.comparison import compare

    try:
        summary = compare(workplace, num_workers=num_workers, executor=executor, say=_say)
    except KeyboardInterrupt as interrupt:
        raise interrupted(interrupt) from None
    _print_verdicts(summary, workplace)


def interrupted(interrupt: KeyboardInterrupt) -> typer.Exit:
    """Say that a command that goes on was stopped, and where if that is known; return its exit."""
    typer.echo(str(interrupt) or "stopped; the same command goes on", err=True)
    return typer.Exit(130)


def _study(
    name: str, data: list[str], only: list[str], on: list[str], settings: list[str], budget: float | None
) -> "Study":
    from anchorwise.comparison import load_study, study_recipe
    from anchorwise.training import apply_overrides

    study = load_study(Path(name)) if name.endswith(".json") else study_recipe(name)
    study = study.on(on) if on else study
    sources = dict(_named_source(text, study) for text in data)
    if len(sources) < len(data):
        raise ValueError(f"--data must name a data set once, got {', '.join(data)}")
    found = {
        known: config.model_copy(update={"source": sources.get(known, config.source)})
        for known, config in study.data_sets.items()
    }
    study = study.model_copy(update={"data_sets": found})
    study = study.only(only) if only else study
    study = apply_overrides(study, settings)
    return study if budget is None else study.with_budget(budget)


def _named_source(text: str, study: "Study") -> tuple[str, str]:
    """Return a data set's name and its samples; the only one need not be named."""
    name, separator, source = text.partition("=")
    if separator and name in study.data_sets:
        return name, source
    if len(study.data_sets) > 1:
        raise ValueError(f"--data must be NAME=IMAGES, NAME one of {', '.join(study.data_sets)}, got {text!r}")
    return next(iter(study.data_sets)), text


def _print_forecast(workplace: "Workplace", num_workers: int | None) -> None:
    from anchorwise.comparison.executors import default_workers
    from anchorwise.comparison.forecast import forecast

    num_workers = num_workers or default_workers(workplace.study.train.device)
    typer.echo(forecast(workplace, workplace.known(), num_workers, say=_say).words(num_workers))


def _print_commands(workplace: "Workplace") -> None:
    """Print to standard output what a job array needs, and to standard error what a person does."""
    from anchorwise.comparison.compare import ready
    from anchorwise.reporting.wording import counted

    workplace.prepare()
    runs = ready(workplace)
    start = ["anchorwise", "compare", str(workplace.keep_for_jobs()), "--out", str(workplace.out)]
    if workplace.results is not None:
        start += ["--results", str(workplace.results)]
    for run in runs:
        typer.echo(shlex.join([*start, "--run", run.key]))
    said = f"{counted(len(runs), 'run')} can start now; then the same call says what is next"
    if not runs:
        said = "no run is left; the same call without --print-commands writes the tables"
    typer.echo(said, err=True)


def _print_verdicts(summary: "Summary", workplace: "Workplace") -> None:
    from rich.console import Console

    from anchorwise.comparison.tables import across_caption, across_columns, across_rows, caption, markdown, printed
    from anchorwise.comparison.write import REPORT_FILE

    for data_set in summary.standings:
        Console().print(printed(summary, data_set))
    typer.echo(f"{caption(summary)}\n")
    if rows := across_rows(summary):
        typer.echo(markdown(across_columns(), rows, across_caption(summary)))
    typer.echo(f"The report, to be opened in a browser: {(workplace.out / REPORT_FILE).resolve().as_uri()}")


def _say(line: str) -> None:
    print(line, flush=True)
