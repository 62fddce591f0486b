"""`anchorwise embed`: images to feature files."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from anchorwise.modalities.images.image_set import Splits
    from anchorwise.modalities.images.storage import StoredEncoder

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

    They are what `anchorwise evaluate TRAIN TEST` takes. Images without a test part give `train` only.
    """
    from anchorwise import _checks
    from anchorwise._outputs import claim_folder, refuse_folder_of_others
    from anchorwise._terminal import printable
    from anchorwise.evaluation.embed import as_device, embed_images

    _checks.one_of("--format", suffix, ("npz", "safetensors"))
    refuse_folder_of_others(out, "embed")
    place, (stored, splits) = as_device(device), images_of_run(run, data, root, download)
    claim_folder(out, "embed")
    for split, images in (("train", splits.train), ("test", splits.test)):
        if images is None:
            continue
        embeddings = embed_images(stored.encoder, stored.spec, images, split=split, device=place, show_progress=True)
        path = out / f"{split}.{suffix}"
        embeddings.save(path)
        typer.echo(printable(f"{path}: {len(embeddings)} rows of {embeddings.width}"))


def images_of_run(run: Path, data: str | None, root: Path | None, download: bool) -> "tuple[StoredEncoder, Splits]":
    """Return a run's encoder and its images, or others.

    Raises:
        FileNotFoundError: If the run or the images are not there.
        ValueError: If `root` or `download` is given without `data`.
    """
    from anchorwise.modalities.images import load_encoder
    from anchorwise.modalities.images.config import DataConfig
    from anchorwise.modalities.images.datasets import load_splits
    from anchorwise.training.reading_progress import reading_progress
    from anchorwise.training.run_directory import RunDirectory

    stored, directory = load_encoder(run), RunDirectory(run)
    has_run = directory.config_file.is_file()
    config = directory.config().data if has_run else DataConfig()
    if data is not None:
        size_px = stored.spec.image_size_px
        config = config.of_other_images(data, image_size_px=size_px, root=root, download=download)
    elif root is not None or download:
        raise ValueError("--root and --download belong to --data; without it the run's own images are used")
    elif not has_run:
        raise ValueError(f"{run} holds an encoder without its run; name the images with --data")
    with reading_progress() as show:
        return stored, load_splits(config, on_progress=show)
