"""`anchorwise export`."""

from pathlib import Path
from typing import Annotated

import typer


def export(
    run: Annotated[Path, typer.Argument(help="Run directory of a finished pretraining.")],
    out: Annotated[Path, typer.Option(help="Folder for the weights, their configuration and a model card.")],
) -> None:
    """Write the frozen encoder for other libraries: weights in safetensors, how to load them, and a model card.

    Of images a ResNet goes to torchvision's names, a timm backbone to timm's; of texts sentence-transformers and
    transformers read the folder. The export is read back as its user would, and must give the same features, before the
    command ends. The card (README.md) tells data, objective, settings, and scores where the run was evaluated.
    """
    from anchorwise import _files
    from anchorwise._terminal import printable
    from anchorwise.modalities.registry import modality_name, modality_of, rebuild
    from anchorwise.training.model_card import CARD_FILE, model_card
    from anchorwise.training.run_directory import RunDirectory

    frozen = rebuild(run)
    exported = modality_of(modality_name(run)).export(frozen, out)
    directory = RunDirectory(run)
    if directory.is_done:  # An encoder alone has nothing to tell.
        _files.write_text(out / CARD_FILE, model_card(directory, exported))
    typer.echo(printable(f"written for {exported.library}: {out}; README.md says how to load it"))
