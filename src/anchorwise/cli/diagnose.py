"""`anchorwise diagnose`: where the hardest negatives of anyone's embeddings end, and what follows from it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from anchorwise.cli.embed import DataOption, DeviceOption, DownloadOption, RootOption

if TYPE_CHECKING:
    from anchorwise.diagnostics.embeddings import Embeddings

RESULT_FILE, REPORT_FILE = "diagnosis.json", "report.html"


def diagnose(
    file: Annotated[
        Path,
        typer.Argument(
            help="Embeddings: .npy, .npz, .safetensors or .parquet, one array of rows or two views "
            "(view0, view1; image, text), and labels, ids and names where there are any. Or the folder of a run."
        ),
    ],
    second: Annotated[
        Path | None, typer.Argument(help="A file with the second view, row by row of the same items.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help=f"Folder for {REPORT_FILE} and {RESULT_FILE}; FILE-diagnosis beside the file if left out."),
    ] = None,
    across: Annotated[
        bool,
        typer.Option("--across", help="The two views come from two encoders: negatives are rows of the other view."),
    ] = False,
    num_anchors: Annotated[
        int, typer.Option("--anchors", min=200, help="Rows drawn as anchors. Each is compared with every row.")
    ] = 2000,
    num_tail: Annotated[
        int | None,
        typer.Option("--tail", min=20, help="Hardest negatives of an anchor that are looked at; 1 % if left out."),
    ] = None,
    batch_size: Annotated[
        int, typer.Option(min=32, help="Items of a batch of the loss: decides how many negatives it would see.")
    ] = 256,
    seed: Annotated[int, typer.Option(min=0, help="Of all that is drawn.")] = 0,
    images: Annotated[
        Path | None, typer.Option(help="Folder in which the names of the items are image files, to be shown.")
    ] = None,
    data: DataOption = None,
    root: RootOption = None,
    download: DownloadOption = False,
    device: DeviceOption = "auto",
) -> None:
    """Say whether hardest negatives feel the ceiling at cosine 1, and which loss and temperature fit them.

    Works on embeddings of any model and library, with millions of rows. Prints a table, and writes a report for the
    browser and all numbers as JSON. An answer that does not hold in every draw of anchors is "inconclusive".
    """
    from rich.console import Console

    from anchorwise.diagnostics.diagnosis import DiagnoseConfig
    from anchorwise.diagnostics.diagnosis import diagnose as look
    from anchorwise.diagnostics.report import diagnosis_report
    from anchorwise.diagnostics.table import diagnosis_table

    config = DiagnoseConfig(num_anchors=num_anchors, num_tail=num_tail, batch_size=batch_size, seed=seed)
    embeddings, log = _embeddings(file, second, across, images, (data, root, download, device))
    with _progress() as progress:
        found = look(embeddings, config, progress=progress)
    folder = out or (file / "diagnosis" if file.is_dir() else file.with_name(f"{file.stem}-diagnosis"))
    found.save(folder / RESULT_FILE)
    diagnosis_report(found, source=file.name, log=log).write(folder / REPORT_FILE)
    Console().print(diagnosis_table(found))
    typer.echo(f"The report, to be opened in a browser: {(folder / REPORT_FILE).resolve().as_uri()}")
    typer.echo(f"All numbers: {folder / RESULT_FILE}")


def _embeddings(
    file: Path,
    second: Path | None,
    across: bool,
    images: Path | None,
    run_options: tuple[str | None, Path | None, bool, str],
) -> "tuple[Embeddings, list[dict[str, Any]]]":
    """Return the embeddings of a file or a run, with the log of the run."""
    from anchorwise.diagnostics.loading import load_embeddings, with_images
    from anchorwise.training.run_embeddings import embed_run_views, run_folder

    data, root, download, device = run_options
    folder = run_folder(file)
    if folder is None:
        if data is not None or root is not None or download:
            raise ValueError("--data, --root and --download are for runs; a file brings its own rows")
        embeddings = load_embeddings(file, second, across=across)
        return embeddings if images is None else with_images(embeddings, images), []
    if second is not None or across or images is not None:
        raise ValueError("a second file, --across and --images are for files; a run makes its own two views")
    return embed_run_views(folder, data=data, root=root, download=download, device=device)


@contextmanager
def _progress() -> Iterator[Callable[[str, float], None]]:
    """Yield what shows the progress on standard error."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(bar_width=20), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda what, share: bar.update(task, description=what, completed=share)
