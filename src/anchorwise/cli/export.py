"""`anchorwise export`."""

from pathlib import Path
from typing import Annotated

import typer


def export(
    run: Annotated[Path, typer.Argument(help="Run directory of a finished pretraining.")],
    out: Annotated[Path, typer.Option(help="Folder for model.safetensors and config.json.")],
) -> None:
    """Write the frozen encoder for torchvision or timm: a state dict in safetensors, and how to load it.

    A ResNet goes to torchvision's names, a timm backbone to timm's. The export is read back as its user would, and must
    give the same features, before the command ends.
    """
    from anchorwise.modalities.images import load_encoder
    from anchorwise.modalities.images.export import export_encoder

    target = export_encoder(load_encoder(run), out)
    typer.echo(f"written for {target}: {out}; config.json says how to load it")
