"""A frozen encoder on disk: weights in safetensors beside a JSON file that says how to rebuild it."""

from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from anchorwise import _files
from anchorwise._config import Section
from anchorwise.models.config import EncoderConfig
from anchorwise.models.encoders import Encoder, build_encoder

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
    num_channels: int
    image_size_px: int
    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True)
class StoredEncoder:
    """An encoder with what it expects."""

    encoder: Encoder
    spec: EncoderSpec


def save_encoder(folder: Path, stored: StoredEncoder) -> None:
    """Write `encoder.json` and `encoder.safetensors` into `folder`; each file appears whole or not at all."""
    _files.write_text(folder / SPEC_FILE, stored.spec.model_dump_json(indent=2) + "\n")
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in stored.encoder.state_dict().items()}
    with _files.replacing(folder / WEIGHTS_FILE) as temporary:
        save_file(weights, temporary)


def load_encoder(folder: Path) -> StoredEncoder:
    """Read an encoder that `save_encoder` wrote, in evaluation mode.

    Raises:
        FileNotFoundError: If one of the files is missing.
        ValueError: If the weights are damaged, or not those of the architecture.
    """
    for name in (SPEC_FILE, WEIGHTS_FILE):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"{folder} holds no {name}; give the folder of a finished run")
    spec = EncoderSpec.model_validate_json((folder / SPEC_FILE).read_text(encoding="utf-8"))
    encoder = build_encoder(spec.encoder, num_channels=spec.num_channels, image_size_px=spec.image_size_px)
    try:
        encoder.load_state_dict(load_file(folder / WEIGHTS_FILE))
    except SafetensorError as error:
        raise ValueError(f"{folder / WEIGHTS_FILE} is damaged: {error}") from error
    except RuntimeError as error:
        raise ValueError(f"{folder / WEIGHTS_FILE} does not fit the encoder of {SPEC_FILE}: {error}") from error
    return StoredEncoder(encoder.eval(), spec)
