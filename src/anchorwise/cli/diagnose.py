"""`anchorwise diagnose`: where the hardest negatives of anyone's embeddings end, and what follows from it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from anchorwise.cli.embed import DataOption, DeviceOption

if TYPE_CHECKING:
    from anchorwise.embeddings import Embeddings

RESULT_FILE, REPORT_FILE = "diagnosis.json", "report.html"


def diagnose(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="Embeddings: .npy, .npz, .safetensors or .parquet with one array of rows or two views (view0, view1; "
            "image, text), and labels, ids and names where there are any; or one file per view. Or the folder of a run."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(help=f"Folder for {REPORT_FILE} and {RESULT_FILE}; FILE-diagnosis beside the file if left out."),
    ] = None,
    across: Annotated[
        bool,
        typer.Option("--across", help="The two views come from two encoders: negatives are rows of the other view."),
    ] = False,
    images: Annotated[
        Path | None, typer.Option(help="Folder in which the names of the items are image files, to be shown.")
    ] = None,
    data: DataOption = None,
    device: DeviceOption = "auto",
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show what every answer means and rests on.")
    ] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="How to look: num_anchors=5000 (rows drawn as anchors), num_tail=100 (hardest negatives of each), "
            "batch_size=1024 (of the loss), temperatures=[0.07, 0.2], num_draws, seed.",
        ),
    ] = None,
) -> None:
    """Say which law hardest negatives follow, and which loss and temperature fit them.

    Works on embeddings of any model and library, with millions of rows. Prints an answer a line, and writes a report
    for the browser and all numbers as JSON. An answer that does not hold in every draw of anchors is "inconclusive".
    """
    from rich.console import Console

    from anchorwise._outputs import claim_folder, refuse_folder_of_others
    from anchorwise._terminal import printable
    from anchorwise.diagnostics.diagnosis import DiagnoseConfig
    from anchorwise.diagnostics.diagnosis import diagnose as look
    from anchorwise.diagnostics.report import diagnosis_report
    from anchorwise.diagnostics.table import diagnosis_table
    from anchorwise.training.overrides import apply_overrides

    config, file = apply_overrides(DiagnoseConfig(), settings or []), files[0]
    folder = out or (file / "diagnosis" if file.is_dir() else file.with_name(f"{file.stem}-diagnosis"))
    refuse_folder_of_others(folder, "diagnose")
    run = _from_run(files, across, images, data, device)
    embeddings, log = run or (_from_files(files, across, images, data, device), [])
    claim_folder(folder, "diagnose")
    with _progress() as progress:
        found = look(embeddings, config, progress=progress)
    found.save(folder / RESULT_FILE)
    diagnosis_report(found, source=file.name, log=log).write(folder / REPORT_FILE)
    Console().print(diagnosis_table(found, verbose=verbose))
    typer.echo(f"The report, to be opened in a browser: {(folder / REPORT_FILE).resolve().as_uri()}")
    typer.echo(printable(f"All numbers: {folder / RESULT_FILE}"))


def _from_run(
    files: list[Path], across: bool, images: Path | None, data: str | None, device: str
) -> "tuple[Embeddings, list[dict[str, Any]]] | None":
    """Return two views of a run's images and its log; None if the path is no run's."""
    from anchorwise.training.run_embeddings import embed_run_views, run_folder

    folder = run_folder(files[0])
    if folder is None:
        return None
    if len(files) > 1 or across or images is not None:
        raise ValueError("a second file, --across and --images are for files; a run makes its own two views")
    return embed_run_views(folder, data=data, device=device)


def _from_files(files: list[Path], across: bool, images: Path | None, data: str | None, device: str) -> "Embeddings":
    from anchorwise.diagnostics.item_pictures import with_images
    from anchorwise.embeddings import load_embeddings

    if data is not None:
        raise ValueError("--data is for runs; a file brings its own rows")
    if device not in ("auto", "cpu"):
        raise ValueError(f"--device is for runs, got {device!r}; rows of a file are compared on the CPU")
    embeddings = load_embeddings(*files, across=across)
    return embeddings if images is None else with_images(embeddings, images)


@contextmanager
def _progress() -> Iterator[Callable[[str, float], None]]:
    """Yield what shows the progress on standard error."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(bar_width=20), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda what, share: bar.update(task, description=what, completed=share)
