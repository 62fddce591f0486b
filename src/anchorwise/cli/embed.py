"""`anchorwise embed`: images to feature files."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from anchorwise.evaluation.features import Features

RunArgument = Annotated[
    Path, typer.Argument(help="Folder of a finished run, or its encoder.json and encoder.safetensors.")
]
DataOption = Annotated[
    str | None,
    typer.Option("--data", help="Other images than the run's own: a data set's name, a folder or an archive."),
]
RootOption = Annotated[Path | None, typer.Option(help="Folder with the local copy of a named data set.")]
DownloadOption = Annotated[bool, typer.Option("--download", help="Download a named data set if it is not there.")]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")]


def embed(
    run: RunArgument,
    out: Annotated[Path, typer.Option(help="Folder for the feature files.")],
    data: DataOption = None,
    root: RootOption = None,
    download: DownloadOption = False,
    device: DeviceOption = "auto",
    suffix: Annotated[str, typer.Option("--format", help="npz or safetensors.")] = "npz",
) -> None:
    """Write the frozen features of training and test images, once, to `train` and `test` files.

    They are what `anchorwise evaluate TRAIN TEST` takes.
    """
    from anchorwise import _checks

    _checks.one_of("--format", suffix, ("npz", "safetensors"))
    for features in embed_run(run, data, root, download, device):
        path = out / f"{features.split}.{suffix}"
        features.save(path)
        typer.echo(f"{path}: {len(features)} rows of {features.features.shape[1]}")


def embed_run(
    run: Path, data: str | None, root: Path | None, download: bool, device: str
) -> "tuple[Features, Features]":
    """Return training and test features of a run's encoder.

    Raises:
        FileNotFoundError: If the run or the images are not there.
        ValueError: If `root` or `download` is given without `data`, or the images do not fit the encoder.
    """
    from anchorwise.data.config import DataConfig
    from anchorwise.data.datasets import load_splits
    from anchorwise.evaluation.embed import as_device, embed_splits
    from anchorwise.models import load_encoder
    from anchorwise.training.run_directory import RunDirectory

    stored = load_encoder(run)
    if data is not None:
        config = DataConfig(source=data, root=root, download=download, image_size_px=stored.spec.image_size_px)
    elif root is not None or download:
        raise ValueError("--root and --download belong to --data; without it the run's own images are used")
    else:
        directory = RunDirectory(run)
        if not directory.config_file.is_file():
            raise ValueError(f"{run} holds an encoder without its run; name the images with --data")
        config = directory.config().data
    return embed_splits(stored.encoder, stored.spec, load_splits(config), device=as_device(device), show_progress=True)
