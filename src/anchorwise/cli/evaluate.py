"""`anchorwise evaluate`: an encoder or its frozen features judged."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from anchorwise.cli.embed import DataOption, DeviceOption, DownloadOption, RootOption, samples_of_run

if TYPE_CHECKING:
    import torch

    from anchorwise.evaluation.results import Evaluation, EvaluationConfig
    from anchorwise.evaluation.transfer import Transfer
    from anchorwise.evaluation.unlabelled import UnlabelledEvaluation
    from anchorwise.evaluation.work import Work
    from anchorwise.modalities.encoder import FrozenEncoder
    from anchorwise.modalities.samples import Samples, Splits

RESULT_FILE, TRANSFER_FILE = "evaluation.json", "transfer.json"
_UNLABELLED = "The samples have no labels, only one class or no test part: two views of them are judged without labels."
# Results, of earlier versions too, have one of these pairs.
_OF_RESULTS = ({"num_test", "num_features"}, {"num_rows", "num_features"}, {"results", "failures"})


def evaluate(
    paths: Annotated[
        list[Path],
        typer.Argument(
            help="Folder of a finished run; or two feature files, training and test, or the folder with both that "
            "`anchorwise embed` wrote; or one file, judged without labels."
        ),
    ],
    judge: Annotated[
        list[str] | None,
        typer.Option(
            help="Who judges; several times. Left out, of images, and of single texts with classes, classification "
            "(linear probe, kNN, recall) and geometry; of other texts retrieval, or sts where pairs have scores, with "
            "alignment and geometry; of signals group_retrieval, regression by participant, classification where there "
            "are classes; of nodes of graphs nodes and geometry; of users and items ranking and geometry. Beside them "
            "few_shot, robustness, adversarial, embedding_attack, regression, separation, fine_tuning, label_free, "
            "duplicates and, of scored pairs, pair_classification."
        ),
    ] = None,
    on: Annotated[
        list[str] | None,
        typer.Option(
            help="Other samples to judge a run on, as --data takes them; several times, for one table of all. Images "
            "are resized, and grey ones made colour, as the encoder expects."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help=f"JSON file for the result. Left out, it is in a run's folder: {RESULT_FILE}, {TRANSFER_FILE} with "
            "--on, and evaluation-NAME.json with --data NAME where these are other samples than the run's."
        ),
    ] = None,
    data: DataOption = None,
    root: RootOption = None,
    download: DownloadOption = False,
    device: DeviceOption = "auto",
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="How to judge: judges.classification.split_seeds=[0], judges.few_shot.num_episodes=100, ... Left "
            "out, a judge that is asked of a run has the settings that it has in the run's config.json.",
        ),
    ] = None,
) -> None:
    """Judge frozen features: linear probe, kNN, recall, geometry; without labels geometry alone.

    Settings of the classifiers are chosen on parts of the training images; every test image is scored once. Other
    judges are asked for by name: few-shot episodes, robustness to noise, blur and JPEG, or to attacks, fine-tuning with
    a part of the labels, numbers that need no labels, duplicates between training and test.
    """
    from rich.console import Console

    from anchorwise._device import as_device
    from anchorwise._outputs import claim_file
    from anchorwise._terminal import printable
    from anchorwise.embeddings.stored import parts_in
    from anchorwise.evaluation.evaluate import judged_samples
    from anchorwise.evaluation.results import Evaluation, evaluation_config
    from anchorwise.evaluation.table import evaluation_table
    from anchorwise.evaluation.transfer import Transfer
    from anchorwise.evaluation.unlabelled import evaluate_unlabelled
    from anchorwise.evaluation.work import Work
    from anchorwise.modalities.encoder import SPEC_FILE
    from anchorwise.modalities.registry import modality_name, modality_of
    from anchorwise.training.overrides import apply_overrides
    from anchorwise.training.run_directory import RunDirectory
    from anchorwise.training.run_embeddings import embed_run_views

    if len(paths) == 1 and not (paths[0] / SPEC_FILE).is_file():
        paths = parts_in(paths[0]) or paths
    place, is_run = as_device(device), _is_run(paths)
    own = RunDirectory(paths[0])
    like = own.config().judges if is_run and own.config_file.is_file() else ()

    def configured(judges: "Sequence[str | Mapping[str, Any]] | None") -> "EvaluationConfig":
        return apply_overrides(evaluation_config(judges or None, like=like), settings or [])

    def asked_of(frozen: "FrozenEncoder", splits: "Splits[Samples]") -> "Sequence[str | Mapping[str, Any]]":
        return judge or frozen.judged_by or modality_of(modality_name(paths[0])).judges_of(splits)

    config = configured(judge)
    if not is_run and (on or data is not None or root is not None or download):
        raise ValueError("--data, --on, --root and --download are for runs; feature files bring their own rows")
    if on and data is not None:
        raise ValueError("--on and --data both say on what to judge; give --on several times")
    if not is_run and len(paths) == 1 and (judge or settings):
        raise ValueError("--judge and --set are for a run, or for two files; one file is judged without labels")
    folder = paths[0] if is_run and paths[0].is_dir() else None
    is_named = out is not None
    out = out or (None if folder is None else folder / (TRANSFER_FILE if on else RESULT_FILE))
    if out is not None:
        claim_file(out, _is_result)
    work = Work(show=True, kept=None if folder is None else folder / "judged")
    result: Evaluation | UnlabelledEvaluation | Transfer
    if on:
        result = _transferred(paths[0], on, root, download, lambda *of: configured(asked_of(*of)), place, work)
    elif is_run:
        frozen, splits = samples_of_run(paths[0], data, root, download)
        if data is not None and folder is not None and not is_named and not _are_own(splits, folder):
            # The run's own result is what tables of runs and model cards tell.
            out = folder / f"evaluation-{Path(data).name.partition('.')[0]}.json"
            claim_file(out, _is_result)
        if judges := asked_of(frozen, splits):
            result = judged_samples(frozen, splits, configured(judges), device=place, work=work)
        else:
            typer.echo(_UNLABELLED + (" Nothing of --set is heard there." if settings else ""), err=True)
            result = evaluate_unlabelled(embed_run_views(paths[0], data=data, device=str(place))[0], device=place)
    else:
        result = _judged_files(paths, config, place, work)
    Console().print(evaluation_table(paths[-1].name, result))
    if out is not None:
        (_beside_earlier(result, out) if isinstance(result, Evaluation) else result).save(out)
        typer.echo(printable(f"Written to {out}"))
    if isinstance(result, Transfer) and result.failures:
        names = ", ".join(result.failures)
        raise ValueError(f"{len(result.failures)} of {len(on or [])} data sets failed: {names}; the others are done")


def _is_run(paths: list[Path]) -> bool:
    from anchorwise.embeddings.stored import SUFFIXES

    return len(paths) == 1 and not paths[0].is_file() and paths[0].suffix not in SUFFIXES


def _are_own(splits: "Splits[Samples]", run: Path) -> bool:
    """Return whether samples are those that the run was trained on, or it does not tell which these were."""
    from anchorwise._config import read_section
    from anchorwise.modalities.fingerprint import DataFacts
    from anchorwise.training.run_directory import RunDirectory

    file = RunDirectory(run).data_file
    return not file.is_file() or not read_section(DataFacts, file).differences(splits.facts())


def _is_result(path: Path) -> bool:
    found = json.loads(path.read_text(encoding="utf-8"))
    return isinstance(found, dict) and any(pair <= found.keys() for pair in _OF_RESULTS)


def _beside_earlier(result: "Evaluation", path: Path) -> "Evaluation":
    """Return a result with what the file has of judges that were not asked now, if they judged the same."""
    try:
        return result.beside(type(result).load(path))
    except (FileNotFoundError, ValueError):  # No file, another kind of result, or one of an earlier version.
        return result


def _transferred(
    run: Path,
    sources: list[str],
    root: Path | None,
    download: bool,
    config_of: "Callable[[FrozenEncoder, Splits[Samples]], EvaluationConfig]",
    device: "torch.device",
    work: "Work",
) -> "Transfer":
    from anchorwise.evaluation.transfer import transfer
    from anchorwise.modalities.registry import rebuild

    def reader(source: str) -> "Callable[[], Splits[Samples]]":
        return lambda: samples_of_run(run, source, root, download)[1]

    names = {source: Path(source).name.partition(".")[0] for source in sources}
    is_clear = len(set(names.values())) == len(sources)
    data_sets = {names[source] if is_clear else source: reader(source) for source in sources}
    frozen = rebuild(run)
    config, say = partial(config_of, frozen), partial(typer.echo, err=True)
    return transfer(frozen, data_sets, config, device=device, work=work, say=say)


def _judged_files(
    paths: list[Path], config: "EvaluationConfig", device: "torch.device", work: "Work"
) -> "Evaluation | UnlabelledEvaluation":
    from anchorwise.embeddings import load_embeddings
    from anchorwise.evaluation.evaluate import judged
    from anchorwise.evaluation.unlabelled import evaluate_unlabelled

    if len(paths) > 2:
        raise ValueError(f"give the folder of a run, a training and a test file, or one file; got {len(paths)} paths")
    parts = [load_embeddings(path) for path in paths]
    if len(parts) == 1:
        return evaluate_unlabelled(parts[0], device=device)
    train, test = parts
    return judged(train, test, config, device=device, work=work)
