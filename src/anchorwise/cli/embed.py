"""`anchorwise embed`: samples to feature files."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from anchorwise.modalities.encoder import FrozenEncoder
    from anchorwise.modalities.samples import Samples, Splits

DataOption = Annotated[
    str | None,
    typer.Option("--data", help="Other samples than the run's own: a data set's name, a folder, an archive, a table."),
]
RootOption = Annotated[Path | None, typer.Option(help="Folder with the local copy of a named data set.")]
DownloadOption = Annotated[bool, typer.Option("--download", help="Download a named data set if it is not there.")]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")]


def embed(
    runs: Annotated[
        list[Path],
        typer.Argument(
            help="Folder of a finished run, or its encoder.json and encoder.safetensors. Rows of several, such as the "
            "stages of a training, are joined, each at length 1."
        ),
    ],
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
    from anchorwise._device import as_device
    from anchorwise._outputs import claim_folder, refuse_folder_of_others
    from anchorwise._terminal import printable
    from anchorwise.embeddings import side_by_side
    from anchorwise.evaluation.embed import embed_samples

    _checks.one_of("--format", suffix, ("npz", "safetensors"))
    refuse_folder_of_others(out, "embed")
    place, asked = as_device(device), [samples_of_run(run, data, root, download) for run in runs]
    parts = {
        split: [(frozen, samples) for frozen, splits in asked if (samples := getattr(splits, split)) is not None]
        for split in ("train", "test")
    }
    for split, of_runs in parts.items():
        if 0 < len(of_runs) < len(runs):
            raise ValueError(f"{len(of_runs)} of {len(runs)} runs have {split} samples; name some for all with --data")
    claim_folder(out, "embed")
    for split, of_runs in parts.items():
        # What the same command left here of another run is no part of what is written now.
        for kind in ("npz", "safetensors"):
            if kind != suffix or not of_runs:
                (out / f"{split}.{kind}").unlink(missing_ok=True)
        if not of_runs:
            continue
        shown = {"split": split, "device": place, "show_progress": True}
        embeddings = side_by_side([embed_samples(frozen, samples, **shown) for frozen, samples in of_runs])
        path = out / f"{split}.{suffix}"
        embeddings.save(path)
        typer.echo(printable(f"{path}: {len(embeddings)} rows of {embeddings.width}"))


def samples_of_run(
    run: Path, data: str | None, root: Path | None, download: bool
) -> "tuple[FrozenEncoder, Splits[Samples]]":
    """Return a run's encoder and its samples, or others.

    Raises:
        FileNotFoundError: If the run or the samples are not there.
        ValueError: If `root` or `download` is given without `data`.
    """
    from anchorwise.modalities.registry import modality_name, modality_of, rebuild
    from anchorwise.training.config import run_config_of
    from anchorwise.training.own import NO_PARTS
    from anchorwise.training.reading_progress import reading_progress
    from anchorwise.training.run_directory import RunDirectory

    frozen, directory = rebuild(run), RunDirectory(run)
    has_run = directory.config_file.is_file()
    config = NO_PARTS.noted_in(directory.config()) if has_run else run_config_of(modality_name(run))()
    source, modality = config.data, modality_of(config.modality)
    source = modality.data_of_run(source, run)
    if data is not None:
        source = modality.other_data(data, like=source, frozen=frozen, root=root, download=download)
    elif root is not None or download:
        raise ValueError("--root and --download belong to --data; without it the run's own samples are used")
    elif not has_run:
        raise ValueError(f"{run} holds an encoder without its run; name the samples with --data")
    with reading_progress() as show:
        splits = modality.load(source, on_progress=show)
    return frozen, splits if data is None else splits.changed(frozen.adapted)
