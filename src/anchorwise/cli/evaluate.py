"""`anchorwise evaluate`: frozen features judged."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from anchorwise.cli.embed import DataOption, DeviceOption, DownloadOption, RootOption, samples_of_run

if TYPE_CHECKING:
    import torch

    from anchorwise.evaluation.results import Evaluation, EvaluationConfig
    from anchorwise.evaluation.unlabelled import UnlabelledEvaluation
    from anchorwise.modalities.encoder import FrozenEncoder
    from anchorwise.modalities.samples import Samples, Splits

RESULT_FILE = "evaluation.json"


def evaluate(
    paths: Annotated[
        list[Path],
        typer.Argument(
            help="Folder of a finished run; or two feature files, training and test; or one, judged without labels."
        ),
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
    """Judge frozen features: linear probe, kNN, recall, geometry; without labels geometry alone.

    Settings of the classifiers are chosen on parts of the training images; every test image is scored once.
    """
    from rich.console import Console

    from anchorwise._outputs import claim_file
    from anchorwise._terminal import printable
    from anchorwise.evaluation.embed import as_device
    from anchorwise.evaluation.results import EvaluationConfig
    from anchorwise.evaluation.table import evaluation_table
    from anchorwise.training.overrides import apply_overrides

    config, place = apply_overrides(EvaluationConfig(), settings or []), as_device(device)
    is_run = _is_run(paths)
    out = out or (paths[0] / RESULT_FILE if is_run and paths[0].is_dir() else None)
    if out is not None:
        claim_file(out, _is_evaluation)
    if is_run:
        result = _judged_run(paths[0], samples_of_run(paths[0], data, root, download), data, config, place)
    elif data is not None or root is not None or download:
        raise ValueError("--data, --root and --download are for runs; feature files bring their own rows")
    else:
        result = _judged_files(paths, config, place)
    Console().print(evaluation_table(paths[-1].name, result))
    if out is not None:
        result.save(out)
        typer.echo(printable(f"Written to {out}"))


def _is_run(paths: list[Path]) -> bool:
    from anchorwise.embeddings.stored import SUFFIXES

    return len(paths) == 1 and not paths[0].is_file() and paths[0].suffix not in SUFFIXES


def _is_evaluation(path: Path) -> object:
    from anchorwise.evaluation.results import Evaluation
    from anchorwise.evaluation.unlabelled import UnlabelledEvaluation

    try:
        return Evaluation.load(path)
    except ValueError:
        return UnlabelledEvaluation.load(path)


def _judged_run(
    run: Path,
    trained: "tuple[FrozenEncoder, Splits[Samples]]",
    data: str | None,
    config: "EvaluationConfig",
    device: "torch.device",
) -> "Evaluation | UnlabelledEvaluation":
    from anchorwise.evaluation.embed import embed_splits
    from anchorwise.evaluation.evaluate import evaluate as judge
    from anchorwise.training.run_embeddings import embed_run_views

    frozen, splits = trained
    if not splits.are_judgeable:
        typer.echo("The images have no labels or no test part: two views of them are judged without labels.", err=True)
        return judge(embed_run_views(run, data=data, device=str(device))[0], device=device)
    train, test = embed_splits(frozen, splits, device=device, show_progress=True)
    return judge(train, test, config, device=device)


def _judged_files(
    paths: list[Path], config: "EvaluationConfig", device: "torch.device"
) -> "Evaluation | UnlabelledEvaluation":
    from anchorwise.embeddings import load_embeddings
    from anchorwise.evaluation.evaluate import evaluate as judge

    if len(paths) > 2:
        raise ValueError(f"give the folder of a run, a training and a test file, or one file; got {len(paths)} paths")
    parts = [load_embeddings(path) for path in paths]
    if len(parts) == 1:
        return judge(parts[0], device=device)
    train, test = parts
    return judge(train, test, config, device=device)
