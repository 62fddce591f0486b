"""A frozen encoder on disk: weights in safetensors beside a JSON file that says how to rebuild it."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import Field, FiniteFloat
from safetensors.torch import load_file, save_file

from anchorwise import _files
from anchorwise._config import ImageSize, Section, read_section
from anchorwise.modalities.images.encoders import Encoder, EncoderConfig, build_encoder

WEIGHTS_FILE, SPEC_FILE = "encoder.safetensors", "encoder.json"


class EncoderSpec(Section):
    """What an encoder is and what it expects.

    Attributes:
        encoder: The architecture.
        num_channels: Channels of its images.
        image_size_px: Height and width of its images.
        mean: Subtracted from pixels on the scale of [0, 1], per channel.
        std: Divides them afterwards, per channel.
    """

    encoder: EncoderConfig
    num_channels: int = Field(ge=1, le=1024)
    image_size_px: ImageSize
    mean: tuple[FiniteFloat, ...]
    std: tuple[FiniteFloat, ...]


@dataclass(frozen=True)
class StoredEncoder:
    """An encoder with what it expects."""

    encoder: Encoder
    spec: EncoderSpec


def save_encoder(folder: Path | str, stored: StoredEncoder) -> None:
    """Write `encoder.json` and `encoder.safetensors` into `folder`; each file appears whole or not at all."""
    folder = Path(folder)
    _files.write_text(folder / SPEC_FILE, stored.spec.model_dump_json(indent=2) + "\n")
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in stored.encoder.state_dict().items()}
    with _files.replacing(folder / WEIGHTS_FILE) as temporary:
        save_file(weights, temporary)


def load_encoder(folder: Path | str) -> StoredEncoder:
    """Read an encoder that `save_encoder` wrote, in evaluation mode.

    Raises:
        FileNotFoundError: If one of the files is missing.
        UnusableFileError: If one is damaged, or the weights are not those of the architecture.
    """
    folder = Path(folder)
    for name in (SPEC_FILE, WEIGHTS_FILE):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"{folder} holds no {name}; give the folder of a finished run")
    spec = read_section(EncoderSpec, folder / SPEC_FILE)
    with _files.reading(folder / SPEC_FILE):
        encoder = build_encoder(spec.encoder, num_channels=spec.num_channels, image_size_px=spec.image_size_px)
    with _files.reading(folder / WEIGHTS_FILE):
        encoder.load_state_dict(load_file(folder / WEIGHTS_FILE))
    return StoredEncoder(encoder.eval(), spec)
