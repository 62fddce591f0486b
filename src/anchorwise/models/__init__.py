"""Encoders, projection heads, and how a frozen encoder is stored."""

from anchorwise import _extras

_extras.needed("pydantic")

from anchorwise.models.config import EncoderConfig, HeadConfig
from anchorwise.models.encoders import Encoder, build_encoder
from anchorwise.models.heads import ProjectionHead
from anchorwise.models.storage import EncoderSpec, StoredEncoder, load_encoder, save_encoder

__all__ = [
    "Encoder",
    "EncoderConfig",
    "EncoderSpec",
    "HeadConfig",
    "ProjectionHead",
    "StoredEncoder",
    "build_encoder",
    "load_encoder",
    "save_encoder",
]
