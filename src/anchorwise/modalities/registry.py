"""Every modality by name, and the sections of a configuration that they read. One is imported when it is used."""

import json
from collections.abc import Callable
from pathlib import Path

from anchorwise import _checks, _files
from anchorwise.modalities.base import Modality
from anchorwise.modalities.encoder import FrozenEncoder
from anchorwise.modalities.images.config import DataConfig
from anchorwise.modalities.images.encoders import EncoderConfig
from anchorwise.modalities.images.views.policies import AnyViews
from anchorwise.modalities.own.encoder import OWN

AnyDataConfig = DataConfig
AnyViewsConfig = AnyViews
AnyEncoderConfig = EncoderConfig


def _images() -> Modality:
    from anchorwise.modalities.images.modality import Images

    return Images()


MODALITIES: dict[str, Callable[[], Modality]] = {"images": _images}


def modality_of(name: str) -> Modality:
    """Return a modality.

    Raises:
        ValueError: If there is none of that name.
    """
    return MODALITIES[_checks.one_of("modality", name, MODALITIES)]()


def rebuild(folder: Path) -> FrozenEncoder:
    """Read the encoder that a run wrote, of whatever modality, in evaluation mode.

    Raises:
        FileNotFoundError: If there is none.
        UnusableFileError: If a file of it is damaged.
    """
    path, name = folder / "encoder.json", "images"
    if path.is_file():
        with _files.reading(path):
            found = json.loads(path.read_text(encoding="utf-8"))
            name = found.get("modality", name)
        if name == OWN:
            raise ValueError(
                f"{folder} holds the weights of a network of its caller's own, {found.get('network')!r}, which nothing "
                "here can build; call anchorwise.pretrain with it as before, or give its load_state_dict what "
                "safetensors.torch.load_file reads from encoder.safetensors"
            )
    return modality_of(name).rebuild(folder)
