"""`anchorwise pretrain`."""

from pathlib import Path
from typing import Annotated

import typer

from anchorwise.cli.compare import interrupted


def pretrain(
    recipe: Annotated[
        str | None,
        typer.Argument(
            help="Where to start from: of images digits, placed-digits, glyphs, cifar10-small, cifar10-resnet18, "
            "cifar10-fast, cifar10-adainf or folder, cifar10-METHOD on a CPU, imagenet-METHOD as its source trains; of "
            "texts captions-small, docstrings-small, snli-small, reranker-small or simcse; of images with texts "
            "glyphs-clip; of users and items lastfm-xsimgcl; of nodes acm-meow or imdb-meow; of signals "
            "pulses-participants; of queries queries-sirl; of speech spoken-digits or spoken-digits-coconut; of video "
            "moving-digits or moving-digits-comix; or a JSON file such as --show-config prints, or a run's config.json"
            "; left out, folder where --data are images of your own, else digits."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Run directory; by default runs/ and the recipe's name. A stopped run there goes on."),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="digits, cifar10, cifar100, stl10, imagenet32, tiny-imagenet, or a folder or archive of images; of "
            "texts docstrings, a table, or a folder of them; a folder of users and their items, of a graph, or of "
            "wav files (or an archive of them). Short for --set data.source=..."
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Override one setting; several times. Values are TOML. A table whose name is set starts from that "
            "name's defaults, in whatever order settings stand: --set method.name=moco --set method.momentum=0.999 "
            "--set optimizer.name=sgd trains MoCo as it comes but for its momentum, with SGD.",
        ),
    ] = None,
    show_config: Annotated[
        bool, typer.Option("--show-config", help="Print the configuration that would run, as JSON, and stop.")
    ] = False,
) -> None:
    """Pretrain an encoder on images or texts, without labels; a run that was stopped goes on.

    The run directory gets config.json and environment.json before the first step, log.jsonl, TensorBoard events and
    checkpoints while it goes on, and the frozen encoder at the end. Under torchrun, all processes share every batch.
    """
    from anchorwise.training import RunDirectory
    from anchorwise.training import pretrain as run
    from anchorwise.training.choosing import configured, run_folder
    from anchorwise.training.fitting_recipe import fitting_recipe

    settings = settings or []
    recipe = recipe or fitting_recipe(data, settings)
    config = configured(recipe, data=data, settings=settings)
    if show_config:
        typer.echo(config.model_dump_json(indent=2))
        return
    folder = out or run_folder(recipe)
    was_done = RunDirectory(folder).is_done
    try:
        directory = run(config, folder)
    except KeyboardInterrupt as interrupt:
        raise interrupted(interrupt) from None
    done = "was done before" if was_done else "done"
    typer.echo(f"{done}: {directory.path}; judge it with `anchorwise evaluate {directory.path}`")
