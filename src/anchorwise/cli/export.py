"""`anchorwise export`."""

from pathlib import Path
from typing import Annotated

import typer


def export(
    run: Annotated[Path, typer.Argument(help="Run directory of a finished pretraining.")],
    out: Annotated[Path, typer.Option(help="Folder for the weights, their configuration and a model card.")],
    onnx: Annotated[
        bool, typer.Option("--onnx", help="Write model.onnx instead, of any encoder of images, for any runtime.")
    ] = False,
    push_to: Annotated[
        str | None,
        typer.Option(
            metavar="OWNER/NAME",
            help="Upload the folder to the Hugging Face hub too, with your own login there; a repository that is not "
            "there is made, and is private. Without this option nothing leaves the machine.",
        ),
    ] = None,
) -> None:
    """Write the frozen encoder for other libraries: weights in safetensors, how to load them, and a model card.

    Of images a ResNet goes to torchvision's names, a timm backbone to timm's; of texts sentence-transformers and
    transformers read the folder. The export is read back as its user would, and must give the same features, before the
    command ends. The card (README.md) tells data, objective, settings, and scores where the run was evaluated.
    """
    from anchorwise import _extras, _files
    from anchorwise._terminal import printable
    from anchorwise.modalities.registry import modality_name, modality_of, rebuild
    from anchorwise.training.model_card import CARD_FILE, model_card
    from anchorwise.training.run_directory import RunDirectory

    if push_to is not None:
        _extras.needed("huggingface_hub")
    frozen = rebuild(run)
    modality = modality_of(modality_name(run))
    exported = modality.export_onnx(frozen, out) if onnx else modality.export(frozen, out)
    directory = RunDirectory(run)
    if directory.is_done:  # An encoder alone has nothing to tell.
        _files.write_text(out / CARD_FILE, model_card(directory, exported))
    typer.echo(printable(f"written for {exported.loads_in}: {out}; README.md says how to load it"))
    if push_to is not None:
        typer.echo(printable(f"uploaded to {_pushed(out, push_to)}"))


def _pushed(folder: Path, name: str) -> str:
    """Upload a folder to the hub, and return its address there."""
    from huggingface_hub import HfApi

    hub = HfApi()
    address = hub.create_repo(name, private=True, exist_ok=True)
    hub.upload_folder(repo_id=name, folder_path=folder, ignore_patterns=[".*"])
    return str(address)
