"""Frozen encoders for users of torchvision and timm: a state dict in their names, and how to load it."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from anchorwise import _files, _outputs
from anchorwise.modalities.base import Exported
from anchorwise.modalities.images.encoders import create_timm
from anchorwise.modalities.images.sizes import height_and_width
from anchorwise.modalities.images.storage import EncoderSpec, StoredEncoder

WEIGHTS_FILE, CONFIG_FILE = "model.safetensors", "config.json"


def export_encoder(stored: StoredEncoder, out: Path | str) -> Exported:
    """Write an encoder into `out` and check that it loads there with the same features.

    Args:
        stored: Such as that of a finished run.
        out: Folder for the weights and `config.json`: new, empty, or an export that is replaced.

    Returns:
        How torchvision or timm reads it.

    Raises:
        ValueError: If `out` holds anything else, neither library has the architecture, or the export does not give the
            same features.
    """
    out = Path(out)
    _outputs.refuse_folder_of_others(out, "export")
    config = _config(stored.spec)
    _outputs.claim_folder(out, "export")
    weights = {name: tensor.contiguous() for name, tensor in stored.encoder.backbone.state_dict().items()}
    with _files.replacing(out / WEIGHTS_FILE) as temporary:
        save_file(weights, temporary, metadata={"format": "pt"})
    _files.write_text(out / CONFIG_FILE, json.dumps(config, indent=2) + "\n")
    _check_round_trip(stored, out)
    how = f'model = load_exported("{out.name}")  # Or {config["how_to_load"]}.'
    return Exported(config["library"], how, "from anchorwise.modalities.images.export import load_exported")


def load_exported(out: Path | str) -> nn.Module:
    """Return the model of an export, built by torchvision or timm alone, in evaluation mode.

    Raises:
        FileNotFoundError: If the folder is no export.
        UnusableFileError: If one of its files is damaged.
    """
    out = Path(out)
    with _files.reading(out / CONFIG_FILE):
        config = json.loads((out / CONFIG_FILE).read_text(encoding="utf-8"))
        model = _timm_model(config) if config["library"] == "timm" else _torchvision_model(config)
    with _files.reading(out / WEIGHTS_FILE):
        model.load_state_dict(load_file(out / WEIGHTS_FILE))
    return model.eval()


def _config(spec: EncoderSpec) -> dict[str, Any]:
    name, num_channels = spec.encoder.name, spec.num_channels
    if name == "small":
        raise ValueError(
            "the small encoder is this library's own, so torchvision and timm cannot load it; "
            "use anchorwise.modalities.images.load_encoder on the run directory, or pretrain encoder.name=resnet18"
        )
    inputs = {"num_channels": num_channels, "image_size_px": spec.image_size_px}
    normalisation = {"mean": spec.mean, "std": spec.std, "pixels": "scaled to [0, 1] first"}
    common = {"input": inputs, "normalisation": normalisation}
    if name.startswith("timm/"):
        name = name.removeprefix("timm/")
        _, arguments = create_timm(name, num_channels, spec.image_size_px)
        how = f"timm.create_model({name!r}, **arguments), then load_state_dict"
        return {"library": "timm", "model": name, "arguments": arguments, "how_to_load": how, **common}
    norm = "" if spec.encoder.norm == "batch" else "norm_layer=lambda channels: torch.nn.GroupNorm(8, channels)"
    how = (
        f"model = torchvision.models.{name}({norm}); model.conv1 = torch.nn.Conv2d({num_channels}, 64, 3, padding=1, "
        "bias=False); model.maxpool = model.fc = torch.nn.Identity(); then load_state_dict"
    )
    return {"library": "torchvision", "model": name, "norm": spec.encoder.norm, "how_to_load": how, **common}


def _timm_model(config: dict[str, Any]) -> nn.Module:
    import timm

    return timm.create_model(config["model"], **config["arguments"])


def _torchvision_model(config: dict[str, Any]) -> nn.Module:
    from torchvision.models import get_model

    norm = nn.BatchNorm2d if config["norm"] == "batch" else partial(nn.GroupNorm, 8)
    model = get_model(config["model"], weights=None, norm_layer=norm)
    model.conv1 = nn.Conv2d(config["input"]["num_channels"], 64, 3, padding=1, bias=False)
    model.maxpool, model.fc = nn.Identity(), nn.Identity()
    return model


def _check_round_trip(stored: StoredEncoder, out: Path) -> None:
    """Refuse an export whose features differ from the run's on random images."""
    height_px, width_px = height_and_width(stored.spec.image_size_px)
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(4, stored.spec.num_channels, height_px, width_px, generator=generator)
    with torch.no_grad():
        expected: Tensor = stored.encoder(images)
        exported: Tensor = load_exported(out)(images)
    if not torch.equal(expected, exported):
        difference = (expected - exported).abs().max().item()
        raise ValueError(f"the export in {out} does not give the run's features: they differ by up to {difference:g}")
