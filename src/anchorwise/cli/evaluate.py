"""`anchorwise evaluate`: frozen features judged."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from anchorwise.cli.embed import DataOption, DeviceOption, DownloadOption, RootOption, images_of_run

if TYPE_CHECKING:
    import torch

    from anchorwise.embeddings import Embeddings

RESULT_FILE = "evaluation.json"


def evaluate(
    paths: Annotated[
        list[Path], typer.Argument(help="Folder of a finished run; or two feature files, training and test.")
    ],
    out: Annotated[
        Path | None, typer.Option(help=f"JSON file for the result; {RESULT_FILE} in a run's folder if left out.")
    ] = None,
    data: DataOption = None,
    root: RootOption = None,
    download: DownloadOption = False,
    device: DeviceOption = "auto",
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="How to judge, as name=value: split_seeds=[0], ...")
    ] = None,
) -> None:
    """Judge frozen features: linear probe, kNN, recall, geometry.

    Settings of the classifiers are chosen on parts of the training images; every test image is scored once.
    """
    from rich.console import Console

    from anchorwise._outputs import claim_file
    from anchorwise.evaluation.embed import as_device
    from anchorwise.evaluation.judge import Evaluation, EvaluationConfig
    from anchorwise.evaluation.judge import evaluate as judge
    from anchorwise.evaluation.table import evaluation_table
    from anchorwise.training.overrides import apply_overrides

    config, place = apply_overrides(EvaluationConfig(), settings or []), as_device(device)
    is_run = len(paths) == 1 and not paths[0].is_file()
    out = out or (paths[0] / RESULT_FILE if is_run and paths[0].is_dir() else None)
    if out is not None:
        claim_file(out, Evaluation.load)
    train, test = (
        _from_run(paths[0], data, root, download, place) if is_run else _from_files(paths, data, root, download)
    )
    result = judge(train, test, config, device=place)
    Console().print(evaluation_table({paths[0].name: result}))
    if out is not None:
        result.save(out)
        typer.echo(f"Written to {out}")


def _from_run(
    run: Path, data: str | None, root: Path | None, download: bool, device: "torch.device"
) -> "tuple[Embeddings, Embeddings]":
    from anchorwise.evaluation.embed import embed_splits

    stored, splits = images_of_run(run, data, root, download)
    return embed_splits(stored.encoder, stored.spec, splits, device=device, show_progress=True)


def _from_files(
    paths: list[Path], data: str | None, root: Path | None, download: bool
) -> "tuple[Embeddings, Embeddings]":
    from anchorwise.embeddings import load_embeddings

    if len(paths) != 2:
        raise ValueError(f"give the folder of a run, or a training and a test file; got {len(paths)} paths")
    if data is not None or root is not None or download:
        raise ValueError("--data, --root and --download are for runs; feature files bring their own rows")
    return load_embeddings(paths[0]), load_embeddings(paths[1])
